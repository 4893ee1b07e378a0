//! The verify routine alone, in one process on SQLite: a grant that is remembered, one that is not, and what is no secret.
//!
//! `cargo bench --bench verify` runs it.

#![allow(missing_docs, clippy::unwrap_used, clippy::pedantic, reason = "a bench is a script")]

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use tempfile::TempDir;
use tokensmith::{
    clock::SystemClock,
    domain::{Catalogue, Credential, Name},
    entropy::SystemEntropy,
    service::{Cost, Hasher, Key, Keys, Limits, Service},
    store::{migrate, sqlite},
};

fn verify(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let directory = TempDir::new().unwrap();
    let (service, text) = runtime.block_on(async {
        let path = directory.path().join("bench.db");
        sqlite::create(&path).unwrap();
        migrate::sqlite(&path).await.unwrap();
        let catalogue = Arc::new(Catalogue::new(["calling".to_owned()]).unwrap());
        let options = sqlite::Options { path, readers: 4, time_limit: Duration::from_secs(2) };
        let store = sqlite::open(&options, catalogue.clone());
        let entropy = Arc::new(SystemEntropy);
        let cost = Cost { memory_kib: 8, iterations: 1, parallelism: 1 };
        let hasher = Hasher::start(cost, 1, 8, entropy.clone()).unwrap();
        let limits = Limits { tokens_per_project: 10, subprojects_per_project: 1000, cache_bytes: 1 << 20 };
        let keys = Keys::new(Some(Key::new([7; 32])), Vec::new());
        let service = Service::new(store, hasher, Arc::new(SystemClock), entropy, catalogue, limits, &keys);
        let made = service.create_project(Name::parse("bench").unwrap(), None, true).await.unwrap();
        (service, format!("{}:{}", made.project.id, *made.token.unwrap().secret.reveal()))
    });
    let credential = Credential::parse(&text).unwrap();
    // As long as a right one, and its checksum is wrong.
    let junk = format!("{}{}", &text[..text.len() - 1], if text.ends_with('0') { '1' } else { '0' });
    assert!(Credential::parse(&junk).is_none());

    // Nobody watches whether others write, so the row is read and the grant filled in again each time.
    criterion.bench_function("verify: miss, one read", |bencher| {
        bencher.iter(|| runtime.block_on(service.verify(black_box(&credential))).unwrap());
    });
    let watch = runtime.block_on(async {
        let watch = service.watch();
        tokio::time::sleep(Duration::from_millis(500)).await;
        watch
    });
    criterion.bench_function("verify: hit", |bencher| {
        bencher.iter(|| runtime.block_on(service.verify(black_box(&credential))).unwrap());
    });
    drop(watch);
    criterion.bench_function("verify: parse a credential", |bencher| {
        bencher.iter(|| Credential::parse(black_box(&text)));
    });
    criterion.bench_function("verify: junk", |bencher| {
        bencher.iter(|| Credential::parse(black_box(&junk)));
    });
}

criterion_group!(benches, verify);
criterion_main!(benches);
