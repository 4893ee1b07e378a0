//! What a crash leaves behind, and what clients are told meanwhile: the real binary, killed, cut off from its database
//! or out of room while it works.

mod bootstrapping;
mod hanging_up;
mod killed;
mod ledger;
mod place;
mod postgres_away;
mod sqlite;
mod standby;

use std::time::{Duration, Instant};

pub use place::Tables;

/// Chance that repeats itself: SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    /// Thrown anew in each run, unless `TOKENSMITH_TEST_SEED` says how; a test that fails shows its seed.
    fn new() -> Self {
        use tokensmith::entropy::{Entropy, SystemEntropy};
        let seed = match std::env::var("TOKENSMITH_TEST_SEED") {
            Ok(seed) => seed.parse().expect("TOKENSMITH_TEST_SEED is a number"),
            Err(_) => {
                let mut bytes = [0; 8];
                SystemEntropy.fill(&mut bytes);
                u64::from_be_bytes(bytes)
            }
        };
        println!("TOKENSMITH_TEST_SEED={seed}");
        Self(seed)
    }

    /// A number below that one.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    /// Dice of their own for another hand.
    fn split(&mut self) -> Self {
        Self(self.below(u64::MAX))
    }

    /// A time below that one.
    fn moment(&mut self, end: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(end.as_micros()).unwrap()))
    }
}

/// Asks again and again until it is so.
async fn until(what: &str, most: Duration, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + most;
    while !is_so().await {
        assert!(Instant::now() < deadline, "not within {most:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Holds a server to having failed in no other way than by answering.
fn assert_no_panic(log: &[String]) {
    let panics: Vec<_> = log.iter().filter(|line| line.contains("panicked at")).collect();
    assert!(panics.is_empty(), "{panics:#?}");
}
