//! Verification: when argon2 runs, when a row is read, and that what was taken away is never accepted again.

mod argon2;
mod changes;
mod others;
mod proofs;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokensmith::{
    domain::{Actor, Credential, Issued, Name, NewToken, ProjectId, Reach, Secret},
    entropy::{Entropy, SystemEntropy},
    error::Error,
    service::{Cost, Hasher, Keys, Limits, Service},
    store::Store,
};
use tokio::task::JoinHandle;

use crate::support::{App, SeededEntropy, catalogue};

const CHEAP: Cost = Cost { memory_kib: 64, iterations: 1, parallelism: 1 };

/// Another service on the same store, as after a restart: nothing cached, and keys of its own.
fn restarted(app: &App, keys: Keys) -> (Service, Hasher) {
    service(app.store.clone(), app, keys, CHEAP)
}

fn service(store: Arc<dyn Store>, app: &App, keys: Keys, cost: Cost) -> (Service, Hasher) {
    let hasher = Hasher::start(cost, 2, 128, Arc::new(SystemEntropy)).unwrap();
    let limits = Limits { tokens_per_project: 10_000, subprojects_per_project: 1000, cache_bytes: 1 << 20 };
    let (clock, entropy) = (app.clock.clone(), Arc::new(SeededEntropy::new("restarted")));
    (Service::new(store, hasher.clone(), clock, entropy, Arc::new(catalogue()), limits, &keys), hasher)
}

fn operator(project: ProjectId) -> Reach {
    Reach { actor: Actor::Operator, project }
}

async fn issue(service: &Service, project: ProjectId, permissions: &[&str]) -> (Issued, Credential) {
    let permissions = catalogue().parse(permissions.iter().copied()).unwrap();
    let new = NewToken { name: Name::parse("issued").unwrap(), permissions, subproject: None };
    let issued = service.issue(operator(project), new).await.unwrap();
    let credential = Credential { project: Some(project), secret: issued.secret.clone() };
    (issued, credential)
}

/// A secret of the same selector that is another one.
fn impostor(secret: &Secret) -> Secret {
    let mut bytes = *secret.as_bytes();
    SystemEntropy.fill(&mut bytes[6..20]);
    let checksum = crc32fast::hash(&bytes[..20]).to_be_bytes();
    bytes[20..].copy_from_slice(&checksum);
    Secret::parse(format!("PT{}", base16ct::lower::encode_string(&bytes))).unwrap()
}

/// One that passes the check as well, which one in 65,536 does.
fn lucky_impostor(secret: &Secret) -> Secret {
    let check = secret.check();
    std::iter::repeat_with(|| impostor(secret)).find(|impostor| impostor.check().matches(&check)).unwrap()
}

async fn is_accepted(app: &App, credential: &Credential) -> bool {
    match app.service.verify(credential).await {
        Ok(_) => true,
        Err(Error::Unauthenticated) => false,
        Err(error) => panic!("{error}"),
    }
}

/// Verifies all the time, so that something is always about to be cached.
struct Verifying {
    ends: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Verifying {
    fn begin(app: &App, credential: &Credential) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let tasks = (0..4)
            .map(|_| {
                let (service, credential, ends) = (app.service.clone(), credential.clone(), ends.clone());
                tokio::spawn(async move {
                    while !ends.load(Ordering::Relaxed) {
                        let _either = service.verify(&credential).await;
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        Self { ends, tasks }
    }

    async fn end(self) {
        self.ends.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}
