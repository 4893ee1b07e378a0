//! We renew hashes that are weaker than today's configuration, in the background, when argon2 is idle. Only a
//! secret that has just proven itself can be hashed again, and the store takes the new hash only in the place
//! of the one that it proved itself against.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::Hasher;
use crate::{
    domain::{Secret, SecretId},
    error::Error,
    store::Store,
};

/// How many may wait. More are dropped: they come again with their next verification.
const WAITING: usize = 16;

/// How often to look whether argon2 has become idle.
const PAUSE: Duration = Duration::from_millis(100);

/// Secrets waiting for a stronger hash.
pub(super) struct Renewals(mpsc::Sender<Renewal>);

struct Renewal {
    id: SecretId,
    old: String,
    secret: Secret,
}

impl Renewals {
    /// Starts the task that renews. It ends when this is dropped.
    pub(super) fn start(store: Arc<dyn Store>, hasher: Hasher) -> Self {
        let (sender, mut receiver) = mpsc::channel::<Renewal>(WAITING);
        tokio::spawn(async move {
            while let Some(renewal) = receiver.recv().await {
                while !hasher.is_idle() {
                    tokio::time::sleep(PAUSE).await;
                }
                let id = renewal.id;
                match renew(&*store, &hasher, renewal).await {
                    Ok(true) => tracing::info!(secret.id = %id, "hash renewed at today's cost"),
                    Ok(false) => {}
                    Err(error) => {
                        tracing::warn!(secret.id = %id, %error, "hash not renewed; the next verification tries again");
                    }
                }
            }
        });
        Self(sender)
    }

    /// Takes a proven secret, if there is room.
    pub(super) fn offer(&self, id: SecretId, old: &str, secret: &Secret) {
        let _full = self.0.try_send(Renewal { id, old: old.to_owned(), secret: secret.clone() });
    }
}

async fn renew(store: &dyn Store, hasher: &Hasher, renewal: Renewal) -> Result<bool, Error> {
    let hash = hasher.hash(renewal.secret.reveal()).await?;
    store.replace_hash(renewal.id, &renewal.old, &hash).await
}
