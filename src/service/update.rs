//! We update a token.

use super::{Service, grants::Subject};
use crate::{
    domain::{Permissions, Reach, Token, TokenChange, TokenId},
    error::Error,
    store::Updated,
};

impl Service {
    /// Changes what the change names of a token within reach; a change of nothing changes nothing.
    ///
    /// # Errors
    /// [`Error::TokenNotFound`], and [`Error::Unauthenticated`] or [`Error::PermissionMissing`] where the
    /// caller has died or lost its permission since it was let in.
    pub async fn update_token(&self, reach: Reach, id: TokenId, change: &TokenChange) -> Result<Token, Error> {
        let (store, wanted, now) = (self.store.clone(), change.clone(), self.clock.now());
        // Logged by the write, which goes on when its client has gone.
        let write = async move {
            let Updated { token, before } = store.update_token(reach, id, &wanted, now).await?;
            if !wanted.is_empty() {
                tracing::info!(
                    token.id = %id,
                    project.id = %token.project,
                    caller = %reach.actor,
                    permissions.before = before.as_ref().map(Permissions::to_stored),
                    permissions.after = before.as_ref().map(|_| token.permissions.to_stored()),
                    "token updated"
                );
            }
            Ok(token)
        };
        self.change(reach.tenant(), Subject::Token(id), write).await
    }
}
