//! What commands print: tables and aligned lines for people; `bodies.rs` has what scripts read. On a terminal a table fits
//! its width, and times are told from now. Colours only where `NO_COLOR` does not object.

use std::{
    fmt::Display,
    io::{ErrorKind, IsTerminal, Write},
};

use anstyle::{AnsiColor, Style};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets::NOTHING};
use serde::Serialize;

pub(super) use super::bodies::{CreatedBody, PageBody, ProjectBody, TokenBody, fields, json};
use super::{
    Failure,
    terminal::{Screen, visible, visible_lines},
};
use crate::{
    clock::Timestamp,
    domain::{Cursor, Issued, Project, SecretText, Token},
    store::Holdings,
};

const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();

/// How a result is printed.
#[derive(Clone, Debug)]
pub(super) enum Form {
    /// Lines for people.
    Lines,
    /// One line of JSON.
    Json,
    /// These fields, each on a line.
    Fields(Vec<String>),
}

impl Form {
    /// The form that the flags ask for.
    pub(super) fn of(json: bool, fields: Vec<String>) -> Self {
        match (json, fields) {
            (true, _) => Self::Json,
            (false, fields) if fields.is_empty() => Self::Lines,
            (false, fields) => Self::Fields(fields),
        }
    }

    /// Prints a result that cannot be had again: it may hold a secret.
    pub(super) fn print_once(&self, body: &impl Serialize, lines: impl FnOnce() -> SecretText) -> Result<(), Failure> {
        print(self.write(body, lines)?.as_str())
    }

    /// Prints a result that can be had again.
    pub(super) fn print(&self, body: &impl Serialize, lines: impl FnOnce() -> String) -> Result<(), Failure> {
        print_again(&self.write(body, || SecretText::new(lines()))?)
    }

    fn write(&self, body: &impl Serialize, lines: impl FnOnce() -> SecretText) -> Result<SecretText, Failure> {
        match self {
            Self::Lines => Ok(lines()),
            Self::Json => Ok(SecretText::new(json(body))),
            // For scripts as it is; a terminal is read by people.
            Self::Fields(names) if std::io::stdout().is_terminal() => {
                Ok(SecretText::new(visible_lines(&fields(body, names)?).into_owned()))
            }
            Self::Fields(names) => fields(body, names),
        }
    }
}

/// A project for people.
pub(super) fn project(project: &Project, holdings: Option<Holdings>) -> String {
    let mut text = line("project", project.id) + &line("name", visible(project.name.as_str()));
    if let Some(parent) = project.parent {
        text += &line("parent", parent);
    }
    if let Some(holdings) = holdings {
        text += &line("subprojects", holdings.subprojects);
        text += &line("tokens", holdings.tokens);
        text += &line("created", moment(project.created_at));
        text += &line("updated", moment(project.updated_at));
    }
    text
}

/// A token for people.
pub(super) fn token(token: &Token) -> String {
    let mut text = heading(token);
    text += &line("hint", token.hint.as_str());
    text += &line("created", moment(token.created_at));
    text += &line("updated", moment(token.updated_at));
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
        + &line("name", visible(token.name.as_str()))
        + &line("of project", token.project)
        + &line("permissions", token.permissions.iter().collect::<Vec<_>>().join(", "))
}

/// A moment, and on a terminal how long ago it was.
fn moment(moment: Timestamp) -> String {
    let exact = moment.to_rfc3339();
    Screen::of_stdout().map_or_else(|| exact.clone(), |screen| format!("{exact} ({})", screen.ago(moment)))
}

/// Projects as a table.
pub(super) fn projects(projects: &[Project]) -> String {
    table(
        ["ID", "NAME", "PARENT", "CREATED"],
        |screen, ids| {
            projects.iter().map(move |project| {
                [
                    ids.show(project.id),
                    visible(project.name.as_str()).into_owned(),
                    project.parent.map_or("-".to_owned(), |parent| ids.show(parent)),
                    when(screen, project.created_at),
                ]
            })
        },
        &[1],
    )
}

/// Tokens as a table.
pub(super) fn tokens(tokens: &[Token]) -> String {
    table(
        ["ID", "HINT", "NAME", "PERMISSIONS", "CREATED"],
        |screen, ids| {
            tokens.iter().map(move |token| {
                [
                    ids.show(token.id),
                    token.hint.as_str().to_owned(),
                    visible(token.name.as_str()).into_owned(),
                    token.permissions.iter().collect::<Vec<_>>().join(if screen.is_some() { ", " } else { "," }),
                    when(screen, token.created_at),
                ]
            })
        },
        &[2, 3],
    )
}

/// How much of an id a table shows.
#[derive(Clone, Copy)]
enum Ids {
    Whole,
    /// The first 8 digits: commands take them for the id.
    Begun,
}

impl Ids {
    fn show(self, id: impl Display) -> String {
        let mut id = id.to_string();
        if matches!(self, Self::Begun) {
            id.truncate(8);
        }
        id
    }
}

fn when(screen: Option<Screen>, moment: Timestamp) -> String {
    screen.map_or_else(|| moment.to_rfc3339(), |screen| screen.ago(moment))
}

/// A table. On a terminal it fits the width: first ids are shortened, then the cells of the columns in `flowing` are
/// broken into lines.
fn table<const N: usize, R: Iterator<Item = [String; N]>>(
    header: [&str; N],
    rows: impl Fn(Option<Screen>, Ids) -> R,
    flowing: &[usize],
) -> String {
    let screen = Screen::of_stdout();
    let mut table = laid_out(header, rows(screen, Ids::Whole));
    if let Some(screen) = screen
        && width(&table) > usize::from(screen.width)
    {
        table = laid_out(header, rows(Some(screen), Ids::Begun));
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(screen.width);
        for (place, column) in table.column_iter_mut().enumerate() {
            if !flowing.contains(&place) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
    }
    let text = table.trim_fmt();
    let (head, body) = text.split_once('\n').unwrap_or((&text, ""));
    format!("{BOLD}{head}{BOLD:#}\n{body}{}", if body.is_empty() { "" } else { "\n" })
}

fn laid_out<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.add_rows(rows);
    table
}

/// How wide a table is, without the padding at its end.
fn width(table: &Table) -> usize {
    let columns = table.column_max_content_widths();
    columns.iter().map(|width| usize::from(*width) + 2).sum::<usize>().saturating_sub(2)
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
    write(text.as_ref()).map_err(unwritten)
}

/// Writes a result that can be had again to stdout. A reader that stops early, such as `head`, is not an error.
///
/// # Errors
/// Where stdout fails otherwise.
pub(super) fn print_again(text: &str) -> Result<(), Failure> {
    match write(text) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(unwritten),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is a map_err")]
fn unwritten(error: std::io::Error) -> Failure {
    Failure::Refused(format!("stdout cannot be written: {error}"))
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
    // Where stderr is gone nobody can be told.
    let _gone = writeln!(anstream::stderr(), "{text}");
}

/// Writes an error to stderr.
pub(super) fn complain_error(why: &str) {
    complain(&format!("{RED}error{RED:#}: {}", visible_lines(why)));
}
