//! We update a token.

use super::{Service, grants::Subject};
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
        let (store, wanted, now) = (self.store.clone(), change.clone(), self.clock.now());
        let write = async move { store.update_token(reach, id, &wanted, now).await };
        let token = self.change(Subject::Token(id), write).await?;
        if !change.is_empty() {
            tracing::info!(token.id = %id, project.id = %token.project, "token updated");
        }
        Ok(token)
    }
}
