//! We verify a credential: who is this?

use super::Service;
use crate::{
    domain::{Credential, Name, Permissions, ProjectId, SecretId, TokenId},
    error::Error,
};

/// What a proven credential stands for, as the store held it when it was asked.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The project that the token belongs to.
    pub project: ProjectId,
    /// That project's parent, if it is a subproject.
    pub parent: Option<ProjectId>,
    /// The token.
    pub token: TokenId,
    /// The secret that was presented.
    pub secret: SecretId,
    /// The token's name.
    pub name: Name,
    /// What it may do.
    pub permissions: Permissions,
}

impl Service {
    /// Proves a credential: the secret is one that is stored, and the project is the one that its token belongs to.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] whatever is wrong with it; [`Error::Overloaded`], [`Error::StoreAway`] and
    /// [`Error::Internal`] where nobody can tell.
    pub async fn verify(&self, credential: &Credential) -> Result<Grant, Error> {
        let holder = self.store.find_holder(credential.secret.selector()).await?.ok_or(Error::Unauthenticated)?;
        // Both are cheap and come before argon2; which of them failed cannot be told from the answer.
        if !holder.check.matches(&credential.secret.check()) || holder.project != credential.project {
            return Err(Error::Unauthenticated);
        }
        if !self.hasher.verify(credential.secret.reveal(), holder.hash.clone()).await? {
            return Err(Error::Unauthenticated);
        }
        if self.hasher.would_strengthen(&holder.hash) {
            self.renewals.offer(holder.secret, &holder.hash, &credential.secret);
        }
        Ok(Grant {
            project: holder.project,
            parent: holder.parent,
            token: holder.token,
            secret: holder.secret,
            name: holder.name,
            permissions: holder.permissions,
        })
    }
}
