//! `tokensmith project …`

use std::process::ExitCode;

use clap::Subcommand;

use super::{Failure, output, store};
use crate::{
    config::Config,
    domain::{Name, ProjectId},
    error::{Error, Field},
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
}

pub(super) async fn run(command: ProjectCommand, config: &Config) -> Result<ExitCode, Failure> {
    let ProjectCommand::Create { name, parent, no_token, json } = command;
    let name = Name::parse(&name).map_err(|problem| Error::invalid(Field::Name, problem))?;
    let (service, store) = store::open(config).await?;
    let created = service.create_project(name, parent, !no_token).await?;
    store.close().await;

    if json {
        println!("{}", output::json(&output::CreatedBody::from(&created)));
    } else {
        output::print_project(&created.project);
        if let Some(token) = &created.token {
            println!();
            output::print_issued(token);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a project's id from an argument.
pub(super) fn project_id(text: &str) -> Result<ProjectId, String> {
    ProjectId::parse(text).ok_or_else(|| "no id; write it as 8-4-4-4-12 hexadecimal digits with hyphens".to_owned())
}
