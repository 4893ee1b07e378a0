//! We look up what a person named: a project by the beginning of its id or by its name, a token by the beginning of its id.

use super::Service;
use crate::{
    domain::{IdPrefix, Position, Project, ProjectId, Token},
    error::Error,
    store::ProjectFilter,
};

impl Service {
    /// The projects, at most `limit`, that a text can mean: those whose ids begin so, and those of exactly this name. For
    /// the operator alone.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn projects_called(&self, text: &str, limit: u32) -> Result<Vec<Project>, Error> {
        let mut found = match IdPrefix::parse(text) {
            Some(prefix) => self.store.find_projects_beginning(prefix, limit).await?,
            None => Vec::new(),
        };
        let filter = ProjectFilter { parent: None, name: Some(text.trim().to_owned()) };
        let named = self.list_projects(&filter, Position::START, limit).await?.rows;
        found.extend(named);
        found.sort_by_key(|project| project.id);
        found.dedup_by_key(|project| project.id);
        found.truncate(limit as usize);
        Ok(found)
    }

    /// The tokens, at most `limit`, whose ids begin so. For the operator alone.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn tokens_called(&self, prefix: IdPrefix, limit: u32) -> Result<Vec<Token>, Error> {
        self.store.find_tokens_beginning(prefix, limit).await
    }

    /// The one root project; `None` where there are several, or none.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn only_root(&self) -> Result<Option<ProjectId>, Error> {
        self.store.find_only_root().await
    }
}
