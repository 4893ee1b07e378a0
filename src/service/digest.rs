//! Keyed digests: what this process remembers of secrets in their place. The key is drawn at the start and never
//! leaves the memory, so a digest says nothing to anyone else.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    domain::Secret,
    entropy::{Entropy, SystemEntropy},
};

/// HMAC-SHA256 (RFC 2104) under the key of this process.
pub(super) type Digest = [u8; 32];

/// Makes digests. The key's two blocks are hashed once, here, and copied for each digest.
#[derive(Clone)]
pub(super) struct Digests(Hmac<Sha256>);

/// What a digest is of. Each kind begins with a byte of its own, so that none can pass for another; a secret alone,
/// on the hot path, is told from the others by its length.
const FACT: [u8; 1] = [1];
const HASH: [u8; 1] = [2];

impl Digests {
    pub(super) fn new() -> Self {
        let mut key = Zeroizing::new([0; 32]);
        // Not the entropy that was handed in: nothing that can be seen depends on this key, so no test foresees it.
        SystemEntropy.fill(&mut *key);
        Self(Hmac::new_from_slice(&*key).expect("HMAC takes a key of any length"))
    }

    /// Of the 24 bytes of a secret and nothing else: one block of SHA-256 on the hot path.
    pub(super) fn of_secret(&self, secret: &Secret) -> Digest {
        self.of([secret.as_bytes().as_slice()])
    }

    /// Of a secret beside a hash: names the fact that they belong together, or do not.
    pub(super) fn of_fact(&self, secret: &Secret, phc: &str) -> Digest {
        self.of([FACT.as_slice(), secret.as_bytes(), phc.as_bytes()])
    }

    /// Of a stored hash: enough to see that it is still the same one.
    pub(super) fn of_hash(&self, phc: &str) -> u64 {
        let digest = self.of([HASH.as_slice(), phc.as_bytes()]);
        digest[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn of<const PARTS: usize>(&self, parts: [&[u8]; PARTS]) -> Digest {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}
