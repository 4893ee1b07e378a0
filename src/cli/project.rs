//! `tokensmith project …`

use std::process::ExitCode;

use clap::Subcommand;

use super::{
    Failure,
    args::{PageArgs, confirm, project_id},
    output::{self, CreatedBody, PageBody, ProjectBody},
    store,
};
use crate::{
    config::Config,
    domain::{Name, Position, Project, ProjectChange, ProjectId},
    error::{Error, Field},
    service::Service,
    store::{Holdings, ProjectFilter},
};

#[derive(Debug, Subcommand)]
pub(super) enum ProjectCommand {
    /// Make a project, and a first token for it that holds the permission "management".
    Create {
        /// What people call it: 1 to 250 characters.
        name: String,
        /// Make it a subproject of this root project.
        #[arg(long, value_name = "ID", value_parser = project_id)]
        parent: Option<ProjectId>,
        /// Make no token.
        #[arg(long)]
        no_token: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List projects and subprojects, newest first.
    List {
        /// Only subprojects of this project.
        #[arg(long, value_name = "ID", value_parser = project_id)]
        parent: Option<ProjectId>,
        /// Only projects of exactly this name.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        page: PageArgs,
        /// Print JSON: {"data": […], "next": CURSOR or null}.
        #[arg(long)]
        json: bool,
    },
    /// Show a project and what it holds.
    Show {
        /// The project's id.
        #[arg(value_parser = project_id)]
        id: ProjectId,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Give a project another name.
    Rename {
        /// The project's id.
        #[arg(value_parser = project_id)]
        id: ProjectId,
        /// The new name: 1 to 250 characters.
        name: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Delete a project with all of its tokens. It must have no subprojects.
    ///
    /// On a terminal it shows what will die, and asks.
    Delete {
        /// The project's id.
        #[arg(value_parser = project_id)]
        id: ProjectId,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}

pub(super) async fn run(command: ProjectCommand, config: &Config) -> Result<ExitCode, Failure> {
    // What the command line itself gets wrong is said before a store is opened.
    let name = match &command {
        ProjectCommand::Create { name, .. } | ProjectCommand::Rename { name, .. } => {
            Some(Name::parse(name).map_err(|problem| Error::invalid(Field::Name, problem))?)
        }
        _ => None,
    };
    let (service, store) = store::open(config).await?;
    let done = match (command, name) {
        (ProjectCommand::Create { parent, no_token, json, .. }, Some(name)) => {
            create(&service, name, parent, !no_token, json).await
        }
        (ProjectCommand::Rename { id, json, .. }, Some(name)) => {
            let reach = service.operator_reach(id).await?;
            let project = service.update_project(reach, &ProjectChange::rename(name)).await?;
            print(&project, None, json)
        }
        (ProjectCommand::List { parent, name, page, json }, _) => {
            list(&service, &ProjectFilter { parent, name }, page, json).await
        }
        (ProjectCommand::Show { id, json }, _) => {
            let (project, holdings) = service.inspect_project(id).await?;
            print(&project, Some(holdings), json)
        }
        (ProjectCommand::Delete { id, yes }, _) => delete(&service, id, yes).await,
        (ProjectCommand::Create { .. } | ProjectCommand::Rename { .. }, None) => {
            unreachable!("both have a name, which was parsed above")
        }
    };
    store.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn create(
    service: &Service,
    name: Name,
    parent: Option<ProjectId>,
    with_token: bool,
    json: bool,
) -> Result<(), Failure> {
    let created = service.create_project(name, parent, with_token).await?;
    if json {
        return output::print(output::json(&CreatedBody::from(&created)));
    }
    output::print(output::project(&created.project, None))?;
    match &created.token {
        Some(token) => output::print(format!("\n{}", output::issued(token).as_str())),
        None => Ok(()),
    }
}

async fn list(service: &Service, filter: &ProjectFilter, page: PageArgs, json: bool) -> Result<(), Failure> {
    let page =
        page.fetch(async |after, size| service.list_projects(filter, Position::after(after), size).await).await?;
    if json {
        return output::print_list(&output::json(&PageBody::<ProjectBody>::from(&page)));
    }
    output::print_list(&output::projects(&page.rows))?;
    output::note_next(page.next);
    Ok(())
}

async fn delete(service: &Service, id: ProjectId, yes: bool) -> Result<(), Failure> {
    let (project, holdings) = service.inspect_project(id).await?;
    if holdings.subprojects > 0 {
        return Err(Error::HasSubprojects { count: holdings.subprojects }.into());
    }
    if !yes {
        let tokens = count(holdings.tokens);
        confirm(&format!("This deletes the project {:?} ({id}) and its {tokens}.", project.name.as_str()))?;
    }
    let tokens = count(service.delete_project(service.operator_reach(id).await?).await?);
    output::print(format!("deleted {id} ({:?}) and its {tokens}", project.name.as_str()))
}

fn count(tokens: u64) -> String {
    if tokens == 1 { "1 token".to_owned() } else { format!("{tokens} tokens") }
}

fn print(project: &Project, holdings: Option<Holdings>, json: bool) -> Result<(), Failure> {
    output::print(if json { output::json(&ProjectBody::from(project)) } else { output::project(project, holdings) })
}
