//! What commands print: the contract's objects for scripts, tables and aligned lines for people. Colours only where
//! the reader is a terminal and `NO_COLOR` does not object.

use std::{
    fmt::Display,
    io::{ErrorKind, Write},
};

use anstyle::{AnsiColor, Style};
use comfy_table::{Table, presets::NOTHING};
use serde::Serialize;

use super::Failure;
use crate::{
    clock::Timestamp,
    domain::{Cursor, Issued, Page, Project, SecretText, Token},
    service::CreatedProject,
    store::Holdings,
};

const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();

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

impl From<&CreatedProject> for CreatedBody {
    fn from(created: &CreatedProject) -> Self {
        Self { project: (&created.project).into(), token: created.token.as_ref().map(Into::into) }
    }
}

/// A page of a list, and where the next one begins.
#[derive(Serialize)]
pub(super) struct PageBody<T> {
    data: Vec<T>,
    next: Option<String>,
}

impl<'p, R, T: From<&'p R>> From<&'p Page<R>> for PageBody<T> {
    fn from(page: &'p Page<R>) -> Self {
        Self { data: page.rows.iter().map(T::from).collect(), next: page.next.map(|cursor| cursor.to_string()) }
    }
}

/// Any of them, as one line of JSON.
pub(super) fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("texts, booleans and lists")
}

/// A project for people.
pub(super) fn project(project: &Project, holdings: Option<Holdings>) -> String {
    let mut text = line("project", project.id) + &line("name", project.name.as_str());
    if let Some(parent) = project.parent {
        text += &line("parent", parent);
    }
    if let Some(holdings) = holdings {
        text += &line("subprojects", holdings.subprojects);
        text += &line("tokens", holdings.tokens);
        text += &line("created", project.created_at.to_rfc3339());
        text += &line("updated", project.updated_at.to_rfc3339());
    }
    text
}

/// A token for people.
pub(super) fn token(token: &Token) -> String {
    let mut text = heading(token);
    text += &line("hint", token.hint.as_str());
    text += &line("created", token.created_at.to_rfc3339());
    text += &line("updated", token.updated_at.to_rfc3339());
    text += &line("created by", token.created_by.map_or("the operator".to_owned(), |token| token.to_string()));
    text
}

/// A new token for people, its secret last.
pub(super) fn issued(issued: &Issued) -> SecretText {
    let mut text = heading(&issued.token);
    text += &line("secret", issued.secret.reveal().as_str());
    text += "\nThe secret is shown this once. Keep it now.\n";
    SecretText::new(text)
}

fn heading(token: &Token) -> String {
    line("token", token.id)
        + &line("name", token.name.as_str())
        + &line("of project", token.project)
        + &line("permissions", token.permissions.iter().collect::<Vec<_>>().join(", "))
}

/// Projects as a table.
pub(super) fn projects(projects: &[Project]) -> String {
    table(
        &["ID", "NAME", "PARENT", "CREATED"],
        projects.iter().map(|project| {
            [
                project.id.to_string(),
                project.name.as_str().to_owned(),
                project.parent.map_or("-".to_owned(), |parent| parent.to_string()),
                project.created_at.to_rfc3339(),
            ]
        }),
    )
}

/// Tokens as a table.
pub(super) fn tokens(tokens: &[Token]) -> String {
    table(
        &["ID", "HINT", "NAME", "PERMISSIONS", "CREATED"],
        tokens.iter().map(|token| {
            [
                token.id.to_string(),
                token.hint.as_str().to_owned(),
                token.name.as_str().to_owned(),
                token.permissions.iter().collect::<Vec<_>>().join(","),
                token.created_at.to_rfc3339(),
            ]
        }),
    )
}

fn table<const N: usize>(header: &[&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header.iter().copied());
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.add_rows(rows);
    let text = table.trim_fmt();
    let (head, body) = text.split_once('\n').unwrap_or((&text, ""));
    format!("{BOLD}{head}{BOLD:#}\n{body}{}", if body.is_empty() { "" } else { "\n" })
}

/// One aligned line.
pub(super) fn line(label: &str, value: impl Display) -> String {
    format!("{label:<12} {value}\n")
}

/// Writes a result to stdout.
///
/// # Errors
/// Where stdout takes no more, which is worth an error: what could not be written may be the only copy.
pub(super) fn print(text: impl AsRef<str>) -> Result<(), Failure> {
    write(text.as_ref()).map_err(|error| Failure::Refused(format!("stdout cannot be written: {error}")))
}

/// Writes a list to stdout. A reader that has seen enough, such as `head`, is no error.
///
/// # Errors
/// Where stdout fails otherwise.
pub(super) fn print_list(text: &str) -> Result<(), Failure> {
    match write(text) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Failure::Refused(format!("stdout cannot be written: {error}"))),
    }
}

fn write(text: &str) -> std::io::Result<()> {
    let mut stdout = anstream::stdout();
    stdout.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        stdout.write_all(b"\n")?;
    }
    stdout.flush()
}

/// Says where a list goes on, to the person, not to the pipe.
pub(super) fn note_next(next: Option<Cursor>) {
    if let Some(next) = next {
        complain(&format!("More follow: --after {next}, or --all"));
    }
}

/// Writes a line to stderr.
pub(super) fn complain(text: &str) {
    // Where stderr is gone there is nobody left to tell.
    let _gone = writeln!(anstream::stderr(), "{text}");
}

/// Writes an error to stderr.
pub(super) fn complain_error(why: &str) {
    complain(&format!("{RED}error{RED:#}: {why}"));
}
