//! What other processes on the same store take away, and what a process may say that does not remember itself.

use std::time::{Duration, Instant};

use reqwest::Method;
use rstest::rstest;
use tokensmith::{
    domain::{Tenant, TokenId},
    error::Error,
    service::{Keys, Subject},
    store::SETTLED_AFTER,
};

use super::{CHEAP, Verifying, is_accepted, issue, service};
use crate::support::{Answer, App, Backend, BrokenStore, Database, Heard, Operator, Options, catalogue};

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_does_not_remember_says_that_nothing_is_there_only_after_the_one_that_does_has_noticed() {
    let app = App::start(Backend::Sqlite).await;
    let (store, unknown) = (app.database.open(catalogue()), TokenId::from(uuid::Uuid::from_u128(7)));
    let (other, _) = service(store, &app, Keys::default(), CHEAP);

    let began = Instant::now();
    assert!(matches!(other.operator_reach_of(unknown).await, Err(Error::TokenNotFound)));
    let told =
        other.settled(Tenant::Operator, Subject::Project(app.root.id), Err::<(), _>(Error::ProjectNotFound)).await;
    assert!(matches!(told, Err(Error::ProjectNotFound)));

    assert!(began.elapsed() >= 2 * SETTLED_AFTER);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_others_writes_that_takes_too_long_lets_nothing_count() {
    let database = Database::migrated(Backend::Sqlite).await;
    let store = BrokenStore::new(database.open(catalogue()));
    let app = App::start_on(database, store.clone(), Options::default()).await;
    let (_, credential) = issue(&app.service, app.root.id, &["chat"]).await;

    // By the time that it is heard of, others have had time to write and to say so.
    store.tell_marks_late(SETTLED_AFTER);
    tokio::time::sleep(2 * SETTLED_AFTER).await;
    let before = store.found();
    for _ in 0..50 {
        assert!(is_accepted(&app, &credential).await);
        tokio::time::sleep(SETTLED_AFTER / 20).await;
    }

    assert_eq!(store.found() - before, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_to_a_file_is_noticed_when_they_say_so() {
    let app = App::start(Backend::Sqlite).await;

    for _ in 0..5 {
        let (_, credential) = issue(&app.service, app.root.id, &["chat"]).await;
        let verifying = Verifying::begin(&app, &credential);
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert!(is_accepted(&app, &credential).await);

        app.database.execute("delete from tokens where permissions = 'chat'").await;
        tokio::time::sleep(SETTLED_AFTER).await;
        assert!(!is_accepted(&app, &credential).await);

        verifying.end().await;
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_the_command_line_takes_away_a_running_server_refuses_when_it_returns(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::migrated(backend).await;
    let root = operator.project("Acme");
    let binary = operator.serve();
    let ask = async |query: &str, secret: &str| {
        let request = binary.request(Method::GET, &format!("/auth{query}"));
        Answer::to(request.header("authorization", format!("Bearer {secret}"))).await.status
    };

    for round in 0..3 {
        let (id, secret) = binary.issue(&root).await;
        for _ in 0..20 {
            assert_eq!(ask("?permission=management", &secret).await, 200);
        }
        operator.run(&["token", "update", &id, "-p", "chat"]).done();
        assert_eq!(ask("?permission=management", &secret).await, 403, "round {round}");
        for _ in 0..20 {
            assert_eq!(ask("?permission=chat", &secret).await, 200);
        }
        operator.run(&["token", "revoke", &id]).done();
        assert_eq!(ask("", &secret).await, 401, "round {round}");
    }

    assert_eq!(ask("", &root.secret).await, 200);
    operator.run(&["project", "delete", "--yes", &root.id.to_string()]).done();
    assert_eq!(ask("", &root.secret).await, 401);
    binary.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_watch_no_cached_grant_counts() {
    let mut app = App::start(Backend::Sqlite).await;
    let (_, credential) = issue(&app.service, app.root.id, &["chat"]).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert!(is_accepted(&app, &credential).await);

    app.stop_watching();
    app.database.execute("delete from tokens where permissions = 'chat'").await;

    assert!(!is_accepted(&app, &credential).await);
}

#[tokio::test]
async fn a_watch_that_fails_says_so_once_and_no_cached_grant_counts() {
    const SAID: &str = "no grant is remembered any more";
    let heard = Heard::listen();
    let database = Database::migrated(Backend::Sqlite).await;
    let store = BrokenStore::new(database.open(catalogue()));
    let app = App::start_on(database, store.clone(), Options::default()).await;
    let (_, credential) = issue(&app.service, app.root.id, &["chat"]).await;
    assert!(is_accepted(&app, &credential).await);

    store.panic_at_marks();
    let began = Instant::now();
    while heard.lines(SAID).is_empty() {
        assert!(began.elapsed() < Duration::from_secs(10), "nobody says so");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let before = store.found();
    for _ in 0..5 {
        assert!(is_accepted(&app, &credential).await);
    }

    assert_eq!(store.found() - before, 5);
    let said = heard.lines(SAID);
    assert!(said.len() == 1 && said[0].contains("ERROR"), "{said:?}");
}
