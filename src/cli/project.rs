//! `tokensmith project …`

use std::process::ExitCode;

use clap::{Subcommand, builder::PossibleValuesParser};

use super::{
    Failure,
    args::{PageArgs, confirm},
    bodies::{CREATED_FIELDS, PROJECT_FIELDS},
    lookup::ProjectRef,
    manual,
    output::{self, CreatedBody, Form, PageBody, ProjectBody},
    store::{self, Intent, Opened},
    terminal::visible,
};
use crate::{
    config::Config,
    domain::{Name, Position, Project, ProjectChange, SecretText},
    error::{Error, Field},
    service::{CreatedProject, Service},
    store::{Holdings, ProjectFilter},
};

#[derive(Debug, Subcommand)]
pub(super) enum ProjectCommand {
    /// Create a project, and a first token for it with the permission "management".
    #[command(after_long_help = manual::PROJECT_CREATE)]
    Create {
        /// The name of the project, for people: 1 to 250 characters.
        name: String,
        /// Make it a subproject of this root project: its id, the first 8 or more digits of it, or its name.
        #[arg(long, value_name = "PROJECT", value_parser = ProjectRef::parse)]
        parent: Option<ProjectRef>,
        /// Create no token.
        #[arg(long)]
        no_token: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Print only this field, for scripts. Repeat the flag for more, each on a line of its own.
        #[arg(long, value_name = "NAME", conflicts_with = "json", value_parser = PossibleValuesParser::new(CREATED_FIELDS))]
        field: Vec<String>,
    },
    /// List projects and subprojects, newest first.
    ///
    /// On a terminal, times are relative, and ids are shortened where the table is too wide. The commands accept the short
    /// form too.
    #[command(after_long_help = manual::PROJECT_LIST)]
    List {
        /// Only subprojects of this project: its id, the first 8 or more digits of it, or its name.
        #[arg(long, value_name = "PROJECT", value_parser = ProjectRef::parse)]
        parent: Option<ProjectRef>,
        /// Only projects with exactly this name.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        page: PageArgs,
        /// Print JSON: {"data": […], "next": CURSOR or null}.
        #[arg(long)]
        json: bool,
    },
    /// Show a project, and how many tokens and subprojects it has.
    #[command(after_long_help = manual::PROJECT_SHOW)]
    Show {
        /// The project: its id, the first 8 or more digits of it, or its name.
        #[arg(value_parser = ProjectRef::parse)]
        project: ProjectRef,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Print only this field, for scripts. Repeat the flag for more, each on a line of its own.
        #[arg(long, value_name = "NAME", conflicts_with = "json", value_parser = PossibleValuesParser::new(PROJECT_FIELDS))]
        field: Vec<String>,
    },
    /// Rename a project.
    #[command(after_long_help = manual::PROJECT_RENAME)]
    Rename {
        /// The project: its id, the first 8 or more digits of it, or its name.
        #[arg(value_parser = ProjectRef::parse)]
        project: ProjectRef,
        /// The new name: 1 to 250 characters.
        name: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Delete a project and all of its tokens. It must have no subprojects.
    ///
    /// On a terminal it shows what it deletes, and asks. Elsewhere it needs --yes.
    #[command(visible_alias = "remove", after_long_help = manual::PROJECT_DELETE)]
    Delete {
        /// The project: its id, the first 8 or more digits of it, or its name.
        #[arg(value_parser = ProjectRef::parse)]
        project: ProjectRef,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}

impl ProjectCommand {
    fn intent(&self) -> Intent {
        match self {
            Self::List { .. } | Self::Show { .. } => Intent::Read,
            Self::Create { .. } | Self::Rename { .. } | Self::Delete { .. } => Intent::Write,
        }
    }
}

pub(super) async fn run(command: ProjectCommand, config: &Config) -> Result<ExitCode, Failure> {
    // A wrong command line is refused before a store is opened.
    let name = match &command {
        ProjectCommand::Create { name, .. } | ProjectCommand::Rename { name, .. } => {
            Some(Name::parse(name).map_err(|problem| Error::invalid(Field::Name, problem))?)
        }
        _ => None,
    };
    if let ProjectCommand::Create { no_token: true, field, .. } = &command
        && let Some(field) = field.iter().find(|field| field.starts_with("token."))
    {
        return Err(Failure::Misused(format!("--no-token creates no token, so there is no {field} to print")));
    }
    let Opened { service, store, .. } = store::open(config, command.intent()).await?;
    let region = config.signalwire.region_preference.as_str();
    let done = obey(command, name, &service, region).await;
    store.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn obey(command: ProjectCommand, name: Option<Name>, service: &Service, region: &str) -> Result<(), Failure> {
    match (command, name) {
        (ProjectCommand::Create { parent, no_token, json, field, .. }, Some(name)) => {
            let parent = match parent {
                Some(parent) => Some(parent.resolve(service).await?),
                None => None,
            };
            let created = service.create_project(name, parent, !no_token).await?;
            let body = CreatedBody::new(&created.project, created.token.as_ref(), region);
            Form::of(json, field).print_once(&body, || lines(&created))
        }
        (ProjectCommand::Rename { project, json, .. }, Some(name)) => {
            let reach = service.operator_reach(project.resolve(service).await?).await?;
            let project = service.update_project(reach, &ProjectChange::rename(name)).await?;
            print(&project, None, region, &Form::of(json, Vec::new()))
        }
        (ProjectCommand::List { parent, name, page, json }, _) => {
            let parent = match parent {
                Some(parent) => Some(parent.resolve(service).await?),
                None => None,
            };
            list(service, &ProjectFilter { parent, name }, page, json.then_some(region)).await
        }
        (ProjectCommand::Show { project, json, field }, _) => {
            let (project, holdings) = service.inspect_project(project.resolve(service).await?).await?;
            print(&project, Some(holdings), region, &Form::of(json, field))
        }
        (ProjectCommand::Delete { project, yes }, _) => delete(service, &project, yes).await,
        (ProjectCommand::Create { .. } | ProjectCommand::Rename { .. }, None) => {
            unreachable!("both have a name, which was parsed above")
        }
    }
}

fn lines(created: &CreatedProject) -> SecretText {
    let project = output::project(&created.project, None);
    match &created.token {
        Some(token) => SecretText::new(format!("{project}\n{}", output::issued(token).as_str())),
        None => SecretText::new(project),
    }
}

async fn list(service: &Service, filter: &ProjectFilter, page: PageArgs, json: Option<&str>) -> Result<(), Failure> {
    let page =
        page.fetch(async |after, size| service.list_projects(filter, Position::after(after), size).await).await?;
    if let Some(region) = json {
        let body = PageBody::new(&page, |project| ProjectBody::new(project, region));
        return output::print_again(&output::json(&body));
    }
    output::print_again(&output::projects(&page.rows))?;
    output::note_next(page.next);
    Ok(())
}

async fn delete(service: &Service, project: &ProjectRef, yes: bool) -> Result<(), Failure> {
    let id = project.resolve(service).await?;
    let (project, holdings) = service.inspect_project(id).await?;
    if holdings.subprojects > 0 {
        return Err(Error::HasSubprojects { count: holdings.subprojects }.into());
    }
    if !yes {
        let tokens = count(holdings.tokens);
        confirm(&format!("This deletes the project {:?} ({id}) and its {tokens}.", project.name.as_str()))?;
    }
    let tokens = count(service.delete_project(service.operator_reach(id).await?).await?);
    output::print(visible(&format!("deleted {id} ({:?}) and its {tokens}", project.name.as_str())))
}

fn count(tokens: u64) -> String {
    if tokens == 1 { "1 token".to_owned() } else { format!("{tokens} tokens") }
}

fn print(project: &Project, holdings: Option<Holdings>, region: &str, form: &Form) -> Result<(), Failure> {
    form.print(&ProjectBody::new(project, region), || output::project(project, holdings))
}
