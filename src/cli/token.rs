//! `tokensmith token …`, but for `verify`.

use std::process::ExitCode;

use clap::{Subcommand, builder::PossibleValuesParser};

use super::{
    Failure,
    args::{PageArgs, confirm_on_a_terminal},
    bodies::{ISSUED_FIELDS, TOKEN_FIELDS},
    lookup::{ProjectRef, TokenRef},
    manual,
    output::{self, Form, PageBody, TokenBody},
    store::{self, Intent, Opened},
    terminal::visible,
    verify,
};
use crate::{
    config::Config,
    domain::{Catalogue, Name, NewToken, Permissions, Position, Token, TokenChange},
    error::{Error, Fault, Faults, Field, Problem},
    service::Service,
};

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Issue a token. Its secret is printed only this once.
    #[command(after_long_help = manual::TOKEN_CREATE)]
    Create {
        /// The project of the token: its id, the first 8 or more digits of it, or its name.
        #[arg(long, value_name = "PROJECT", value_parser = ProjectRef::parse)]
        project: ProjectRef,
        /// The name of the token, for people: 1 to 250 characters.
        #[arg(long)]
        name: String,
        /// What the token may do. Repeat the flag for more, or separate them with commas.
        #[arg(long = "permission", short = 'p', value_name = "NAME", value_delimiter = ',', required = true)]
        permissions: Vec<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Print only this field, for scripts. Repeat the flag for more, each on a line of its own.
        #[arg(long, value_name = "NAME", conflicts_with = "json", value_parser = PossibleValuesParser::new(ISSUED_FIELDS))]
        field: Vec<String>,
    },
    /// List a project's tokens, newest first. Secrets are not stored, so none is shown.
    ///
    /// On a terminal, times are relative, and ids are shortened where the table is too wide. The commands accept the short
    /// form too.
    #[command(after_long_help = manual::TOKEN_LIST)]
    List {
        /// The project: its id, the first 8 or more digits of it, or its name.
        #[arg(long, value_name = "PROJECT", value_parser = ProjectRef::parse)]
        project: ProjectRef,
        /// Only tokens with exactly this name.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        page: PageArgs,
        /// Print JSON: {"data": […], "next": CURSOR or null}.
        #[arg(long)]
        json: bool,
    },
    /// Show a token.
    #[command(after_long_help = manual::TOKEN_SHOW)]
    Show {
        /// The token: its id, or the first 8 or more digits of it.
        #[arg(value_parser = TokenRef::parse)]
        token: TokenRef,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Print only this field, for scripts. Repeat the flag for more, each on a line of its own.
        #[arg(long, value_name = "NAME", conflicts_with = "json", value_parser = PossibleValuesParser::new(TOKEN_FIELDS))]
        field: Vec<String>,
    },
    /// Change a token's name or permissions. What is not named stays.
    #[command(group = clap::ArgGroup::new("change").required(true).multiple(true).args(["name", "permissions"]))]
    #[command(after_long_help = manual::TOKEN_UPDATE)]
    Update {
        /// The token: its id, or the first 8 or more digits of it.
        #[arg(value_parser = TokenRef::parse)]
        token: TokenRef,
        /// The new name: 1 to 250 characters.
        #[arg(long)]
        name: Option<String>,
        /// What the token may do from now on; it loses all other permissions. Repeat the flag, or use commas.
        #[arg(long = "permission", short = 'p', value_name = "NAME", value_delimiter = ',')]
        permissions: Option<Vec<String>>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token at once. It cannot be undone.
    ///
    /// On a terminal it shows the token, and asks. Elsewhere it does not ask.
    #[command(visible_alias = "delete", after_long_help = manual::TOKEN_REVOKE)]
    Revoke {
        /// The token: its id, or the first 8 or more digits of it.
        #[arg(value_parser = TokenRef::parse)]
        token: TokenRef,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Verify a secret, read from stdin alone or as PROJECT_ID:SECRET. Exits with 0 if it is valid, with 1 if not.
    ///
    /// On a terminal it asks for the secret, and does not show what is typed. A secret is never taken from an argument,
    /// because other users of the machine can see a command line.
    #[command(after_long_help = manual::TOKEN_VERIFY)]
    Verify(verify::VerifyArgs),
}

impl TokenCommand {
    fn intent(&self) -> Intent {
        match self {
            Self::List { .. } | Self::Show { .. } | Self::Verify(_) => Intent::Read,
            Self::Create { .. } | Self::Update { .. } | Self::Revoke { .. } => Intent::Write,
        }
    }
}

pub(super) async fn run(command: TokenCommand, config: &Config) -> Result<ExitCode, Failure> {
    if let TokenCommand::Verify(args) = &command {
        return verify::run(args, config).await;
    }
    let opened = store::open(config, command.intent()).await?;
    let done = obey(command, &opened).await;
    opened.store.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn obey(command: TokenCommand, Opened { service, known, .. }: &Opened) -> Result<(), Failure> {
    let judge = |name: Option<&String>, permissions: Option<&Vec<String>>| {
        if permissions.is_some() {
            known.assert_agreed()?;
        }
        judge(name, permissions, &known.catalogue).map_err(|error| known.explain(error))
    };
    match command {
        TokenCommand::Create { project, name, permissions, json, field } => {
            let asked = judge(Some(&name), Some(&permissions))?;
            create(service, &project, asked, &Form::of(json, field)).await
        }
        TokenCommand::List { project, name, page, json } => list(service, &project, name, page, json).await,
        TokenCommand::Show { token, json, field } => {
            let (_, token) = service.operator_reach_of(token.resolve(service).await?).await?;
            print(&token, &Form::of(json, field))
        }
        TokenCommand::Update { token, name, permissions, json } => {
            let change = judge(name.as_ref(), permissions.as_ref())?;
            let id = token.resolve(service).await?;
            let (reach, _) = service.operator_reach_of(id).await?;
            print(&service.update_token(reach, id, &change).await?, &Form::of(json, Vec::new()))
        }
        TokenCommand::Revoke { token, yes } => revoke(service, &token, yes).await,
        TokenCommand::Verify(_) => unreachable!("it returned above"),
    }
}

/// Judges a name and permissions from the command line; `None` is not given.
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

fn fault<T>(faults: &mut Vec<Fault>, field: Field, problem: Problem) -> Option<T> {
    faults.push(Fault { field, problem });
    None
}

async fn create(service: &Service, project: &ProjectRef, asked: TokenChange, form: &Form) -> Result<(), Failure> {
    let (Some(name), Some(permissions)) = (asked.name, asked.permissions) else {
        unreachable!("both are required arguments")
    };
    let reach = service.operator_reach(project.resolve(service).await?).await?;
    let issued = service.issue(reach, NewToken { name, permissions, subproject: None }).await?;
    form.print_once(&TokenBody::from(&issued), || output::issued(&issued))
}

async fn list(
    service: &Service,
    project: &ProjectRef,
    name: Option<String>,
    page: PageArgs,
    json: bool,
) -> Result<(), Failure> {
    let reach = service.operator_reach(project.resolve(service).await?).await?;
    let name = name.as_deref();
    let page =
        page.fetch(async |after, size| service.list_tokens(reach, name, Position::after(after), size).await).await?;
    if json {
        return output::print_again(&output::json(&PageBody::new(&page, |token| TokenBody::from(token))));
    }
    output::print_again(&output::tokens(&page.rows))?;
    output::note_next(page.next);
    Ok(())
}

async fn revoke(service: &Service, token: &TokenRef, yes: bool) -> Result<(), Failure> {
    let id = token.resolve(service).await?;
    let (reach, token) = service.operator_reach_of(id).await?;
    let (hint, name) = (token.hint.as_str(), token.name.as_str());
    if !yes {
        let project = token.project;
        confirm_on_a_terminal(&format!("This revokes the token {name:?} ({id}, {hint}) of the project {project}."))?;
    }
    service.revoke(reach, id).await?;
    output::print(visible(&format!("revoked {id} ({hint}, {name:?})")))
}

fn print(token: &Token, form: &Form) -> Result<(), Failure> {
    form.print(&TokenBody::from(token), || output::token(token))
}
