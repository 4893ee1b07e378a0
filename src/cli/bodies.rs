//! What commands print for scripts: the objects of the contract, whole as JSON or a field at a time.

use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::Failure;
use crate::{
    clock::Timestamp,
    domain::{Issued, Page, Project, SecretText, Token},
};

/// A project, in the shape of the REST API.
#[derive(Serialize)]
pub(super) struct ProjectBody {
    id: String,
    name: String,
    parent_project_id: Option<String>,
    subproject: bool,
    region_preference: String,
    protect_recordings: bool,
    protect_message_media: bool,
    protect_fax_media: bool,
    force_https_requests: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl ProjectBody {
    /// The region is that of projects without their own.
    pub(super) fn new(project: &Project, region: &str) -> Self {
        Self {
            id: project.id.to_string(),
            name: project.name.as_str().to_owned(),
            parent_project_id: project.parent.map(|parent| parent.to_string()),
            subproject: project.is_subproject(),
            region_preference: project.region(region).to_owned(),
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

impl From<&Token> for TokenBody {
    fn from(token: &Token) -> Self {
        Self::new(token, None)
    }
}

/// A project and its first token: what `project create` and `serve --bootstrap` give.
#[derive(Serialize)]
pub(super) struct CreatedBody {
    pub(super) project: ProjectBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<TokenBody>,
}

impl CreatedBody {
    pub(super) fn new(project: &Project, token: Option<&Issued>, region: &str) -> Self {
        Self { project: ProjectBody::new(project, region), token: token.map(Into::into) }
    }
}

/// A page of a list, and where the next one begins.
#[derive(Serialize)]
pub(super) struct PageBody<T> {
    data: Vec<T>,
    next: Option<String>,
}

impl<T> PageBody<T> {
    pub(super) fn new<R>(page: &Page<R>, body: impl Fn(&R) -> T) -> Self {
        Self { data: page.rows.iter().map(body).collect(), next: page.next.map(|cursor| cursor.to_string()) }
    }
}

/// The fields of a [`ProjectBody`], for `--field`.
pub(super) const PROJECT_FIELDS: [&str; 11] = [
    "id",
    "name",
    "parent_project_id",
    "subproject",
    "region_preference",
    "protect_recordings",
    "protect_message_media",
    "protect_fax_media",
    "force_https_requests",
    "created_at",
    "updated_at",
];

/// The fields of a [`TokenBody`] without its secret.
pub(super) const TOKEN_FIELDS: [&str; 8] =
    ["id", "name", "permissions", "project_id", "hint", "created_at", "updated_at", "created_by"];

/// The fields of a [`TokenBody`] with its secret.
pub(super) const ISSUED_FIELDS: [&str; 9] =
    ["token", "id", "name", "permissions", "project_id", "hint", "created_at", "updated_at", "created_by"];

/// The fields of a [`CreatedBody`] that scripts need.
pub(super) const CREATED_FIELDS: [&str; 7] =
    ["project.id", "project.name", "project.parent_project_id", "token.token", "token.id", "token.name", "token.hint"];

/// Any of them, as one line of JSON.
pub(super) fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("texts, booleans and lists")
}

/// The fields of that name, each on a line: a text as it is, a list with commas, nothing for null.
pub(super) fn fields(body: &impl Serialize, names: &[String]) -> Result<Zeroizing<String>, Failure> {
    let body = serde_json::to_value(body).expect("texts, booleans and lists");
    let mut lines = Zeroizing::new(String::new());
    for name in names {
        let value = name.split('.').try_fold(&body, |value, key| value.get(key));
        let Some(value) = value else {
            return Err(Failure::Misused(format!("there is no field {name} in this result")));
        };
        lines.push_str(&plain(value));
        lines.push('\n');
    }
    Ok(lines)
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::{Clock, SystemClock},
        domain::{Name, Secret},
        entropy::{Entropy, SystemEntropy},
    };

    fn keys(body: &impl Serialize) -> Vec<String> {
        let Value::Object(fields) = serde_json::to_value(body).unwrap() else { panic!("not an object") };
        let mut keys: Vec<String> = fields.keys().cloned().collect();
        keys.sort();
        keys
    }

    fn sorted(names: &[&str]) -> Vec<String> {
        let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn every_field_that_can_be_asked_for_exists() {
        let now = SystemClock.now();
        let project = Project::new(SystemEntropy.uuid().into(), Name::from_stored("x".to_owned()), None, now);
        let secret = Secret::generate(&SystemEntropy);
        let token = Token {
            id: SystemEntropy.uuid().into(),
            project: project.id,
            name: Name::from_stored("x".to_owned()),
            permissions: crate::domain::Catalogue::new([]).unwrap().recall("management introspection"),
            hint: secret.selector().hint(),
            created_at: now,
            updated_at: now,
            created_by: None,
        };
        let (bare, issued) = (TokenBody::from(&token), TokenBody::new(&token, Some(secret.reveal())));

        assert_eq!(keys(&ProjectBody::new(&project, "us")), sorted(&PROJECT_FIELDS));
        assert_eq!(keys(&bare), sorted(&TOKEN_FIELDS));
        assert_eq!(keys(&issued), sorted(&ISSUED_FIELDS));
        let created = CreatedBody { project: ProjectBody::new(&project, "us"), token: Some(issued) };
        fields(&created, &CREATED_FIELDS.map(str::to_owned)).unwrap();
        let lines = fields(&bare, &["permissions".to_owned(), "created_by".to_owned()]).unwrap();
        assert_eq!(*lines, "management,introspection\n\n");
    }
}
