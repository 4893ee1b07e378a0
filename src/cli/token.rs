//! `tokensmith token …`, but for `verify`.

use std::process::ExitCode;

use clap::Subcommand;

use super::{
    Failure,
    args::{PageArgs, project_id, token_id},
    output::{self, PageBody, TokenBody},
    store, verify,
};
use crate::{
    config::Config,
    domain::{Catalogue, Name, NewToken, Permissions, Position, ProjectId, Token, TokenChange, TokenId},
    error::{Error, Fault, Faults, Field},
    service::Service,
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
    /// List a project's tokens, newest first. Secrets are not kept, so none is shown.
    List {
        /// The project.
        #[arg(long, value_name = "ID", value_parser = project_id)]
        project: ProjectId,
        /// Only tokens of exactly this name.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        page: PageArgs,
        /// Print JSON: {"data": […], "next": CURSOR or null}.
        #[arg(long)]
        json: bool,
    },
    /// Show a token.
    Show {
        /// The token's id.
        #[arg(value_parser = token_id)]
        id: TokenId,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Change a token's name or permissions. What is not named stays.
    #[command(group = clap::ArgGroup::new("change").required(true).multiple(true).args(["name", "permissions"]))]
    Update {
        /// The token's id.
        #[arg(value_parser = token_id)]
        id: TokenId,
        /// The new name: 1 to 250 characters.
        #[arg(long)]
        name: Option<String>,
        /// What it may do from now on, in place of all that it may do now; repeat the flag, or use commas.
        #[arg(long = "permission", short = 'p', value_name = "NAME", value_delimiter = ',')]
        permissions: Option<Vec<String>>,
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
    Verify(verify::VerifyArgs),
}

pub(super) async fn run(command: TokenCommand, config: &Config) -> Result<ExitCode, Failure> {
    let catalogue = &config.permissions.catalogue;
    // What the command line itself gets wrong is said before a store is opened.
    let change = match &command {
        TokenCommand::Verify(args) => return verify::run(args, config).await,
        TokenCommand::Create { name, permissions, .. } => judge(Some(name), Some(permissions), catalogue)?,
        TokenCommand::Update { name, permissions, .. } => judge(name.as_ref(), permissions.as_ref(), catalogue)?,
        TokenCommand::List { .. } | TokenCommand::Show { .. } | TokenCommand::Revoke { .. } => TokenChange::default(),
    };
    let (service, store) = store::open(config).await?;
    let done = match command {
        TokenCommand::Create { project, json, .. } => create(&service, project, change, json).await,
        TokenCommand::List { project, name, page, json } => list(&service, project, name, page, json).await,
        TokenCommand::Show { id, json } => {
            let (_, token) = service.operator_reach_of(id).await?;
            print(&token, json)
        }
        TokenCommand::Update { id, json, .. } => {
            let (reach, _) = service.operator_reach_of(id).await?;
            print(&service.update_token(reach, id, &change).await?, json)
        }
        TokenCommand::Revoke { id } => revoke(&service, id).await,
        TokenCommand::Verify(_) => unreachable!("it returned above"),
    };
    store.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

/// Judges a name and permissions from the command line; what is `None` is not there.
fn judge(
    name: Option<&String>,
    permissions: Option<&Vec<String>>,
    catalogue: &Catalogue,
) -> Result<TokenChange, Error> {
    let mut faults = Vec::new();
    let name: Option<Name> = name
        .map(|name| Name::parse(name))
        .transpose()
        .unwrap_or_else(|problem| fault(&mut faults, Field::Name, problem));
    let permissions: Option<Permissions> = permissions
        .map(|names| catalogue.parse(names.iter().map(String::as_str)))
        .transpose()
        .unwrap_or_else(|problem| fault(&mut faults, Field::Permissions, problem));
    Faults::none_or(faults)?;
    Ok(TokenChange { name, permissions })
}

fn fault<T>(faults: &mut Vec<Fault>, field: Field, problem: crate::error::Problem) -> Option<T> {
    faults.push(Fault { field, problem });
    None
}

async fn create(service: &Service, project: ProjectId, asked: TokenChange, json: bool) -> Result<(), Failure> {
    let (Some(name), Some(permissions)) = (asked.name, asked.permissions) else {
        unreachable!("both are required arguments")
    };
    let reach = service.operator_reach(project).await?;
    let issued = service.issue(reach, NewToken { name, permissions, subproject: None }).await?;
    if json {
        output::print(output::json(&TokenBody::from(&issued)))
    } else {
        output::print(output::issued(&issued).as_str())
    }
}

async fn list(
    service: &Service,
    project: ProjectId,
    name: Option<String>,
    page: PageArgs,
    json: bool,
) -> Result<(), Failure> {
    let reach = service.operator_reach(project).await?;
    let name = name.as_deref();
    let page =
        page.fetch(async |after, size| service.list_tokens(reach, name, Position::after(after), size).await).await?;
    if json {
        return output::print_list(&output::json(&PageBody::<TokenBody>::from(&page)));
    }
    output::print_list(&output::tokens(&page.rows))?;
    output::note_next(page.next);
    Ok(())
}

async fn revoke(service: &Service, id: TokenId) -> Result<(), Failure> {
    let (reach, token) = service.operator_reach_of(id).await?;
    service.revoke(reach, id).await?;
    output::print(format!("revoked {id} ({}, {:?})", token.hint.as_str(), token.name.as_str()))
}

fn print(token: &Token, json: bool) -> Result<(), Failure> {
    output::print(if json { output::json(&TokenBody::from(token)) } else { output::token(token) })
}
