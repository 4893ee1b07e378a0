//! We revoke a token.

use super::{Service, grants::Subject};
use crate::{
    domain::{Reach, TokenId},
    error::Error,
};

impl Service {
    /// Deletes a token within reach: when this returns, its secret verifies no more. It cannot be undone.
    ///
    /// # Errors
    /// [`Error::TokenNotFound`], and [`Error::Unauthenticated`] or [`Error::PermissionMissing`] where the
    /// caller has died or lost its permission since it was let in.
    pub async fn revoke(&self, reach: Reach, id: TokenId) -> Result<(), Error> {
        let store = self.store.clone();
        self.change(Subject::Token(id), async move { store.delete_token(reach, id).await }).await?;
        tracing::info!(token.id = %id, project.id = %reach.project, "token revoked");
        Ok(())
    }
}
