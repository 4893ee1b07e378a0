//! We verify a credential: who is this? One routine for management, for `/auth` and for introspection;
//! `docs/verification.md` draws its way.

use super::{
    Service,
    grants::{Found, Fresh, Grant, Granted, Proven},
    proof::Judgement,
    tally::Refusal,
};
use crate::{
    domain::{Credential, Secret, Tenant},
    error::Error,
    store::Holder,
};

/// What a credential is proven for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// To know whom it is of.
    Verification,
    /// To let a caller in, in turn with those of other tenants.
    Management,
}

/// Why a credential proves nothing.
pub(super) enum Unproven {
    /// It is wrong.
    Refused(Refusal),
    /// Nobody can tell.
    Unknown(Error),
}

impl From<Error> for Unproven {
    fn from(error: Error) -> Self {
        Self::Unknown(error)
    }
}

impl From<Refusal> for Unproven {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Service {
    /// Proves a credential: the secret is one that is stored, and belongs to the project that the credential names, if
    /// it names one. Those that are wrong are counted.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] whatever is wrong with it; [`Error::Overloaded`], [`Error::StoreAway`] and
    /// [`Error::Internal`] where nobody can tell.
    pub async fn verify(&self, credential: &Credential) -> Result<Granted, Error> {
        self.verify_in(Lane::Verification, credential).await
    }

    pub(super) async fn verify_in(&self, lane: Lane, credential: &Credential) -> Result<Granted, Error> {
        self.prove(lane, credential).await.map_err(|unproven| match unproven {
            Unproven::Refused(refusal) => {
                self.count_refusal(refusal);
                Error::Unauthenticated
            }
            Unproven::Unknown(error) => error,
        })
    }

    /// The same, which counts nothing.
    pub(super) async fn prove(&self, lane: Lane, credential: &Credential) -> Result<Granted, Unproven> {
        let secret = &credential.secret;
        let selector = secret.selector();
        let digest = self.digests.of_secret(secret);
        let proven = match self.grants.find(selector, &digest) {
            Found::Granted(granted) if credential.names(granted.project) => return Ok(granted),
            Found::Granted(_) => return Err(Refusal::WrongProject.into()),
            Found::Wrong => return Err(Refusal::WrongSecret.into()),
            Found::Proven(proven) => Some(proven),
            Found::Nothing => None,
        };

        // Before the row is read: see `grants/changes.rs`.
        let stamp = self.changes.note();
        let found = match lane {
            Lane::Verification => self.store.find_holder(selector).await?,
            Lane::Management => {
                let tenant = proven.as_ref().map_or(Tenant::Unproven, Proven::tenant);
                self.store.find_caller(tenant, selector).await?
            }
        };
        let Some(holder) = found else {
            if proven.is_some() {
                self.grants.forget(selector);
            }
            return Err(Refusal::UnknownToken.into());
        };
        // It is cheap and comes before argon2; what failed cannot be told from the answer.
        if !credential.names(holder.project) {
            return Err(Refusal::WrongProject.into());
        }
        let hash = self.digests.of_hash(&holder.hash);
        let proven = proven.filter(|proven| proven.holds_for(holder.secret, hash));
        if proven.is_none() && !self.proves(secret, &holder).await? {
            return Err(Refusal::WrongSecret.into());
        }
        let grant = Grant {
            project: holder.project,
            parent: holder.parent,
            token: holder.token,
            secret: holder.secret,
            permissions: self.catalogue.set_of(&holder.permissions),
            name: holder.name.as_str().into(),
            issued_at: holder.issued_at,
        };
        Ok(self.grants.fill(selector, Fresh { digest, hash, stamp, grant }, proven))
    }

    /// Whether the secret is the stored one: by its proof, where there is one under a known key, which is final;
    /// else by the check and argon2.
    async fn proves(&self, secret: &Secret, holder: &Holder) -> Result<bool, Error> {
        let is_proven_anew = match self.proofs.judge(holder.proof.as_ref(), holder.secret, &holder.hash, secret) {
            Judgement::Wrong => return Ok(false),
            Judgement::Right { by_current } => by_current,
            Judgement::Unknown => {
                if !holder.check.matches(&secret.check()) {
                    return Ok(false);
                }
                let fact = self.digests.of_fact(secret, &holder.hash);
                if !self.flights.matches(fact, secret, &holder.hash).await? {
                    return Ok(false);
                }
                false
            }
        };
        // A stronger hash comes with a proof of its own.
        let is_hashed_anew =
            self.hasher.would_strengthen(&holder.hash) && self.renewals.offer_hash(holder.secret, &holder.hash, secret);
        if !is_hashed_anew && !is_proven_anew && self.proofs.can_prove() {
            self.renewals.offer_proof(holder.secret, &holder.hash, secret);
        }
        Ok(true)
    }
}
