//! argon2id, bounded: as many hashes at once as there are slots, each on memory that is kept; a queue for verifying, which
//! goes first, and one of each tenant for issuing, served in turn. What does not fit is refused at once, with nothing done.
//!
//! The bound keeps strangers from filling the memory. A slot that ends one hash takes the next from the queue
//! itself: handing it over through a task would leave the core idle for a moment, after every hash.

mod argon2id;
#[cfg(test)]
mod fairness;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use argon2::{Block, Params};
use tokio::{runtime::Handle, sync::oneshot, time::timeout};

pub use argon2id::Cost;

use crate::{
    domain::{SecretText, Tenant},
    entropy::Entropy,
    error::Error,
    turns::{Queues, Rank},
};

/// Runs argon2id. Clones share the slots and the queues.
#[derive(Clone)]
pub struct Hasher {
    shared: Arc<Shared>,
    entropy: Arc<dyn Entropy>,
    /// How long a job may wait for its slot. What runs is waited for.
    patience: Duration,
}

struct Shared {
    cost: Cost,
    params: Params,
    slots: usize,
    queue: usize,
    runtime: Handle,
    work: Mutex<Work>,
    /// How many verifications have run. Written by the slots.
    verified: AtomicU64,
}

/// What runs and what waits. Written under the lock by whoever asks and by the slots.
#[derive(Default)]
struct Work {
    running: usize,
    /// How many jobs were taken from the queues.
    taken: usize,
    verifying: Queues<(), Job>,
    issuing: Queues<Tenant, Job>,
    /// Scratch memory of slots that have nothing to do.
    memories: Vec<Vec<Block>>,
}

enum Job {
    Hash { tenant: Tenant, secret: SecretText, salt: [u8; argon2id::SALT], answer: Answer<String> },
    Verify { secret: SecretText, phc: String, answer: Answer<bool> },
}

/// The patience of every hasher outside of tests.
const PATIENCE: Duration = Duration::from_secs(2);

/// Every so many jobs that a slot takes while both kinds wait, one is for issuing: whoever only verifies, with any
/// token, must not keep the others from issuing for ever.
const ISSUING_EVERY: usize = 4;

/// Where the result of a job goes. Either the slot or whoever waits takes it, and the other lets go.
struct Answer<T> {
    sender: oneshot::Sender<Result<T, Error>>,
    is_taken: Arc<AtomicBool>,
}

/// The other end of an [`Answer`].
struct Waiting<T> {
    receiver: oneshot::Receiver<Result<T, Error>>,
    is_taken: Arc<AtomicBool>,
}

fn answer<T>() -> (Answer<T>, Waiting<T>) {
    let (sender, receiver) = oneshot::channel();
    let is_taken = Arc::new(AtomicBool::new(false));
    (Answer { sender, is_taken: is_taken.clone() }, Waiting { receiver, is_taken })
}

impl<T> Answer<T> {
    fn is_wanted(&self) -> bool {
        !self.sender.is_closed() && !self.is_taken.load(Ordering::Acquire)
    }

    /// Takes the job, unless whoever waited has given up.
    fn take(&self) -> bool {
        !self.is_taken.swap(true, Ordering::AcqRel)
    }

    fn send(self, result: Result<T, Error>) {
        // Whoever asked may have gone meanwhile.
        let _gone = self.sender.send(result);
    }
}

impl<T> Waiting<T> {
    async fn result(mut self, patience: Duration) -> Result<T, Error> {
        let ended = |_| Error::internal("a hash ended without an answer");
        match timeout(patience, &mut self.receiver).await {
            Ok(result) => result.map_err(ended)?,
            Err(_) if !self.is_taken.swap(true, Ordering::AcqRel) => Err(Error::Overloaded),
            Err(_) => self.receiver.await.map_err(ended)?,
        }
    }
}

impl Hasher {
    /// A hasher with so many slots, and queues for so many waiting each: one to verify, and one of each tenant to issue. Must be called within a Tokio runtime
    /// that outlives it.
    ///
    /// # Errors
    /// [`Error::Internal`] where the cost is out of bounds.
    pub fn start(cost: Cost, slots: usize, queue: usize, entropy: Arc<dyn Entropy>) -> Result<Self, Error> {
        let params = cost.params().ok_or_else(|| Error::internal("the configured hashing cost is out of bounds"))?;
        let (runtime, work) = (Handle::current(), Mutex::default());
        let verified = AtomicU64::new(0);
        let shared = Arc::new(Shared { cost, params, slots, queue, runtime, work, verified });
        Ok(Self { shared, entropy, patience: PATIENCE })
    }

    /// Hashes a secret with a salt of its own, into a PHC string, when the tenant's turn has come.
    ///
    /// # Errors
    /// [`Error::Overloaded`] where the tenant's queue is full, or the wait in it too long.
    pub async fn hash(&self, tenant: Tenant, secret: SecretText) -> Result<String, Error> {
        let mut salt = [0; argon2id::SALT];
        self.entropy.fill(&mut salt);
        let (answer, waiting) = answer();
        self.shared.submit(Job::Hash { tenant, secret, salt, answer })?;
        waiting.result(self.patience).await
    }

    /// Whether the secret is the one that was hashed.
    ///
    /// # Errors
    /// [`Error::Overloaded`] where the queue is full, or the wait in it too long, [`Error::Internal`] where the string is no argon2id
    /// string within the bounds.
    pub async fn verify(&self, secret: SecretText, phc: String) -> Result<bool, Error> {
        let (answer, waiting) = answer();
        self.shared.submit(Job::Verify { secret, phc, answer })?;
        waiting.result(self.patience).await
    }

    /// How many verifications argon2 has run for, since the start.
    pub fn verified(&self) -> u64 {
        self.shared.verified.load(Ordering::Relaxed)
    }

    /// Whether every slot is free: work that can wait asks first.
    pub fn is_idle(&self) -> bool {
        self.shared.work().running == 0
    }

    /// Whether the hash is of a strictly lower cost than new ones are.
    pub fn would_strengthen(&self, phc: &str) -> bool {
        Cost::of(phc).is_some_and(|cost| self.shared.cost.exceeds(cost))
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { cost, slots, queue, .. } = &*self.shared;
        f.debug_struct("Hasher").field("cost", cost).field("slots", slots).field("queue", queue).finish_non_exhaustive()
    }
}

impl Shared {
    fn work(&self) -> MutexGuard<'_, Work> {
        // Every change under the lock is one step, so a panic elsewhere cannot have left half of one.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(self: &Arc<Self>, job: Job) -> Result<(), Error> {
        let mut work = self.work();
        if work.running < self.slots {
            work.running += 1;
            drop(work);
            let slot = Slot { shared: self.clone(), is_taken: true };
            self.runtime.spawn_blocking(move || slot.run(job));
            return Ok(());
        }
        let joined = match job {
            Job::Hash { tenant, .. } => work.issuing.push(tenant, Rank::First, job, self.queue, Job::is_wanted),
            Job::Verify { .. } => work.verifying.push((), Rank::First, job, self.queue, Job::is_wanted),
        };
        joined.map_err(|_| Error::Overloaded)
    }
}

impl Work {
    fn next(&mut self) -> Option<Job> {
        self.taken = self.taken.wrapping_add(1);
        if self.taken.is_multiple_of(ISSUING_EVERY) {
            self.next_to_issue().or_else(|| self.next_to_verify())
        } else {
            self.next_to_verify().or_else(|| self.next_to_issue())
        }
    }

    fn next_to_verify(&mut self) -> Option<Job> {
        self.verifying.pop(|()| true, Job::is_wanted).map(|((), job)| job)
    }

    fn next_to_issue(&mut self) -> Option<Job> {
        self.issuing.pop(|_| true, Job::is_wanted).map(|(_, job)| job)
    }
}

impl Job {
    /// Whether whoever asked is still there.
    fn is_wanted(&self) -> bool {
        match self {
            Self::Hash { answer, .. } => answer.is_wanted(),
            Self::Verify { answer, .. } => answer.is_wanted(),
        }
    }

    fn run(self, shared: &Shared, memory: &mut Vec<Block>) {
        match self {
            Self::Hash { secret, salt, answer, .. } => {
                if answer.take() {
                    answer.send(argon2id::hash(&secret, &salt, &shared.params, memory));
                }
            }
            Self::Verify { secret, phc, answer } => {
                if answer.take() {
                    shared.verified.fetch_add(1, Ordering::Relaxed);
                    answer.send(argon2id::verify(&secret, &phc, memory));
                }
            }
        }
    }
}

/// One of the slots, taken.
struct Slot {
    shared: Arc<Shared>,
    is_taken: bool,
}

impl Slot {
    /// Runs a job, then whatever waits, then gives the slot back.
    fn run(mut self, job: Job) {
        let shared = self.shared.clone();
        let mut memory = shared.work().memories.pop().unwrap_or_default();
        let mut job = Some(job);
        while let Some(next) = job {
            next.run(&shared, &mut memory);
            let mut work = shared.work();
            job = work.next();
            if job.is_none() {
                // In one step with the look into the queues: what comes after it finds a free slot.
                work.running -= 1;
                work.memories.push(std::mem::take(&mut memory));
                self.is_taken = false;
            }
        }
    }
}

/// A hash that panics gives its slot back as well.
impl Drop for Slot {
    fn drop(&mut self) {
        if self.is_taken {
            self.shared.work().running -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    const CHEAP: Cost = Cost { memory_kib: 64, iterations: 1, parallelism: 1 };

    fn start(cost: Cost, slots: usize, queue: usize) -> Hasher {
        Hasher::start(cost, slots, queue, Arc::new(SystemEntropy)).unwrap()
    }

    fn text(text: &str) -> SecretText {
        SecretText::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_hash_verifies_its_own_secret_and_no_other() {
        let hasher = start(CHEAP, 2, 8);

        let phc = hasher.hash(Tenant::Operator, text("right")).await.unwrap();

        assert!(phc.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{phc}");
        assert!(hasher.verify(text("right"), phc.clone()).await.unwrap());
        assert!(!hasher.verify(text("wrong"), phc).await.unwrap());
    }

    #[tokio::test]
    async fn the_reference_implementation_made_the_same_hash() {
        // The reference's own test vector (phc-winner-argon2, test.c, version 0x13, argon2id).
        let phc = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

        assert!(start(CHEAP, 1, 1).verify(text("password"), phc.to_owned()).await.unwrap());
    }

    #[tokio::test]
    async fn a_row_cannot_ask_for_more_than_the_most_or_for_another_algorithm() {
        let hasher = start(CHEAP, 1, 1);
        for phc in [
            "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=256,t=2,p=1",
            "",
        ] {
            assert!(matches!(hasher.verify(text("password"), phc.to_owned()).await, Err(Error::Internal(_))), "{phc}");
        }
    }

    #[tokio::test]
    async fn beyond_the_queue_it_refuses_at_once_and_verifying_does_not_wait_behind_issuing() {
        let slow = Cost { memory_kib: 64 * 1024, iterations: 4, parallelism: 1 };
        let hasher = Hasher { patience: Duration::from_mins(1), ..start(slow, 1, 2) };
        let phc = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

        let issuing: Vec<_> = (0..8)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.hash(Tenant::Operator, text("x")).await })
            })
            .collect();
        tokio::task::yield_now().await;
        let verified = hasher.verify(text("x"), phc.to_owned()).await;
        let waiting = issuing.iter().filter(|task| !task.is_finished()).count();
        let mut refused = 0;
        for task in issuing {
            if matches!(task.await.unwrap(), Err(Error::Overloaded)) {
                refused += 1;
            }
        }

        assert!(matches!(verified, Ok(false)));
        assert!(waiting > 0, "the verification came before the last of the issuing");
        assert!((5..=6).contains(&refused), "one runs, two wait, {refused} were refused");
    }

    #[tokio::test]
    async fn verifying_without_end_does_not_keep_issuing_from_its_turn() {
        let hasher = start(Cost { memory_kib: 1024, iterations: 1, parallelism: 1 }, 1, 64);
        let phc = hasher.hash(Tenant::Operator, text("x")).await.unwrap();
        let flood: Vec<_> = (0..32)
            .map(|_| {
                let (hasher, phc) = (hasher.clone(), phc.clone());
                tokio::spawn(async move { while hasher.verify(text("x"), phc.clone()).await.is_ok() {} })
            })
            .collect();
        tokio::task::yield_now().await;

        for _ in 0..5 {
            hasher.hash(Tenant::Operator, text("mine")).await.unwrap();
        }

        flood.iter().for_each(tokio::task::JoinHandle::abort);
    }

    #[tokio::test]
    async fn who_waits_too_long_is_told_and_the_job_is_never_run() {
        let patient = start(Cost { memory_kib: 8 * 1024, iterations: 8, parallelism: 1 }, 1, 64);
        let hasher = Hasher { patience: Duration::from_millis(50), ..patient.clone() };
        let running: Vec<_> = (0..8)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.hash(Tenant::Operator, text("x")).await })
            })
            .collect();

        let mut told = 0;
        for task in running {
            told += usize::from(matches!(task.await.unwrap(), Err(Error::Overloaded)));
        }

        assert!(told > 0, "eight of these take longer than any may wait");
        assert!(patient.hash(Tenant::Operator, text("x")).await.is_ok(), "the slot is free again");
    }
}
