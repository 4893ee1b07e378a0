//! We give an empty store its first project and token.

use super::Service;
use crate::{
    domain::{Actor, Issued, Name, Project},
    error::Error,
    store::TokenRows,
};

/// The first project of a store and its token, drawn but not stored: whoever is to keep the secret can make
/// sure of a place for it first.
#[derive(Debug)]
pub struct Bootstrapped {
    /// The project.
    pub project: Project,
    /// Its token, which holds `management`.
    pub token: Issued,
    stored: crate::domain::StoredSecret,
}

impl Service {
    /// Whether there is no project yet.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn is_empty(&self) -> Result<bool, Error> {
        self.store.is_empty().await
    }

    /// Draws the first project and its token; nothing is written.
    ///
    /// # Errors
    /// Those of the hasher.
    pub async fn draw_first(&self, name: Name) -> Result<Bootstrapped, Error> {
        let project = self.new_project(name, None);
        let (token, stored) = self.first_token(project.id).await?;
        Ok(Bootstrapped { project, token, stored })
    }

    /// Writes them, in one transaction, if the store is still empty. Returns whether it was.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn bootstrap(&self, first: &Bootstrapped) -> Result<bool, Error> {
        let rows = TokenRows { token: &first.token.token, secret: &first.stored };
        let made = self.store.bootstrap(&first.project, rows).await?;
        if made {
            tracing::info!(
                project.id = %first.project.id,
                token.id = %first.token.token.id,
                caller = %Actor::Operator,
                "first project created"
            );
        }
        Ok(made)
    }
}
