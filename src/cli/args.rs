//! Arguments that several commands take, and the question before something is destroyed.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use clap::Args;

use super::{Failure, terminal::visible};
use crate::domain::{Cursor, Page};

/// How much of a list to print, and from where.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct PageArgs {
    /// Print at most N rows, the newest first.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Continue where an earlier list ended. Its last line has this value.
    #[arg(long, value_name = "CURSOR", value_parser = cursor)]
    after: Option<Cursor>,
    /// Print all rows.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

impl PageArgs {
    /// Fetches the rows to print.
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

fn cursor(text: &str) -> Result<Cursor, String> {
    Cursor::parse(text).ok_or_else(|| "not a cursor; take it from the end of an earlier list".to_owned())
}

/// Asks before something is destroyed. Without a terminal to ask on, it is refused: the command needs `--yes`.
pub(super) fn confirm(what: &str) -> Result<(), Failure> {
    if !can_ask() {
        return Err(Failure::Misused(format!(
            "nothing was changed yet. {what} This cannot be undone. Add --yes to do it."
        )));
    }
    ask(what)
}

/// Asks before something is destroyed, where there is a terminal to ask on.
pub(super) fn confirm_on_a_terminal(what: &str) -> Result<(), Failure> {
    if can_ask() { ask(what) } else { Ok(()) }
}

/// Asks before something is replaced. Without a terminal to ask on, it is refused: the command needs `--yes`.
pub(super) fn confirm_with(what: &str, refused: &str) -> Result<(), Failure> {
    if !can_ask() {
        return Err(Failure::Misused(format!("nothing was changed yet. {what} Add --yes to do it.")));
    }
    question(what, refused)
}

fn can_ask() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}

fn ask(what: &str) -> Result<(), Failure> {
    question(&format!("{what} This cannot be undone."), "nothing was changed")
}

fn question(what: &str, refused: &str) -> Result<(), Failure> {
    let mut asking = stderr();
    let _gone = write!(asking, "{} Go on? [y/N] ", visible(what)).and_then(|()| asking.flush());
    let mut answer = String::new();
    stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::Refused(format!("stdin cannot be read: {error}")))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(Failure::Refused(refused.to_owned())) }
}
