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
        // Logged by the write, which goes on when its client has gone.
        let write = async move {
            store.delete_token(reach, id).await?;
            tracing::info!(token.id = %id, project.id = %reach.project, caller = %reach.actor, "token revoked");
            Ok(())
        };
        self.change(reach.tenant(), Subject::Token(id), write).await
    }
}
