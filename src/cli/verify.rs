//! `tokensmith token verify`

use std::{
    io::{IsTerminal, Read, stdin},
    process::ExitCode,
};

use clap::{Args, builder::PossibleValuesParser};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    Failure,
    output::{self, Form},
    store::{self, Intent, Opened},
    terminal::{self, visible},
};
use crate::{config::Config, domain::Credential, error::Error, service::Grant};

/// The fields of a [`Verified`], for `--field`.
const FIELDS: [&str; 5] = ["project_id", "parent_project_id", "token_id", "name", "permissions"];

#[derive(Args, Debug)]
pub(super) struct VerifyArgs {
    /// Check also that the token has this permission. Repeat the flag for more, or separate them with commas.
    #[arg(long = "permission", short = 'p', value_name = "NAME", value_delimiter = ',')]
    permissions: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print only this field, for scripts. Repeat the flag for more, each on a line of its own.
    #[arg(long, value_name = "NAME", conflicts_with = "json", value_parser = PossibleValuesParser::new(FIELDS))]
    field: Vec<String>,
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
    let credential = read_credential().await?;
    let opened = store::open(config, Intent::Read).await?;
    let done = verify(args, credential, &opened).await;
    opened.store.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn verify(
    args: &VerifyArgs,
    credential: Option<Credential>,
    Opened { service, known, .. }: &Opened,
) -> Result<(), Failure> {
    if !args.permissions.is_empty() {
        known.assert_agreed()?;
    }
    let verified = match credential {
        Some(credential) => service.verify(&credential).await,
        None => Err(Error::Unauthenticated),
    };
    let grant = match verified {
        Ok(grant) => grant,
        Err(Error::Unauthenticated) => return refuse(args.json, "the credential is not valid".to_owned()),
        Err(error) => return Err(error.into()),
    };
    if let Some(missing) = args.permissions.iter().find(|permission| !service.may(&grant, permission)) {
        let unknown = if known.catalogue.knows(missing) {
            String::new()
        } else {
            format!(", which is unknown; {}", known.describe())
        };
        let why = format!("the credential is valid, but this token lacks the permission {missing:?}{unknown}");
        return refuse(args.json, why);
    }
    let names: Vec<String> = service.catalogue().names_in(grant.permissions).map(str::to_owned).collect();
    print(&grant, names, &Form::of(args.json, args.field.clone()))
}

/// More bytes than any credential has, so that a wrong file does not fill the memory.
const MOST: usize = 1024;

/// The credential from stdin; `None` where it is not of a valid form. Only the end of the line is taken off.
async fn read_credential() -> Result<Option<Credential>, Failure> {
    let text = if stdin().is_terminal() {
        terminal::ask_unseen("Secret, or PROJECT_ID:SECRET (not shown): ", MOST).await?
    } else {
        let mut text = Zeroizing::new(Vec::with_capacity(MOST));
        stdin()
            .take(MOST as u64)
            .read_to_end(&mut text)
            .map_err(|error| Failure::Refused(format!("stdin cannot be read: {error}")))?;
        text
    };
    let line = text.strip_suffix(b"\r\n").or_else(|| text.strip_suffix(b"\n")).unwrap_or(&text);
    Ok(Credential::parse(line).or_else(|| Credential::bearer(line)))
}

fn refuse(json: bool, why: String) -> Result<(), Failure> {
    if json {
        output::print(serde_json::json!({ "valid": false }).to_string())?;
    }
    Err(Failure::Refused(why))
}

fn print(grant: &Grant, permissions: Vec<String>, form: &Form) -> Result<(), Failure> {
    let body = Verified {
        valid: true,
        project_id: grant.project.to_string(),
        parent_project_id: grant.parent.map(|parent| parent.to_string()),
        token_id: grant.token.to_string(),
        name: grant.name.to_string(),
        permissions,
    };
    form.print(&body, || {
        output::line("valid", "yes")
            + &output::line("project", grant.project)
            + &output::line("token", grant.token)
            + &output::line("name", visible(&grant.name))
            + &output::line("permissions", body.permissions.join(", "))
    })
}
