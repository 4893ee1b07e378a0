//! What we *do*, one file for each verb. Rules live here and in `domain`; the door only translates.

mod bootstrap;
mod hasher;
mod issue;
mod keys;
mod list;
mod projects;
mod reach;
mod renew;
mod revoke;
mod seal;
mod update;
mod verify;

use std::sync::Arc;

pub use bootstrap::Bootstrapped;
pub use hasher::{Cost, Hasher};
pub use keys::{Key, Keys};
pub use list::MOST_ROWS;
pub use projects::CreatedProject;
pub use reach::Caller;
pub use seal::Sealer;
use uuid::Uuid;
pub use verify::Grant;

use crate::{clock::Clock, domain::Catalogue, entropy::Entropy, error::Error, store::Store};

/// Everything that Tokensmith does, whoever asks: the door and the command line call the same methods.
pub struct Service {
    store: Arc<dyn Store>,
    hasher: Hasher,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    catalogue: Arc<Catalogue>,
    limits: Limits,
    sealer: Sealer,
    renewals: renew::Renewals,
}

/// How much a tenant may have.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most tokens that a project may hold.
    pub tokens_per_project: u64,
}

impl Service {
    /// A service on a store. Must be called within a Tokio runtime that outlives it.
    pub fn new(
        store: Arc<dyn Store>,
        hasher: Hasher,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        catalogue: Arc<Catalogue>,
        limits: Limits,
        keys: &Keys,
    ) -> Self {
        let renewals = renew::Renewals::start(store.clone(), hasher.clone());
        Self { store, hasher, clock, entropy, catalogue, limits, sealer: Sealer::new(keys), renewals }
    }

    /// The permissions that this server knows.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// A fresh id for a request that brought none.
    pub fn request_id(&self) -> Uuid {
        self.entropy.uuid()
    }

    /// Whether the service can do its work.
    ///
    /// # Errors
    /// As [`Store::ready`].
    pub async fn ready(&self) -> Result<(), Error> {
        self.store.ready().await
    }
}
