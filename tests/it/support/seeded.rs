//! A clock that stands still until it is told, and randomness that repeats itself.

use std::sync::{
    Mutex,
    atomic::{AtomicI64, Ordering},
};

use sha2::{Digest, Sha256};
use tokensmith::{
    clock::{Clock, Timestamp},
    entropy::Entropy,
};

/// 2026-11-24T04:34:44Z, until it is advanced.
#[derive(Debug)]
pub struct FixedClock(AtomicI64);

impl Default for FixedClock {
    fn default() -> Self {
        Self(AtomicI64::new(1_795_494_884_000_000))
    }
}

impl FixedClock {
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// SHA-256 of a seed and a count: the same bytes in the same order for the same seed.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: &'static str,
    count: Mutex<u64>,
}

impl SeededEntropy {
    pub fn new(seed: &'static str) -> Self {
        Self { seed, count: Mutex::new(0) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut count = self.count.lock().unwrap();
        for chunk in bytes.chunks_mut(32) {
            *count += 1;
            let block = Sha256::new().chain_update(self.seed).chain_update(count.to_be_bytes()).finalize();
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}
