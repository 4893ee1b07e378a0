//! What commands print: the contract's objects for scripts, aligned lines for people.

use serde::Serialize;

use crate::{
    clock::Timestamp,
    domain::{Issued, Project, SecretText, Token},
    service::CreatedProject,
};

/// A project, in the shape of the REST API.
#[derive(Serialize)]
pub(super) struct ProjectBody {
    id: String,
    name: String,
    parent_project_id: Option<String>,
    subproject: bool,
    region_preference: Option<String>,
    protect_recordings: bool,
    protect_message_media: bool,
    protect_fax_media: bool,
    force_https_requests: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<&Project> for ProjectBody {
    fn from(project: &Project) -> Self {
        Self {
            id: project.id.to_string(),
            name: project.name.as_str().to_owned(),
            parent_project_id: project.parent.map(|parent| parent.to_string()),
            subproject: project.is_subproject(),
            region_preference: project.region_preference.clone(),
            protect_recordings: project.protect_recordings,
            protect_message_media: project.protect_message_media,
            protect_fax_media: project.protect_fax_media,
            force_https_requests: project.force_https_requests,
            created_at: project.created_at,
            updated_at: project.updated_at,
        }
    }
}

/// A token, in the shape of our own API; with its secret where it has just been issued.
#[derive(Serialize)]
pub(super) struct TokenBody {
    id: String,
    name: String,
    permissions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<SecretText>,
    project_id: String,
    hint: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    created_by: Option<String>,
}

impl TokenBody {
    fn new(token: &Token, secret: Option<SecretText>) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name.as_str().to_owned(),
            permissions: token.permissions.iter().map(str::to_owned).collect(),
            token: secret,
            project_id: token.project.to_string(),
            hint: token.hint.as_str().to_owned(),
            created_at: token.created_at,
            updated_at: token.updated_at,
            created_by: token.created_by.map(|token| token.to_string()),
        }
    }
}

impl From<&Issued> for TokenBody {
    fn from(issued: &Issued) -> Self {
        Self::new(&issued.token, Some(issued.secret.reveal()))
    }
}

/// A project and its first token: what `project create` and `serve --bootstrap` give.
#[derive(Serialize)]
pub(super) struct CreatedBody {
    pub(super) project: ProjectBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<TokenBody>,
}

impl From<&CreatedProject> for CreatedBody {
    fn from(created: &CreatedProject) -> Self {
        Self { project: (&created.project).into(), token: created.token.as_ref().map(Into::into) }
    }
}

/// Any of them, as one line of JSON.
pub(super) fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("texts, booleans and lists")
}

/// Prints a project for people.
pub(super) fn print_project(project: &Project) {
    line("project", project.id);
    line("name", project.name.as_str());
    if let Some(parent) = project.parent {
        line("parent", parent);
    }
}

/// Prints a new token for people, its secret last.
pub(super) fn print_issued(issued: &Issued) {
    let token = &issued.token;
    line("token", token.id);
    line("name", token.name.as_str());
    line("of project", token.project);
    line("permissions", token.permissions.iter().collect::<Vec<_>>().join(", "));
    line("secret", issued.secret.reveal().as_str());
    println!("\nThe secret is shown this once. Keep it now.");
}

/// One aligned line.
pub(super) fn line(label: &str, value: impl std::fmt::Display) {
    println!("{label:<12} {value}");
}
