//! Randomness as the house knows it: bytes handed in, so that tests can seed them.

use rand::{TryRng, rngs::SysRng};
use uuid::{Builder, Uuid};

/// Where random bytes come from.
pub trait Entropy: Send + Sync {
    /// Fills the whole slice with bytes that nobody can predict.
    fn fill(&self, bytes: &mut [u8]);

    /// A random (version 4, RFC 9562) UUID.
    fn uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        Builder::from_random_bytes(bytes).into_uuid()
    }
}

/// The random source of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        SysRng
            .try_fill_bytes(bytes)
            .expect("the operating system gives random bytes; a service that issues secrets must not go on without");
    }
}
