//! `tokensmith token …`

use std::{
    io::{IsTerminal, Read, stdin},
    process::ExitCode,
};

use clap::Subcommand;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{Failure, output, project::project_id, store};
use crate::{
    config::Config,
    domain::{Credential, Name, NewToken, ProjectId, TokenId},
    error::{Error, Fault, Faults, Field},
    service::Grant,
};

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Issue a token. Its secret is printed this once.
    Create {
        /// The project that it shall belong to.
        #[arg(long, value_name = "ID", value_parser = project_id)]
        project: ProjectId,
        /// What people call it: 1 to 250 characters.
        #[arg(long)]
        name: String,
        /// What it may do; repeat the flag, or name several with commas.
        #[arg(long = "permission", short = 'p', value_name = "NAME", value_delimiter = ',', required = true)]
        permissions: Vec<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token at once. It cannot be undone.
    Revoke {
        /// The token's id.
        #[arg(value_parser = token_id)]
        id: TokenId,
    },
    /// Check a credential, read from stdin as PROJECT_ID:SECRET. Exits with 0 if it is valid, with 1 if not.
    ///
    /// It is never taken from an argument, because other users of the machine can see a command line.
    Verify {
        /// Ask also whether it holds this permission; repeat the flag for more.
        #[arg(long = "permission", short = 'p', value_name = "NAME", value_delimiter = ',')]
        permissions: Vec<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(command: TokenCommand, config: &Config) -> Result<ExitCode, Failure> {
    match command {
        TokenCommand::Create { project, name, permissions, json } => {
            create(config, project, &name, &permissions, json).await
        }
        TokenCommand::Revoke { id } => revoke(config, id).await,
        TokenCommand::Verify { permissions, json } => verify(config, &permissions, json).await,
    }
}

async fn create(
    config: &Config,
    project: ProjectId,
    name: &str,
    permissions: &[String],
    json: bool,
) -> Result<ExitCode, Failure> {
    let mut faults = Vec::new();
    let name = Name::parse(name).map_err(|problem| faults.push(Fault { field: Field::Name, problem })).ok();
    let permissions = config
        .permissions
        .catalogue
        .parse(permissions.iter().map(String::as_str))
        .map_err(|problem| faults.push(Fault { field: Field::Permissions, problem }))
        .ok();
    Faults::none_or(faults).map_err(Error::from)?;
    let new = NewToken {
        name: name.expect("no fault, so a name"),
        permissions: permissions.expect("no fault, so permissions"),
        subproject: None,
    };

    let (service, store) = store::open(config).await?;
    let reach = service.operator_reach(project).await?;
    let issued = service.issue(reach, new).await?;
    store.close().await;

    if json {
        println!("{}", output::json(&output::TokenBody::from(&issued)));
    } else {
        output::print_issued(&issued);
    }
    Ok(ExitCode::SUCCESS)
}

async fn revoke(config: &Config, id: TokenId) -> Result<ExitCode, Failure> {
    let (service, store) = store::open(config).await?;
    let (reach, token) = service.operator_reach_of(id).await?;
    service.revoke(reach, id).await?;
    store.close().await;
    println!("revoked {id} ({}, {:?})", token.hint.as_str(), token.name.as_str());
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Verified {
    valid: bool,
    project_id: String,
    parent_project_id: Option<String>,
    token_id: String,
    name: String,
    permissions: Vec<String>,
}

async fn verify(config: &Config, permissions: &[String], json: bool) -> Result<ExitCode, Failure> {
    let credential = read_credential()?;
    let (service, store) = store::open(config).await?;
    let verified = match credential {
        Some(credential) => service.verify(&credential).await,
        None => Err(Error::Unauthenticated),
    };
    store.close().await;
    let grant = match verified {
        Ok(grant) => grant,
        Err(Error::Unauthenticated) => return refuse(json, "the credential is not valid".to_owned()),
        Err(error) => return Err(error.into()),
    };
    if let Some(missing) = permissions.iter().find(|permission| !grant.permissions.may(permission)) {
        let missing = Error::PermissionMissing { permission: missing.clone() };
        return refuse(json, format!("the credential is valid, but {missing}"));
    }
    print(&grant, json);
    Ok(ExitCode::SUCCESS)
}

/// The credential from stdin; `None` where it is of no valid form. Only the end of the line is taken off.
fn read_credential() -> Result<Option<Credential>, Failure> {
    /// More than any credential has, so that a wrong file does not fill the memory.
    const MOST: u64 = 1024;
    if stdin().is_terminal() {
        eprintln!("Type PROJECT_ID:SECRET, then Enter and Ctrl-D.");
    }
    let mut text = Zeroizing::new(Vec::new());
    stdin()
        .take(MOST)
        .read_to_end(&mut text)
        .map_err(|error| Failure::Refused(format!("stdin cannot be read: {error}")))?;
    let line = text.strip_suffix(b"\n").unwrap_or(&text);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Ok(std::str::from_utf8(line).ok().and_then(Credential::parse))
}

fn refuse(json: bool, why: String) -> Result<ExitCode, Failure> {
    if json {
        println!("{}", serde_json::json!({ "valid": false }));
    }
    Err(Failure::Refused(why))
}

fn print(grant: &Grant, json: bool) {
    let names: Vec<String> = grant.permissions.iter().map(str::to_owned).collect();
    if json {
        let verified = Verified {
            valid: true,
            project_id: grant.project.to_string(),
            parent_project_id: grant.parent.map(|parent| parent.to_string()),
            token_id: grant.token.to_string(),
            name: grant.name.as_str().to_owned(),
            permissions: names,
        };
        println!("{}", output::json(&verified));
    } else {
        output::line("valid", "yes");
        output::line("project", grant.project);
        output::line("token", grant.token);
        output::line("name", grant.name.as_str());
        output::line("permissions", names.join(", "));
    }
}

fn token_id(text: &str) -> Result<TokenId, String> {
    TokenId::parse(text).ok_or_else(|| "no id; write it as 8-4-4-4-12 hexadecimal digits with hyphens".to_owned())
}
