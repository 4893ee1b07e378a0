//! `tokensmith token verify`

use std::{
    io::{IsTerminal, Read, stdin},
    process::ExitCode,
};

use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{Failure, output, store};
use crate::{config::Config, domain::Credential, error::Error, service::Grant};

#[derive(Args, Debug)]
pub(super) struct VerifyArgs {
    /// Ask also whether it holds this permission; repeat the flag for more.
    #[arg(long = "permission", short = 'p', value_name = "NAME", value_delimiter = ',')]
    permissions: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
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

pub(super) async fn run(args: &VerifyArgs, config: &Config) -> Result<ExitCode, Failure> {
    let credential = read_credential()?;
    let (service, store) = store::open(config).await?;
    let verified = match credential {
        Some(credential) => service.verify(&credential).await,
        None => Err(Error::Unauthenticated),
    };
    store.close().await;
    let grant = match verified {
        Ok(grant) => grant,
        Err(Error::Unauthenticated) => return refuse(args.json, "the credential is not valid".to_owned()),
        Err(error) => return Err(error.into()),
    };
    if let Some(missing) = args.permissions.iter().find(|permission| !service.may(&grant, permission)) {
        let missing = Error::PermissionMissing { permission: missing.clone() };
        return refuse(args.json, format!("the credential is valid, but {missing}"));
    }
    let names = service.catalogue().names_in(grant.permissions).map(str::to_owned).collect();
    print(&grant, names, args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// The credential from stdin; `None` where it is of no valid form. Only the end of the line is taken off.
fn read_credential() -> Result<Option<Credential>, Failure> {
    /// More than any credential has, so that a wrong file does not fill the memory.
    const MOST: u64 = 1024;
    if stdin().is_terminal() {
        output::complain("Type PROJECT_ID:SECRET, then Enter and Ctrl-D.");
    }
    let mut text = Zeroizing::new(Vec::new());
    stdin()
        .take(MOST)
        .read_to_end(&mut text)
        .map_err(|error| Failure::Refused(format!("stdin cannot be read: {error}")))?;
    let line = text.strip_suffix(b"\r\n").or_else(|| text.strip_suffix(b"\n")).unwrap_or(&text);
    Ok(std::str::from_utf8(line).ok().and_then(Credential::parse))
}

fn refuse(json: bool, why: String) -> Result<ExitCode, Failure> {
    if json {
        output::print(serde_json::json!({ "valid": false }).to_string())?;
    }
    Err(Failure::Refused(why))
}

fn print(grant: &Grant, names: Vec<String>, json: bool) -> Result<(), Failure> {
    if json {
        return output::print(output::json(&Verified {
            valid: true,
            project_id: grant.project.to_string(),
            parent_project_id: grant.parent.map(|parent| parent.to_string()),
            token_id: grant.token.to_string(),
            name: grant.name.to_string(),
            permissions: names,
        }));
    }
    output::print(
        output::line("valid", "yes")
            + &output::line("project", grant.project)
            + &output::line("token", grant.token)
            + &output::line("name", &grant.name)
            + &output::line("permissions", names.join(", ")),
    )
}
