//! We revoke a token.

use super::Service;
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
        self.store.delete_token(reach, id).await?;
        tracing::info!(token.id = %id, project.id = %reach.project, "token revoked");
        Ok(())
    }
}
