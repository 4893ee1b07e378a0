//! We list what there is, newest first, a page at a time.

use super::{Caller, Service};
use crate::{
    domain::{Cursor, Page, Position, Project, Reach, Token},
    error::Error,
    store::ProjectFilter,
};

/// The most rows of a page.
pub const MOST_ROWS: u32 = 1000;

impl Service {
    /// A page of at most `size` projects (1 to 1,000) of all trees: for the operator alone.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list_projects(
        &self,
        filter: &ProjectFilter,
        position: Position,
        size: u32,
    ) -> Result<Page<Project>, Error> {
        page(position, size, filter.name.as_deref(), Project::cursor, async |position, size| {
            self.store.list_projects(filter, position, size).await
        })
        .await
    }

    /// A page of at most `size` (1 to 1,000) of the caller's project and its subprojects; of exactly this name, if one
    /// is given.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list_tree(
        &self,
        caller: &Caller,
        name: Option<&str>,
        position: Position,
        size: u32,
    ) -> Result<Page<Project>, Error> {
        page(position, size, name, Project::cursor, async |position, size| {
            self.store.list_tree(caller.at_home(), name, position, size).await
        })
        .await
    }

    /// A page of at most `size` tokens (1 to 1,000) of the project at hand; of exactly this name, if one is given.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list_tokens(
        &self,
        reach: Reach,
        name: Option<&str>,
        position: Position,
        size: u32,
    ) -> Result<Page<Token>, Error> {
        page(position, size, name, Token::cursor, async |position, size| {
            self.store.list_tokens(reach, name, position, size).await
        })
        .await
    }
}

async fn page<T>(
    position: Position,
    size: u32,
    name: Option<&str>,
    cursor_of: impl Fn(&T) -> Cursor,
    fetch: impl AsyncFn(Position, u32) -> Result<Vec<T>, Error>,
) -> Result<Page<T>, Error> {
    // Nothing has such a name, and Postgres would not even take the question.
    if name.is_some_and(|name| name.contains('\0')) {
        return Ok(Page { rows: Vec::new(), next: None, previous: None });
    }
    let size = size.clamp(1, MOST_ROWS);
    let mut page = Page::cut(fetch(position, size + 1).await?, size as usize, position, &cursor_of);
    let side = page.other_side(position, &cursor_of);
    if let Some(side) = side
        && !fetch(side, 1).await?.is_empty()
    {
        match side {
            Position::Newer(cursor) => page.previous = Some(cursor),
            Position::Older(cursor) => page.next = Some(cursor),
        }
    }
    Ok(page)
}
