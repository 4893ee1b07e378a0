//! We update a token.

use super::Service;
use crate::{
    domain::{Reach, Token, TokenChange, TokenId},
    error::Error,
};

impl Service {
    /// Changes what the change names of a token within reach; a change of nothing changes nothing.
    ///
    /// # Errors
    /// [`Error::TokenNotFound`], and [`Error::Unauthenticated`] or [`Error::PermissionMissing`] where the
    /// caller has died or lost its permission since it was let in.
    pub async fn update_token(&self, reach: Reach, id: TokenId, change: &TokenChange) -> Result<Token, Error> {
        let token = self.store.update_token(reach, id, change, self.clock.now()).await?;
        if !change.is_empty() {
            tracing::info!(token.id = %id, project.id = %token.project, "token updated");
        }
        Ok(token)
    }
}
