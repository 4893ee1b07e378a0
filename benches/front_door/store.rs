//! The store alone, by the same calls that the service makes.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokensmith::{
    clock::{Clock, SystemClock},
    domain::{Actor, Name, Project, ProjectId, Secret, SecretId, StoredSecret, Token, TokenId},
    entropy::{Entropy, SystemEntropy},
    service::{Cost, Hasher, Key, Keys, Limits, Service},
    store::TokenRows,
};

use super::{cores, server};

/// A project and its management token. Returns the file with its credential.
pub async fn caller(database: &str, directory: &Path, name: &str, cost: Cost) -> PathBuf {
    let entropy = Arc::new(SystemEntropy);
    let hasher = Hasher::start(cost, cores(), 128, entropy.clone()).unwrap();
    let limits = Limits { tokens_per_project: 1_000_000_000, subprojects_per_project: 1000, cache_bytes: 1 << 16 };
    let keys = Keys::new(Some(Key::new([7; 32])), Vec::new());
    let (store, catalogue) = (server::open(database), server::catalogue());
    let service = Service::new(store.clone(), hasher, Arc::new(SystemClock), entropy, catalogue, limits, &keys);
    let made = service.create_project(Name::parse("caller").unwrap(), None, true).await.unwrap();
    let secret = made.token.unwrap().secret.reveal();
    let path = directory.join(format!("{name}.caller"));
    let credential = STANDARD.encode(format!("{}:{}", made.project.id, *secret));
    std::fs::write(&path, format!("Basic {credential}\n")).unwrap();
    store.close().await;
    path
}

/// Writes tokens whose hashes are there already, from many tasks at once; tokens a second.
pub async fn bare_inserts(database: &str, seconds: u64) -> f64 {
    const TASKS: usize = 64;
    let store = server::open(database);
    let now = SystemClock.now();
    let project = Project::new(ProjectId::from(SystemEntropy.uuid()), Name::parse("bare").unwrap(), None, now);
    store.create_project(Actor::Operator, &project, None, None, 1).await.unwrap();
    let permissions = server::catalogue().parse(["calling"]).unwrap();
    let began = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (store, permissions, project) = (store.clone(), permissions.clone(), project.id);
            tokio::spawn(async move {
                let mut written = 0;
                while began.elapsed() < Duration::from_secs(seconds) {
                    let drawn = Secret::generate(&SystemEntropy);
                    let secret = StoredSecret {
                        id: SecretId::from(SystemEntropy.uuid()),
                        selector: drawn.selector(),
                        hash: "$argon2id$v=19$m=4096,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
                            .to_owned(),
                        check: drawn.check(),
                        proof: None,
                        created_at: now,
                    };
                    let token = Token {
                        id: TokenId::from(SystemEntropy.uuid()),
                        project,
                        name: Name::parse("bench").unwrap(),
                        permissions: permissions.clone(),
                        hint: drawn.selector().hint(),
                        created_at: now,
                        updated_at: now,
                        created_by: None,
                    };
                    store.insert_token(Actor::Operator, TokenRows { token: &token, secret: &secret }, u64::MAX >> 1, Box::new(|| {})).await.unwrap();
                    written += 1;
                }
                written
            })
        })
        .collect();
    let mut written = 0;
    for task in tasks {
        written += task.await.unwrap();
    }
    let rate = f64::from(written) / began.elapsed().as_secs_f64();
    store.close().await;
    rate
}
