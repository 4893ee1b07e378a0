//! A proof: what lets a secret be recognised without its slow hash, by whoever has the key.

use std::fmt;

/// A keyed hash of a secret and its row, and which key it was made with. Without the key it says nothing; with
/// it, it recognises the secret and can make none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    key: ProofKeyId,
    mac: [u8; 32],
}

/// Tells keys apart, and says nothing of them.
pub type ProofKeyId = [u8; 8];

impl Proof {
    /// A proof made with the key of that id.
    pub const fn new(key: ProofKeyId, mac: [u8; 32]) -> Self {
        Self { key, mac }
    }

    /// From the store; `None` where a length is wrong.
    pub fn from_stored(key: &[u8], mac: &[u8]) -> Option<Self> {
        Some(Self { key: key.try_into().ok()?, mac: mac.try_into().ok()? })
    }

    /// Which key it was made with.
    pub const fn key(&self) -> &ProofKeyId {
        &self.key
    }

    /// The keyed hash.
    pub const fn mac(&self) -> &[u8; 32] {
        &self.mac
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[proof]")
    }
}
