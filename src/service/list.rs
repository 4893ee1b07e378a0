//! We list what there is, newest first, a page at a time.

use super::Service;
use crate::{
    domain::{Cursor, Page, Project, Reach, Token},
    error::Error,
    store::ProjectFilter,
};

/// The most rows of a page.
const MOST: u32 = 1000;

impl Service {
    /// A page of at most `size` projects (1 to 1,000) of all trees: for the operator alone.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list_projects(
        &self,
        filter: &ProjectFilter,
        after: Option<Cursor>,
        size: u32,
    ) -> Result<Page<Project>, Error> {
        let size = size.clamp(1, MOST);
        let rows = self.store.list_projects(filter, after.unwrap_or(Cursor::START), size + 1).await?;
        Ok(Page::cut(rows, size as usize, Project::cursor))
    }

    /// A page of at most `size` tokens (1 to 1,000) of the project at hand; of exactly this name, if one is given.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list_tokens(
        &self,
        reach: Reach,
        name: Option<&str>,
        after: Option<Cursor>,
        size: u32,
    ) -> Result<Page<Token>, Error> {
        let size = size.clamp(1, MOST);
        let after = after.unwrap_or(Cursor::START);
        let rows = self.store.list_tokens(reach.project, name, after, size + 1).await?;
        Ok(Page::cut(rows, size as usize, Token::cursor))
    }
}
