//! A service that cannot be reached, says nothing, or cannot tell: the client is told 503, and when to come again.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use reqwest::Method;
use rstest::rstest;

use super::{Front, Own, assert_refused};
use crate::{
    proxies::relay::Relay,
    support::{Answer, App, Backend, Break, BrokenStore, Database, Options, When, catalogue},
};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn while_the_service_is_down_the_client_is_told_503_and_when_it_is_back_all_is_well_at_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let mut way = Relay::to(app.address).await;
    let front = Front::asking(way.address);
    let authorization = app.root.authorization();

    for _ in 0..3 {
        assert_eq!(front.get("/me", &authorization).await.status, 200);
        front.backend.only();

        way.close().await;
        for credential in [authorization.as_str(), "Bearer x", ""] {
            for path in ["/me", "/calls/"] {
                assert_refused(&front, &front.get(path, credential).await, 503, path);
            }
            let post = front.request(Method::POST, "/me").header("authorization", credential);
            assert_refused(&front, &Answer::to(post.body(vec![b'x'; 1 << 20])).await, 503, "POST");
        }
        way.open().await;
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_cannot_tell_lets_nobody_in(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let database = Database::migrated(backend).await;
    let store = BrokenStore::new(database.open(catalogue()));
    let mut app = App::start_on(database, store.clone(), Options::default()).await;
    let front = Front::asking(app.address);
    let authorization = app.root.authorization();

    for how in [Break::Away, Break::Fault] {
        assert_eq!(front.get("/me", &authorization).await.status, 200);
        front.backend.only();

        store.fail(how, When::Always);
        // Until then what was cached still counts, and may.
        tokio::time::sleep(tokensmith::store::SETTLED_AFTER).await;
        assert_refused(&front, &front.get("/me", &authorization).await, 503, &format!("{how:?}"));
        assert_refused(&front, &front.get("/me", "junk").await, 401, "junk");
        store.mend();
    }
    assert_eq!(front.get("/me", &authorization).await.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_says_nothing_is_waited_for_seconds_and_not_a_minute() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let front = Front::asking(silent.local_addr().unwrap());
    let began = Instant::now();

    let answer = front.get("/me", "Bearer x").await;

    assert_refused(&front, &answer, 503, "silence");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_one_node_is_down_or_silent_another_is_asked() {
    let mut app = App::start(Backend::Sqlite).await;
    let mut down = Relay::to(app.address).await;
    down.close().await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();

    for node in [down.address, silent.local_addr().unwrap()] {
        let front = Front::start(&[node, app.address], &Own::default());
        for _ in 0..10 {
            assert_eq!(front.get("/me", &app.root.authorization()).await.status, 200);
            front.backend.only();
        }
    }
    app.stop().await;
}
