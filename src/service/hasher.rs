//! argon2id, bounded: as many hashes at once as there are slots, each on memory that is kept; a queue for
//! verifying, which goes first, and one for issuing. What does not fit is refused at once, with nothing done.
//!
//! Keeping the memory is what makes it fast (1.5 times as fast as allocating 19 MiB for each hash); the bound is
//! what keeps strangers from filling it.

use std::sync::{Arc, Mutex, PoisonError};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Ident, Output, ParamsString, PasswordHash, Salt},
};
use subtle::ConstantTimeEq;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc, oneshot},
};

use crate::{domain::SecretText, entropy::Entropy, error::Error};

/// The cost of a hash, in argon2's own units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory, KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
}

impl Cost {
    /// The most that is ever spent on one hash, also on one that a row asks for: who can write a row must not
    /// be able to spend all memory.
    pub const MOST: Self = Self { memory_kib: 256 * 1024, iterations: 16, parallelism: 16 };

    /// argon2's parameters, where they are within argon2's bounds and ours.
    pub fn params(self) -> Option<Params> {
        let most = Self::MOST;
        if self.memory_kib > most.memory_kib || self.iterations > most.iterations || self.parallelism > most.parallelism
        {
            return None;
        }
        Params::new(self.memory_kib, self.iterations, self.parallelism, None).ok()
    }

    /// Whether a hash of that other cost is strictly weaker: weaker in something and stronger in nothing.
    pub fn exceeds(self, other: Self) -> bool {
        self != other
            && self.memory_kib >= other.memory_kib
            && self.iterations >= other.iterations
            && self.parallelism >= other.parallelism
    }

    /// The cost that a PHC string states, where it is an argon2id string within the bounds.
    pub fn of(phc: &str) -> Option<Self> {
        let (_, params) = read_phc(phc)?;
        Some(Self { memory_kib: params.m_cost(), iterations: params.t_cost(), parallelism: params.p_cost() })
    }
}

/// Runs argon2id. Clones share the slots and the queues.
#[derive(Clone)]
pub struct Hasher {
    cost: Cost,
    params: Params,
    verifying: mpsc::Sender<Job>,
    issuing: mpsc::Sender<Job>,
    slots: Arc<Semaphore>,
    slot_count: usize,
    entropy: Arc<dyn Entropy>,
}

enum Job {
    Hash { secret: SecretText, salt: [u8; Salt::RECOMMENDED_LENGTH], answer: oneshot::Sender<Result<String, Error>> },
    Verify { secret: SecretText, phc: String, answer: oneshot::Sender<Result<bool, Error>> },
}

impl Hasher {
    /// Starts a hasher with so many slots, and queues for so many waiting each. It ends when its last clone is
    /// dropped. Must be called within a Tokio runtime that outlives it.
    ///
    /// # Errors
    /// [`Error::Internal`] where the cost is out of bounds.
    pub fn start(cost: Cost, slots: usize, queue: usize, entropy: Arc<dyn Entropy>) -> Result<Self, Error> {
        let params = cost.params().ok_or_else(|| Error::internal("the configured hashing cost is out of bounds"))?;
        let (verifying, to_verify) = mpsc::channel(queue.max(1));
        let (issuing, to_issue) = mpsc::channel(queue.max(1));
        let semaphore = Arc::new(Semaphore::new(slots));
        Handle::current().spawn(dispatch(to_verify, to_issue, semaphore.clone(), params.clone()));
        Ok(Self { cost, params, verifying, issuing, slots: semaphore, slot_count: slots, entropy })
    }

    /// The cost of new hashes.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// Hashes a secret with a salt of its own, into a PHC string.
    ///
    /// # Errors
    /// [`Error::Overloaded`] where the queue is full.
    pub async fn hash(&self, secret: SecretText) -> Result<String, Error> {
        let mut salt = [0; Salt::RECOMMENDED_LENGTH];
        self.entropy.fill(&mut salt);
        let (answer, result) = oneshot::channel();
        self.issuing.try_send(Job::Hash { secret, salt, answer }).map_err(refused)?;
        result.await.map_err(|_| Error::internal("the hasher ended with work under way"))?
    }

    /// Whether the secret is the one that was hashed.
    ///
    /// # Errors
    /// [`Error::Overloaded`] where the queue is full, [`Error::Internal`] where the string is no argon2id
    /// string within the bounds.
    pub async fn verify(&self, secret: SecretText, phc: String) -> Result<bool, Error> {
        let (answer, result) = oneshot::channel();
        self.verifying.try_send(Job::Verify { secret, phc, answer }).map_err(refused)?;
        result.await.map_err(|_| Error::internal("the hasher ended with work under way"))?
    }

    /// Whether every slot is free: work that can wait asks first.
    pub fn is_idle(&self) -> bool {
        self.slots.available_permits() == self.slot_count
    }

    /// Whether a hash of that cost should be made again.
    pub fn would_strengthen(&self, phc: &str) -> bool {
        Cost::of(phc).is_some_and(|cost| self.cost.exceeds(cost))
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher").field("cost", &self.cost).field("params", &self.params).finish_non_exhaustive()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is a map_err")]
fn refused(error: mpsc::error::TrySendError<Job>) -> Error {
    match error {
        mpsc::error::TrySendError::Full(_) => Error::Overloaded,
        mpsc::error::TrySendError::Closed(_) => Error::internal("the hasher has ended"),
    }
}

/// Hands jobs to slots, verifying first, until all senders are gone. It takes a slot before it takes a job, so
/// that what waits stays in the bounded queues.
async fn dispatch(
    mut to_verify: mpsc::Receiver<Job>,
    mut to_issue: mpsc::Receiver<Job>,
    slots: Arc<Semaphore>,
    params: Params,
) {
    let memories: Arc<Mutex<Vec<Vec<Block>>>> = Arc::default();
    loop {
        let slot = slots.clone().acquire_owned().await.expect("the semaphore is never closed");
        let job = tokio::select! {
            biased;
            Some(job) = to_verify.recv() => job,
            Some(job) = to_issue.recv() => job,
            else => return,
        };
        let (memories, params) = (memories.clone(), params.clone());
        tokio::task::spawn_blocking(move || {
            // A panicking hash would poison the lock of a stack of scratch memory: nothing in it can be wrong.
            let mut memory = memories.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
            run(job, &params, &mut memory);
            memories.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
            drop(slot);
        });
    }
}

/// Answers a job, unless whoever asked has gone.
fn run(job: Job, params: &Params, memory: &mut Vec<Block>) {
    match job {
        Job::Hash { secret, salt, answer } if !answer.is_closed() => {
            let _gone = answer.send(hash(&secret, &salt, params, memory));
        }
        Job::Verify { secret, phc, answer } if !answer.is_closed() => {
            let _gone = answer.send(verify(&secret, &phc, memory));
        }
        Job::Hash { .. } | Job::Verify { .. } => {}
    }
}

fn hash(secret: &SecretText, salt: &[u8], params: &Params, memory: &mut Vec<Block>) -> Result<String, Error> {
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    fill(secret, salt, params, &mut output, memory)?;
    let phc = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(internal)?,
        salt: Some(Salt::new(salt).map_err(internal)?),
        hash: Some(Output::new(&output).map_err(internal)?),
    };
    Ok(phc.to_string())
}

fn verify(secret: &SecretText, phc: &str, memory: &mut Vec<Block>) -> Result<bool, Error> {
    let out_of_bounds = || Error::internal("a stored hash is no argon2id PHC string within the bounds");
    let (phc, params) = read_phc(phc).ok_or_else(out_of_bounds)?;
    let (Some(salt), Some(expected)) = (phc.salt, phc.hash) else { return Err(out_of_bounds()) };
    let mut output = [0; Output::MAX_LENGTH];
    let output = &mut output[..expected.len()];
    fill(secret, &salt, &params, output, memory)?;
    Ok(output.ct_eq(expected.as_bytes()).into())
}

fn fill(
    secret: &SecretText,
    salt: &[u8],
    params: &Params,
    output: &mut [u8],
    memory: &mut Vec<Block>,
) -> Result<(), Error> {
    let blocks = params.block_count();
    if memory.len() < blocks {
        memory.resize(blocks, Block::new());
    }
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password_into_with_memory(secret.as_bytes(), salt, output, &mut memory[..blocks])
        .map_err(internal)
}

/// A PHC string of argon2id, version 1.3, whose cost is within [`Cost::MOST`].
fn read_phc(phc: &str) -> Option<(PasswordHash, Params)> {
    let phc = PasswordHash::new(phc).ok()?;
    if phc.algorithm != Ident::new("argon2id").ok()? || phc.version != Some(Version::V0x13.into()) {
        return None;
    }
    let params = Params::try_from(&phc).ok()?;
    Cost { memory_kib: params.m_cost(), iterations: params.t_cost(), parallelism: params.p_cost() }.params()?;
    Some((phc, params))
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Internal(error.into())
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

        let phc = hasher.hash(text("right")).await.unwrap();

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
        let hasher = start(slow, 1, 2);
        let phc = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

        let issuing: Vec<_> = (0..8)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.hash(text("x")).await })
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

    #[test]
    fn only_a_strictly_weaker_hash_is_made_again() {
        let cost = Cost { memory_kib: 128, iterations: 2, parallelism: 1 };

        assert!(cost.exceeds(CHEAP));
        assert!(!cost.exceeds(cost));
        assert!(!cost.exceeds(Cost { memory_kib: 64, iterations: 3, parallelism: 1 }));
    }
}
