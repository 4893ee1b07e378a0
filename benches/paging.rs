//! Does the last page of a long list come in the time of the first? 10,000 subprojects and 10,000 tokens of one
//! project, read by HTTP in pages of 1,000, on both databases.
//!
//! `cargo bench --bench paging` runs it; `scripts/test --postgres` lends it a Postgres. `docs/performance.md` says how to
//! read it.

#![allow(missing_docs, clippy::unwrap_used, clippy::pedantic, reason = "a bench is a script")]

mod support;

use std::{
    net::TcpListener,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::Client;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use support::Postgres;
use tempfile::TempDir;
use tokensmith::{
    clock::SystemClock,
    domain::{Catalogue, Name, NewToken, Reach},
    entropy::SystemEntropy,
    http::{self, Settings},
    service::{Cost, Hasher, Key, Keys, Limits, Service},
    store::{Store, migrate, postgres, sqlite},
};

const ROWS: usize = 10_000;
const PAGE: usize = 1_000;
const ROUNDS: usize = 7;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("{ROWS} rows in pages of {PAGE}, {ROUNDS} rounds; ms of each page, median, and its ratio to the first\n");
    runtime.block_on(async {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("bench.db");
        sqlite::create(&path).unwrap();
        migrate::sqlite(&path).await.unwrap();
        let time_limit = Duration::from_secs(10);
        let options = sqlite::Options { path, readers: 4, time_limit };
        bench("SQLite", sqlite::open(&options, catalogue())).await;

        let lent = Postgres::lend();
        let connect = PgConnectOptions::from_str(&lent.url).unwrap();
        migrate::postgres(&connect).await.unwrap();
        let fresh_for = postgres::FRESH_FOR;
        let options = postgres::Options { connect, max_connections: 4, time_limit, fresh_for };
        bench("Postgres", postgres::open(&options, catalogue())).await;
    });
}

fn catalogue() -> Arc<Catalogue> {
    Arc::new(Catalogue::new(["calling".to_owned()]).unwrap())
}

async fn bench(database: &str, store: Arc<dyn Store>) {
    let entropy = Arc::new(SystemEntropy);
    let hasher = Hasher::start(Cost { memory_kib: 8, iterations: 1, parallelism: 1 }, 2, 128, entropy.clone()).unwrap();
    let limits =
        Limits { tokens_per_project: 2 * ROWS as u64, subprojects_per_project: 2 * ROWS as u64, cache_bytes: 1 << 20 };
    let keys = Keys::new(Some(Key::new([7; 32])), Vec::new());
    let known = catalogue();
    let service = Arc::new(Service::new(store, hasher, Arc::new(SystemClock), entropy, known.clone(), limits, &keys));
    let name = Name::parse("row").unwrap();
    let created = service.create_project(name.clone(), None, true).await.unwrap();
    let token = created.token.unwrap();
    let reach: Reach = service.operator_reach(created.project.id).await.unwrap();
    for _ in 1..ROWS {
        service.create_project(name.clone(), Some(created.project.id), false).await.unwrap();
        let permissions = known.parse(["calling"]).unwrap();
        service.issue(reach, NewToken { name: name.clone(), permissions, subproject: None }).await.unwrap();
    }

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let settings = Settings {
        workers: 1,
        header_timeout: Duration::from_secs(5),
        body_timeout: Duration::from_secs(10),
        body_bytes: 65_536,
        keep_alive: Duration::from_secs(75),
        max_connections: 1000,
        drain: Duration::ZERO,
        shutdown_timeout: Duration::from_secs(1),
        public_url: url.clone(),
        trusted_proxies: Vec::new(),
        region_preference: "us".to_owned(),
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(http::serve(listener, service, settings, async move {
        let _dropped = stopped.await;
    }));
    let client = Client::builder().no_proxy().build().unwrap();
    let id = created.project.id.to_string();
    let secret = token.secret.reveal();
    for path in ["/api/projects", "/api/project/tokens"] {
        let mut pages: Vec<Vec<f64>> = vec![Vec::new(); ROWS / PAGE];
        for round in 0..=ROUNDS {
            let mut next = Some(format!("{url}{path}?page_size={PAGE}"));
            for page in &mut pages {
                let began = Instant::now();
                let answer = client.get(next.unwrap()).basic_auth(&id, Some(secret.as_str())).send().await.unwrap();
                let text = answer.text().await.unwrap();
                let took = began.elapsed().as_secs_f64() * 1e3;
                let body: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(body["data"].as_array().unwrap().len(), PAGE);
                next = body["links"]["next"].as_str().map(str::to_owned);
                // The first round only warms up.
                if round > 0 {
                    page.push(took);
                }
            }
            assert_eq!(next, None);
        }
        let medians: Vec<f64> = pages.iter_mut().map(|page| median(page)).collect();
        let shown: Vec<String> = medians.iter().map(|ms| format!("{ms:.1} ({:.2})", ms / medians[0])).collect();
        println!("{database:<9} {path:<20} {}", shown.join("  "));
    }
    drop(stop);
    served.await.unwrap().unwrap();
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
