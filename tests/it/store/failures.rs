//! Databases that are slow, locked, or lose their connections.

use std::time::{Duration, Instant};

use rstest::rstest;
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
use tokensmith::{
    domain::{Actor, Secret, TokenChange},
    entropy::SystemEntropy,
    error::Error,
    service::{Cost, Hasher},
    store::TokenRows,
};

use super::{assert_whole, credential, issue, name, new_token, operator, token_id, unheard};
use crate::support::{App, Backend, Database, Options, SeededEntropy, catalogue};

/// The store's limit in these tests, and how long after it an answer may come on a busy machine.
const LIMIT: Duration = Duration::from_secs(1);
const SLACK: Duration = Duration::from_secs(10);

async fn impatient(backend: Backend) -> App {
    let database = Database::migrated(backend).await;
    let store = database.open_with(catalogue(), LIMIT);
    App::start_on(database, store, Options::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_stays_locked_is_503_in_time_and_nothing_is_written() {
    let app = impatient(Backend::Postgres).await;
    let before = app.database.rows().await;
    let mut locking = app.database.postgres().await;
    let mut transaction = locking.begin().await.unwrap();
    sqlx::query("select 1 from projects for update").execute(&mut *transaction).await.unwrap();

    let began = Instant::now();
    let issued = app.service.issue(operator(app.root.id), new_token("waits")).await;
    let deleted = app.service.revoke(operator(app.root.id), token_id(&app.root)).await;

    assert!(matches!(issued, Err(Error::StoreAway(_))), "{issued:?}");
    assert!(matches!(deleted, Err(Error::StoreAway(_))), "{deleted:?}");
    assert!(began.elapsed() < 2 * LIMIT + SLACK);
    transaction.rollback().await.unwrap();
    assert_eq!(app.database.rows().await, before);
    issue(&app.service, app.root.id, "works again").await;
    assert_whole(&app.database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_of_another_process_is_waited_for_in_vain_and_nothing_is_written() {
    let app = impatient(Backend::Sqlite).await;
    let before = app.database.rows().await;
    let mut other = SqliteConnectOptions::new().filename(app.database.path()).connect().await.unwrap();
    let transaction = other.begin_with("begin immediate").await.unwrap();

    let issued = app.service.issue(operator(app.root.id), new_token("waits")).await;
    // Who only reads is not in the way.
    app.service.verify(&credential(&app.root)).await.unwrap();

    assert!(matches!(issued, Err(Error::StoreAway(_))), "{issued:?}");
    transaction.rollback().await.unwrap();
    assert_eq!(app.database.rows().await, before);
    issue(&app.service, app.root.id, "works again").await;
    assert_whole(&app.database).await;
}

/// What answers others is not away: those who wait for a connection in vain are told of overload.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_pool_is_overload_and_not_an_outage(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let app = impatient(backend).await;
    let (before, selector) = (app.database.rows().await, credential(&app.root).secret.selector());
    let (mut file, mut server) = (None, None);
    match backend {
        Backend::Sqlite => {
            let options = SqliteConnectOptions::new().filename(app.database.path());
            sqlx::raw_sql("begin immediate").execute(file.insert(options.connect().await.unwrap())).await.unwrap();
        }
        Backend::Postgres => {
            let holding = server.insert(app.database.postgres().await);
            sqlx::raw_sql("begin; select 1 from projects for update").execute(holding).await.unwrap();
        }
    }

    let change = TokenChange { name: Some(name("renamed")), permissions: None };
    let writers: Vec<_> = (0..20)
        .map(|_| {
            let (service, change, reach) = (app.service.clone(), change.clone(), operator(app.root.id));
            let id = token_id(&app.root);
            tokio::spawn(async move { service.update_token(reach, id, &change).await.map(drop) })
        })
        .collect();
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        app.store.find_holder(selector).await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut told = [0, 0];
    for writer in writers {
        match writer.await.unwrap() {
            Err(Error::Overloaded) => told[0] += 1,
            Err(Error::StoreAway(_)) => told[1] += 1,
            other => panic!("{other:?}"),
        }
    }

    let connections = if backend == Backend::Sqlite { 1 } else { 4 };
    assert!(told[0] >= 20 - connections, "overloaded and away: {told:?}");
    drop((file, server));
    assert_eq!(app.database.rows().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_broke_in_the_pool_is_not_noticed_by_anybody() {
    let app = App::start(Backend::Postgres).await;
    for round in 0..5 {
        // More than one, so that every connection of the pool has been used.
        let busy: Vec<_> = (0..6)
            .map(|_| {
                let (service, credential) = (app.service.clone(), credential(&app.root));
                tokio::spawn(async move { service.verify(&credential).await.map(drop) })
            })
            .collect();
        for task in busy {
            task.await.unwrap().unwrap();
        }
        let killed = app
            .database
            .count(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity
                where datname = current_database() and pid <> pg_backend_pid()",
            )
            .await;
        assert!(killed > 0, "there was something to break");

        let change = TokenChange { name: Some(name(&format!("round {round}"))), permissions: None };
        if round % 2 == 0 {
            app.service.verify(&credential(&app.root)).await.unwrap();
        }
        app.service.update_token(operator(app.root.id), token_id(&app.root), &change).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_is_503_in_time() {
    let database = Database::migrated(Backend::Postgres).await;
    let connect = database.url().parse::<sqlx::postgres::PgConnectOptions>().unwrap().socket("/nonexistent");
    let fresh_for = tokensmith::store::postgres::FRESH_FOR;
    let options = tokensmith::store::postgres::Options { connect, max_connections: 2, time_limit: LIMIT, fresh_for };
    let store = tokensmith::store::postgres::open(&options, std::sync::Arc::new(catalogue()));

    let began = Instant::now();
    let ready = store.ready().await;

    assert!(matches!(ready, Err(Error::StoreAway(_))), "{ready:?}");
    assert!(began.elapsed() < LIMIT + SLACK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weak_hash_is_renewed_after_its_secret_has_proven_itself() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let weak = Cost { memory_kib: 32, iterations: 1, parallelism: 1 };
        let app = App::start_with(backend, Options { cost: weak, ..Options::default() }).await;
        let selector = credential(&app.root).secret.selector();
        let weak_hash = app.store.find_holder(selector).await.unwrap().unwrap().hash;
        assert!(weak_hash.contains("m=32,t=1,p=1"), "{weak_hash}");

        let entropy = std::sync::Arc::new(SeededEntropy::new("stronger"));
        let stronger = Cost { memory_kib: 64, iterations: 2, parallelism: 1 };
        let hasher = Hasher::start(stronger, 1, 8, entropy.clone()).unwrap();
        let service = tokensmith::service::Service::new(
            app.store.clone(),
            hasher,
            app.clock.clone(),
            entropy,
            std::sync::Arc::new(catalogue()),
            tokensmith::service::Limits { tokens_per_project: 10, subprojects_per_project: 1000, cache_bytes: 1 << 20 },
            &tokensmith::service::Keys::default(),
        );
        service.verify(&credential(&app.root)).await.unwrap();

        let began = Instant::now();
        let renewed = loop {
            let hash = app.store.find_holder(selector).await.unwrap().unwrap().hash;
            if hash != weak_hash {
                break hash;
            }
            assert!(began.elapsed() < SLACK, "it is not renewed");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert!(renewed.contains("m=64,t=2,p=1"), "{renewed}");
        service.verify(&credential(&app.root)).await.unwrap();
        // Whoever still runs with the weaker configuration takes nothing back.
        app.service.verify(&credential(&app.root)).await.unwrap();
        assert_eq!(app.store.find_holder(selector).await.unwrap().unwrap().hash, renewed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_verifications_than_may_wait_are_503_at_once_and_write_nothing() {
    let slow = Cost { memory_kib: 32 * 1024, iterations: 8, parallelism: 1 };
    let mut app = App::start_with(Backend::Sqlite, Options { cost: slow, ..Options::default() }).await;
    let secrets: Vec<Secret> = (0..160).map(|_| Secret::generate(&SystemEntropy)).collect();
    for secret in &secrets {
        let (mut token, mut stored) = super::contract::rows_for(app.root.id);
        (token.hint, stored.selector, stored.check) = (secret.selector().hint(), secret.selector(), secret.check());
        // None that belongs to the secret: that is found out only by argon2.
        stored.hash =
            "$argon2id$v=19$m=32768,t=8,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4".to_owned();
        app.store
            .insert_token(Actor::Operator, TokenRows { token: &token, secret: &stored }, 1000, unheard())
            .await
            .unwrap();
    }
    let before = app.database.rows().await;

    // Two run, 128 wait.
    let requests: Vec<_> = secrets
        .into_iter()
        .map(|secret| {
            let request = app
                .request(reqwest::Method::POST, &app.root.tokens())
                .basic_auth(app.root.id, Some(secret.reveal().as_str()));
            tokio::spawn(async move {
                let response = request.send().await.unwrap();
                (response.status().as_u16(), response.headers().contains_key("retry-after"))
            })
        })
        .collect();
    let mut refused = 0;
    for task in requests {
        match task.await.unwrap() {
            (503, true) => refused += 1,
            (401, false) => {}
            other => panic!("{other:?}"),
        }
    }

    assert!(refused > 0, "some did not fit");
    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}
