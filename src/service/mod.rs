//! What we *do*, one file for each verb. Rules live here and in `domain`; the door only translates.

mod bootstrap;
mod change;
mod digest;
mod flights;
mod grants;
mod hasher;
mod introspect;
mod issue;
mod keys;
mod list;
mod lookup;
mod projects;
mod proof;
mod reach;
mod renew;
mod revoke;
mod seal;
mod tally;
mod update;
mod verify;

use std::sync::Arc;

pub use bootstrap::Bootstrapped;
pub use grants::{Grant, Granted, Subject, Watch};
pub use hasher::{Cost, Hasher};
pub use keys::{Key, Keys};
pub use list::MOST_ROWS;
pub use projects::CreatedProject;
pub use proof::ProofKeys;
pub use reach::Caller;
pub use seal::Sealer;
pub use tally::{Outage, Refusal};
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::{
    clock::Clock,
    domain::{Catalogue, Tenant},
    entropy::{Entropy, SystemEntropy},
    error::Error,
    store::Store,
    turns::Turns,
};

/// Everything that Tokensmith does, whoever asks: the door and the command line call the same methods.
pub struct Service {
    store: Arc<dyn Store>,
    hasher: Hasher,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    catalogue: Arc<Catalogue>,
    limits: Limits,
    sealer: Sealer,
    digests: digest::Digests,
    changes: Arc<grants::Changes>,
    grants: grants::Grants,
    flights: flights::Flights,
    proofs: ProofKeys,
    renewals: renew::Renewals,
    tally: tally::Tally,
    /// Room for changes, which go on when their client has gone.
    changing: Turns<Tenant>,
    /// Where they do.
    runtime: Handle,
}

/// How much a tenant may have, and how much is remembered.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most tokens that a project may hold.
    pub tokens_per_project: u64,
    /// The most subprojects that a root project may have.
    pub subprojects_per_project: u64,
    /// The most bytes of memory that cached grants take.
    pub cache_bytes: u64,
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
        let changes = Arc::new(grants::Changes::new());
        let proofs = ProofKeys::new(keys);
        Self {
            sealer: Sealer::new(keys),
            digests: digest::Digests::new(),
            grants: grants::Grants::new(limits.cache_bytes, changes.clone()),
            changes,
            flights: flights::Flights::new(hasher.clone()),
            renewals: renew::Renewals::start(store.clone(), hasher.clone(), proofs.clone()),
            proofs,
            tally: tally::Tally::new(),
            changing: change::room(),
            runtime: Handle::current(),
            store,
            hasher,
            clock,
            entropy,
            catalogue,
            limits,
        }
    }

    /// The same, which writes nothing but what it is asked to: for a command that ends at once.
    #[must_use]
    pub fn without_renewals(self) -> Self {
        Self { renewals: renew::Renewals::none(), ..self }
    }

    /// Begins to watch whether others write to the store, for as long as the watch is kept: until then, and on a
    /// store that is shared, each verification reads its row.
    pub fn watch(&self) -> Watch {
        Watch::start(self.store.clone(), self.changes.clone())
    }

    /// The permissions that this server knows.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// A fresh id for a request that brought none.
    pub fn request_id(&self) -> Uuid {
        self.entropy.uuid()
    }

    /// Random bits that no test foresees, for what each worker of the door draws at a moment of its own.
    pub fn nonce(&self) -> Uuid {
        SystemEntropy.uuid()
    }

    /// Whether the service can do its work.
    ///
    /// # Errors
    /// As [`Store::ready`].
    pub async fn ready(&self) -> Result<(), Error> {
        self.store.ready().await
    }
}
