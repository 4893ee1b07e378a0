//! We issue a token.

use tracing::Span;

use super::{Service, Subject};
use crate::{
    clock::Timestamp,
    domain::{
        Actor, Fields, Issued, Name, NewToken, Permissions, ProjectId, Reach, Secret, SecretId, StoredSecret, Token,
        TokenId,
    },
    error::{Error, Faults, Field, Problem},
    store::{TokenRows, Written},
};

/// How often a secret is drawn anew because its selector is taken. With a million secrets one draw in
/// 280 million meets another, so a second time in a row is a broken random source.
const DRAWS: usize = 4;

impl Service {
    /// Judges a request for a token, with what only the store knows: whether the subproject is one of this project's.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every field that failed; those of the store.
    pub async fn judge_token(&self, reach: Reach, fields: &Fields) -> Result<NewToken, Error> {
        match NewToken::judge(fields, &self.catalogue) {
            Ok(new) => Ok(new),
            Err(faults) => Err(self.with_subproject(reach, fields, faults).await),
        }
    }

    /// The faults of a request, and with them the one of its subproject that only the store knows.
    pub async fn with_subproject(&self, reach: Reach, fields: &Fields, mut faults: Faults) -> Error {
        if let Ok(subproject) = fields.subproject()
            && let Err(error) = self.owner(reach, subproject).await
        {
            let Error::Invalid(also) = error else { return error };
            faults.add(also.first().clone());
        }
        faults.into()
    }

    /// Issues a token for the project at hand, or for its subproject that the request names.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the named project is none of its subprojects, [`Error::TokenLimitReached`],
    /// [`Error::Overloaded`] where too many wait for a hash, and what the store's `insert_token` refuses.
    pub async fn issue(&self, reach: Reach, new: NewToken) -> Result<Issued, Error> {
        let project = self.owner(reach, new.subproject).await?;
        for _ in 0..DRAWS {
            let (issued, stored) = self.draw(reach.actor, project, new.name.clone(), new.permissions.clone()).await?;
            let rows = TokenRows { token: &issued.token, secret: &stored };
            let (limit, logged) = (self.limits.tokens_per_project, when_issued(reach.actor, &issued.token));
            let inserted = self.store.insert_token(reach.actor, rows, limit, logged).await;
            match self.settled(reach.tenant(), Subject::Project(project), inserted).await {
                Ok(()) => return Ok(issued),
                Err(Error::SelectorTaken) => {}
                // It was deleted meanwhile. The project of the path is still there.
                Err(Error::ProjectNotFound) if new.subproject.is_some() => {
                    return Err(Error::invalid(Field::SubprojectId, Problem::NotASubproject));
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::SelectorTaken)
    }

    /// The project at hand, or its subproject that a request names.
    pub(super) async fn owner(&self, reach: Reach, subproject: Option<ProjectId>) -> Result<ProjectId, Error> {
        let Some(subproject) = subproject else { return Ok(reach.project) };
        match self.store.find_project(reach.tenant(), subproject).await? {
            Some(found) if found.parent == Some(reach.project) => Ok(subproject),
            _ => Err(Error::invalid(Field::SubprojectId, Problem::NotASubproject)),
        }
    }

    /// Draws a secret and hashes it: a token that is not stored yet.
    pub(super) async fn draw(
        &self,
        actor: Actor,
        project: ProjectId,
        name: Name,
        permissions: Permissions,
    ) -> Result<(Issued, StoredSecret), Error> {
        let secret = Secret::generate(&*self.entropy);
        let hash = self.hasher.hash(actor.tenant(), secret.reveal()).await?;
        let now: Timestamp = self.clock.now();
        let id = SecretId::from(self.entropy.uuid());
        let stored = StoredSecret {
            id,
            selector: secret.selector(),
            proof: self.proofs.prove(id, &hash, &secret),
            hash,
            check: secret.check(),
            created_at: now,
        };
        let token = Token {
            id: TokenId::from(self.entropy.uuid()),
            project,
            name,
            permissions,
            hint: secret.selector().hint(),
            created_at: now,
            updated_at: now,
            created_by: actor.token(),
        };
        Ok((Issued { token, secret }, stored))
    }
}

/// Logs that a token was issued, as part of the request that asked for it: the store calls it, which knows when, also where the
/// client has hung up by then.
fn when_issued(actor: Actor, token: &Token) -> Written {
    let (span, id, project, permissions) = (Span::current(), token.id, token.project, token.permissions.to_stored());
    Box::new(move || {
        span.in_scope(|| {
            tracing::info!(token.id = %id, project.id = %project, caller = %actor, permissions, "token issued");
        });
    })
}
