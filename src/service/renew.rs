//! We make anew, in the background, what rests of a secret that has just proven itself: a hash that is weaker than
//! today's configuration, when argon2 is idle, and a proof that is missing or under an older key. The store takes
//! either only beside the hash that the secret proved itself against.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{Hasher, proof::ProofKeys};
use crate::{
    domain::{Secret, SecretId, Tenant},
    error::Error,
    store::{MadeProof, Store},
};

/// How many may wait for a hash. More are dropped: they come again with their next verification.
const HASHES: usize = 16;

/// How many may wait for a proof.
const PROOFS: usize = 1024;

/// How many proofs are written in one transaction, which others may have to wait for.
const TOGETHER: usize = 32;

/// How long proofs are gathered after some were written: each transaction costs far more than one proof in it.
const GATHERING: Duration = Duration::from_millis(50);

/// How often to look whether argon2 has become idle.
const PAUSE: Duration = Duration::from_millis(100);

/// Secrets waiting for a stronger hash, or for a proof. The tasks end when this is dropped.
pub(super) struct Renewals {
    hashes: mpsc::Sender<Renewal>,
    proofs: mpsc::Sender<Renewal>,
}

struct Renewal {
    id: SecretId,
    hash: String,
    secret: Secret,
}

#[derive(Clone)]
struct Renewer {
    store: Arc<dyn Store>,
    hasher: Hasher,
    keys: ProofKeys,
}

impl Renewals {
    /// Starts the tasks that renew.
    pub(super) fn start(store: Arc<dyn Store>, hasher: Hasher, keys: ProofKeys) -> Self {
        let (hashes, to_hash) = mpsc::channel(HASHES);
        let (proofs, to_prove) = mpsc::channel(PROOFS);
        let renewer = Renewer { store, hasher, keys };
        tokio::spawn(renewer.clone().hash_all(to_hash));
        tokio::spawn(renewer.prove_all(to_prove));
        Self { hashes, proofs }
    }

    /// Renews nothing.
    pub(super) fn none() -> Self {
        Self { hashes: mpsc::channel(1).0, proofs: mpsc::channel(1).0 }
    }

    /// Takes a proven secret whose hash is weak, if there is room. Returns whether there was.
    pub(super) fn offer_hash(&self, id: SecretId, hash: &str, secret: &Secret) -> bool {
        self.hashes.try_send(Renewal { id, hash: hash.to_owned(), secret: secret.clone() }).is_ok()
    }

    /// Takes a proven secret without a proof under the current key, if there is room.
    pub(super) fn offer_proof(&self, id: SecretId, hash: &str, secret: &Secret) {
        let _full = self.proofs.try_send(Renewal { id, hash: hash.to_owned(), secret: secret.clone() });
    }
}

impl Renewer {
    async fn hash_all(self, mut waiting: mpsc::Receiver<Renewal>) {
        while let Some(renewal) = waiting.recv().await {
            while !self.hasher.is_idle() {
                tokio::time::sleep(PAUSE).await;
            }
            match self.hash(&renewal).await {
                Ok(true) => tracing::info!(secret.id = %renewal.id, "hash renewed at today's cost"),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(secret.id = %renewal.id, %error, "hash not renewed; the next verification tries again");
                }
            }
        }
    }

    async fn hash(&self, renewal: &Renewal) -> Result<bool, Error> {
        let Renewal { id, hash: old, secret } = renewal;
        let new = self.hasher.hash(Tenant::Operator, secret.reveal()).await?;
        let proof = self.keys.prove(*id, &new, secret);
        self.store.replace_hash(*id, old, &new, proof.as_ref()).await
    }

    async fn prove_all(self, mut waiting: mpsc::Receiver<Renewal>) {
        let mut together = Vec::new();
        while waiting.recv_many(&mut together, TOGETHER).await > 0 {
            let is_full = together.len() == TOGETHER;
            let proofs: Vec<MadeProof> = together.iter().filter_map(|renewal| self.prove(renewal)).collect();
            // Each secret is wiped where it stands.
            together.clear();
            match self.store.keep_proofs(&proofs).await {
                Ok(kept) => tracing::debug!(kept, "proofs kept"),
                Err(error) => {
                    let proofs = proofs.len();
                    tracing::warn!(proofs, %error, "proofs not kept; the next verifications try again");
                }
            }
            if !is_full {
                tokio::time::sleep(GATHERING).await;
            }
        }
    }

    fn prove(&self, Renewal { id, hash, secret }: &Renewal) -> Option<MadeProof> {
        let proof = self.keys.prove(*id, hash, secret)?;
        Some(MadeProof { secret: *id, hash: hash.clone(), proof })
    }
}
