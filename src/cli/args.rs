//! Arguments that several commands take, and what a person is asked.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use clap::Args;

use super::Failure;
use crate::domain::{Cursor, Page, ProjectId, TokenId};

/// How much of a list to print, and from where.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct PageArgs {
    /// Print at most so many, the newest.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Go on where an earlier list ended: it said this value.
    #[arg(long, value_name = "CURSOR", value_parser = cursor)]
    after: Option<Cursor>,
    /// Print all of them.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

impl PageArgs {
    /// Fetches what is to be printed.
    pub(super) async fn fetch<T, E>(
        self,
        mut fetch: impl AsyncFnMut(Option<Cursor>, u32) -> Result<Page<T>, E>,
    ) -> Result<Page<T>, E> {
        if !self.all {
            return fetch(self.after, self.limit).await;
        }
        let mut rows = Vec::new();
        let mut after = self.after;
        loop {
            let page = fetch(after, 1000).await?;
            rows.extend(page.rows);
            after = page.next;
            if after.is_none() {
                return Ok(Page { rows, next: None, previous: None });
            }
        }
    }
}

/// Reads a project's id.
pub(super) fn project_id(text: &str) -> Result<ProjectId, String> {
    ProjectId::parse(text).ok_or_else(no_id)
}

/// Reads a token's id.
pub(super) fn token_id(text: &str) -> Result<TokenId, String> {
    TokenId::parse(text).ok_or_else(no_id)
}

fn no_id() -> String {
    "no id; write it as 8-4-4-4-12 hexadecimal digits with hyphens".to_owned()
}

fn cursor(text: &str) -> Result<Cursor, String> {
    Cursor::parse(text).ok_or_else(|| "no cursor; take it from the end of an earlier list".to_owned())
}

/// Asks before something is destroyed; without a terminal to ask on, `--yes` must have said it.
pub(super) fn confirm(what: &str) -> Result<(), Failure> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return Err(Failure::Misused(format!("{what} This cannot be undone. Say --yes to do it.")));
    }
    let mut asking = stderr();
    let _gone = write!(asking, "{what} This cannot be undone. Go on? [y/N] ").and_then(|()| asking.flush());
    let mut answer = String::new();
    stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::Refused(format!("stdin cannot be read: {error}")))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::Refused("nothing was deleted".to_owned()))
    }
}
