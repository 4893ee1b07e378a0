//! Turns at what there is little of, such as connections: a semaphore that many tenants share, and none fills.
//!
//! Each tenant has a queue of its own, and the queues are served in turn, so that a tenant waits for at most one turn of
//! each other, however many wait there. tokio's semaphore serves whoever came first, so that one tenant with many
//! requests keeps all others waiting.

mod queues;

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

pub(crate) use queues::Queues;

/// Which of a tenant's own waiters go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// Before the tenant's others: what takes something away.
    First,
    /// After them, but for every fourth turn.
    Later,
}

/// How much there is, and how much of it for one tenant.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How many turns there are at once.
    pub at_once: usize,
    /// How many of them one tenant may have.
    pub each: usize,
    /// How many of one tenant may wait.
    pub waiting: usize,
}

/// As many of this tenant wait as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Turns that are shared by tenants. Clones share them.
pub struct Turns<K: Copy + Eq + Hash>(Arc<Shared<K>>);

struct Shared<K: Copy + Eq + Hash> {
    bounds: Bounds,
    state: Mutex<State<K>>,
}

/// Written under the lock, by those who ask and those who are done. While a turn is free, none waits who may have it.
struct State<K: Copy + Eq + Hash> {
    free: usize,
    /// How many turns each tenant has, where it has any.
    held: HashMap<K, usize>,
    waiting: Queues<K, oneshot::Sender<Turn<K>>>,
}

/// A turn. Dropping it hands it on.
#[must_use = "the turn ends when it is dropped"]
pub struct Turn<K: Copy + Eq + Hash> {
    /// `None` once it was handed on.
    shared: Option<Arc<Shared<K>>>,
    key: K,
}

impl<K: Copy + Eq + Hash> Turns<K> {
    /// Turns within these bounds.
    pub fn new(bounds: Bounds) -> Self {
        let state = State { free: bounds.at_once, held: HashMap::new(), waiting: Queues::default() };
        Self(Arc::new(Shared { bounds, state: Mutex::new(state) }))
    }

    /// Waits for a turn, without end: dropping the future leaves the queue.
    ///
    /// # Errors
    /// [`Full`], at once.
    pub async fn take(&self, key: K, rank: Rank) -> Result<Turn<K>, Full> {
        let waiting = {
            let mut state = self.0.state();
            if state.may(key, self.0.bounds.each) {
                state.grant(key);
                return Ok(Turn { shared: Some(self.0.clone()), key });
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push(key, rank, sender, self.0.bounds.waiting, |waiter| !waiter.is_closed())?;
            receiver
        };
        Ok(waiting.await.expect("what waits leaves the queue with a turn, or closed"))
    }

    /// A turn, if there is one without waiting.
    ///
    /// # Errors
    /// [`Full`].
    pub fn try_take(&self, key: K) -> Result<Turn<K>, Full> {
        let mut state = self.0.state();
        if !state.may(key, self.0.bounds.each) {
            return Err(Full);
        }
        state.grant(key);
        Ok(Turn { shared: Some(self.0.clone()), key })
    }
}

impl<K: Copy + Eq + Hash> State<K> {
    fn may(&self, key: K, each: usize) -> bool {
        self.free > 0 && self.held.get(&key).is_none_or(|held| *held < each)
    }

    fn grant(&mut self, key: K) {
        self.free -= 1;
        *self.held.entry(key).or_default() += 1;
    }

    /// Takes a turn back, and gives what is free to those who wait. The lock is still held, so nothing is sent here.
    fn hand_on(&mut self, key: K, each: usize) -> Vec<(K, oneshot::Sender<Turn<K>>)> {
        self.free += 1;
        if let Some(held) = self.held.get_mut(&key) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&key);
            }
        }
        let mut granted = Vec::new();
        while self.free > 0 {
            let held = &self.held;
            let may = |key| held.get(&key).is_none_or(|held| *held < each);
            let Some((key, waiter)) = self.waiting.pop(may, |waiter| !waiter.is_closed()) else { break };
            self.grant(key);
            granted.push((key, waiter));
        }
        granted
    }
}

impl<K: Copy + Eq + Hash> Shared<K> {
    fn state(&self) -> MutexGuard<'_, State<K>> {
        // Every change under the lock is one step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash> Drop for Turn<K> {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        // In a loop: who has gone since it was granted gives the turn back at once.
        let mut ended = vec![self.key];
        while let Some(key) = ended.pop() {
            let granted = shared.state().hand_on(key, shared.bounds.each);
            for (key, waiter) in granted {
                if let Err(mut turn) = waiter.send(Turn { shared: Some(shared.clone()), key }) {
                    turn.shared = None;
                    ended.push(key);
                }
            }
        }
    }
}

impl<K: Copy + Eq + Hash> Clone for Turns<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Copy + Eq + Hash> fmt::Debug for Turns<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Turns").field(&self.0.bounds).finish()
    }
}

impl<K: Copy + Eq + Hash> fmt::Debug for Turn<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
