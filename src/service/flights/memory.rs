//! What argon2 has said, and when it last refused: so that nobody can have the same work done over and over.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use quick_cache::sync::Cache;

use crate::{domain::Selector, service::digest::Digest};

/// How many of its answers are remembered: 33 bytes and a slot each.
const REMEMBERED: usize = 16_384;

/// After a failure, one more run for the same selector in that time.
const PAUSE: Duration = Duration::from_secs(1);

/// More selectors than argon2 can fail within the pause are never kept.
const CROWDED: usize = 4096;

pub(super) struct Memory {
    /// Whether a secret matches a hash: neither can become otherwise later. The right ones are here for those who
    /// read their row before the grant was cached and ask after it was found.
    facts: Cache<Digest, bool>,
    /// When a run for the selector last began or failed.
    paces: Mutex<HashMap<Selector, Instant>>,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self { facts: Cache::new(REMEMBERED), paces: Mutex::default() }
    }

    /// What argon2 has said to exactly this before.
    pub(super) fn recall(&self, fact: &Digest) -> Option<bool> {
        self.facts.get(fact)
    }

    /// Whether argon2 may run for the selector now. A run that follows a failure takes the pause for itself.
    pub(super) fn may_run(&self, selector: Selector, now: Instant) -> bool {
        match self.paces().get_mut(&selector) {
            None => true,
            Some(last) if now.duration_since(*last) < PAUSE => false,
            Some(last) => {
                *last = now;
                true
            }
        }
    }

    /// Keeps what argon2 has said. A secret that has proven itself ends the pause of its selector.
    pub(super) fn record(&self, fact: Digest, matches: bool, selector: Selector, now: Instant) {
        self.facts.insert(fact, matches);
        let mut paces = self.paces();
        if matches {
            paces.remove(&selector);
            return;
        }
        if paces.len() >= CROWDED {
            paces.retain(|_, last| now.duration_since(*last) < PAUSE);
        }
        paces.insert(selector, now);
    }

    fn paces(&self) -> MutexGuard<'_, HashMap<Selector, Instant>> {
        // Every change under the lock is one step.
        self.paces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(n: u8) -> Selector {
        Selector::from_bytes(&[n; 6]).unwrap()
    }

    #[test]
    fn after_a_failure_one_run_a_second_and_other_selectors_are_free() {
        let memory = Memory::new();
        let now = Instant::now();
        assert!(memory.may_run(selector(1), now) && memory.may_run(selector(1), now));

        memory.record([1; 32], false, selector(1), now);

        assert!(!memory.may_run(selector(1), now + PAUSE / 2));
        assert!(memory.may_run(selector(2), now + PAUSE / 2));
        assert!(memory.may_run(selector(1), now + PAUSE));
        assert!(!memory.may_run(selector(1), now + PAUSE + PAUSE / 2), "the run before took the pause");
        memory.record([2; 32], true, selector(1), now);
        assert!(memory.may_run(selector(1), now + PAUSE + PAUSE / 2));
    }

    #[test]
    fn what_was_said_is_known() {
        let memory = Memory::new();

        memory.record([1; 32], false, selector(1), Instant::now());
        memory.record([2; 32], true, selector(1), Instant::now());

        assert_eq!([1, 2, 3].map(|n| memory.recall(&[n; 32])), [Some(false), Some(true), None]);
    }
}
