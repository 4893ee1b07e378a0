//! Questions to argon2, asked once: whoever asks the same while it runs waits for the same answer.
//!
//! A flight shares one fact only, that this secret matches this hash. It shares no grant: each request reads its row
//! itself. It goes on when those who asked have gone, so that hanging up does not make argon2 run again.

mod memory;

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::{runtime::Handle, sync::watch};

use memory::Memory;

use super::{Hasher, digest::Digest};
use crate::{
    domain::{Secret, Selector},
    error::Error,
};

/// The questions under way, and what came of the last ones.
pub(super) struct Flights(Arc<Shared>);

struct Shared {
    hasher: Hasher,
    memory: Memory,
    under_way: Mutex<UnderWay>,
    runtime: Handle,
}

/// The flights that have not landed.
#[derive(Default)]
struct UnderWay {
    flights: HashMap<Digest, watch::Receiver<Option<Outcome>>>,
    /// How many of them are of one selector.
    of_selector: HashMap<Selector, usize>,
}

/// So many questions about one selector at once: more than one, so that the right secret need not wait behind a wrong
/// one; few, so that they leave the slots to others.
const OF_ONE_SELECTOR: usize = 2;

/// What is told to all who asked.
#[derive(Clone, Debug)]
enum Outcome {
    Matches,
    Differs,
    Overloaded,
    Failed(String),
}

impl Flights {
    /// Must be called within a Tokio runtime that outlives it.
    pub(super) fn new(hasher: Hasher) -> Self {
        let (memory, under_way) = (Memory::new(), Mutex::default());
        Self(Arc::new(Shared { hasher, memory, under_way, runtime: Handle::current() }))
    }

    /// Whether the secret matches the hash; `fact` names the two.
    ///
    /// # Errors
    /// [`Error::Overloaded`] where argon2 has too much to do, or has just refused another secret of this selector: this
    /// one may be right, so it is told to come again. Those of the hasher.
    pub(super) async fn matches(&self, fact: Digest, secret: &Secret, phc: &str) -> Result<bool, Error> {
        if let Some(known) = self.0.memory.recall(&fact) {
            return Ok(known);
        }
        let mut outcome = self.join(fact, secret, phc)?;
        let outcome = outcome.wait_for(Option::is_some).await.map(|outcome| (*outcome).clone());
        match outcome {
            Ok(Some(Outcome::Matches)) => Ok(true),
            Ok(Some(Outcome::Differs)) => Ok(false),
            Ok(Some(Outcome::Overloaded)) => Err(Error::Overloaded),
            Ok(Some(Outcome::Failed(why))) => Err(Error::internal(why)),
            Ok(None) | Err(_) => Err(Error::internal("a question to argon2 ended without an answer")),
        }
    }

    fn join(&self, fact: Digest, secret: &Secret, phc: &str) -> Result<watch::Receiver<Option<Outcome>>, Error> {
        let mut under_way = self.0.under_way();
        if let Some(flight) = under_way.flights.get(&fact) {
            return Ok(flight.clone());
        }
        let selector = secret.selector();
        // It may have landed since it was looked for.
        if let Some(known) = self.0.memory.recall(&fact) {
            return Ok(watch::channel(Some(if known { Outcome::Matches } else { Outcome::Differs })).1);
        }
        let of_selector = under_way.of_selector.get(&selector).copied().unwrap_or_default();
        if of_selector >= OF_ONE_SELECTOR || !self.0.memory.may_run(selector, Instant::now()) {
            return Err(Error::Overloaded);
        }
        let (sender, receiver) = watch::channel(None);
        under_way.flights.insert(fact, receiver.clone());
        under_way.of_selector.insert(selector, of_selector + 1);
        drop(under_way);
        let landing = Landing { shared: self.0.clone(), fact, selector };
        let (text, phc) = (secret.reveal(), phc.to_owned());
        self.0.runtime.spawn(async move {
            let outcome = match landing.shared.hasher.verify(text, phc).await {
                Ok(true) => Outcome::Matches,
                Ok(false) => Outcome::Differs,
                Err(Error::Overloaded) => Outcome::Overloaded,
                Err(Error::Internal(cause)) => Outcome::Failed(cause.to_string()),
                Err(error) => Outcome::Failed(error.to_string()),
            };
            match outcome {
                Outcome::Matches => landing.shared.memory.record(fact, true, selector, Instant::now()),
                Outcome::Differs => landing.shared.memory.record(fact, false, selector, Instant::now()),
                Outcome::Overloaded | Outcome::Failed(_) => {}
            }
            drop(landing);
            let _all_gone = sender.send(Some(outcome));
        });
        Ok(receiver)
    }
}

impl Shared {
    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        // Every change under the lock is one step.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the flight off the board, also where it ends in a panic.
struct Landing {
    shared: Arc<Shared>,
    fact: Digest,
    selector: Selector,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut under_way = self.shared.under_way();
        under_way.flights.remove(&self.fact);
        if let Entry::Occupied(mut count) = under_way.of_selector.entry(self.selector) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}
