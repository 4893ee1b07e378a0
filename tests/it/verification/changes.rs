//! What was taken away is not accepted once that was answered: whoever did it, and whatever runs at the same time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::Method;
use rstest::rstest;
use tokensmith::{
    domain::{Credential, TokenChange, TokenId},
    error::Error,
    service::SETTLED_AFTER,
    store::Tokens,
};

use super::{issue, operator};
use crate::support::{Answer, App, Backend, Break, BrokenStore, Database, Operator, Options, When, catalogue};

async fn is_accepted(app: &App, credential: &Credential) -> bool {
    match app.service.verify(credential).await {
        Ok(_) => true,
        Err(Error::Unauthenticated) => false,
        Err(error) => panic!("{error}"),
    }
}

/// Verifies all the time, so that something is always about to be cached.
fn keep_verifying(app: &App, credential: &Credential) -> (Arc<AtomicBool>, Vec<tokio::task::JoinHandle<()>>) {
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
    (ends, tasks)
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_not_accepted_once_that_is_answered_whatever_is_being_read(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;

    for _ in 0..40 {
        let (issued, credential) = issue(&app.service, app.root.id, &["chat"]).await;
        let (ends, tasks) = keep_verifying(&app, &credential);
        assert!(is_accepted(&app, &credential).await);

        app.service.revoke(operator(app.root.id), issued.token.id).await.unwrap();
        for _ in 0..20 {
            assert!(!is_accepted(&app, &credential).await);
        }

        ends.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await.unwrap();
        }
        assert!(!is_accepted(&app, &credential).await);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_narrowed_token_may_no_more_and_a_renamed_one_is_called_otherwise(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let catalogue = catalogue();
    let (issued, credential) = issue(&app.service, app.root.id, &["chat", "fax"]).await;
    let (ends, tasks) = keep_verifying(&app, &credential);

    for round in 0..40 {
        let names: &[&str] = if round % 2 == 0 { &["chat"] } else { &["fax"] };
        let change = TokenChange {
            name: Some(tokensmith::domain::Name::parse(&format!("round {round}")).unwrap()),
            permissions: Some(catalogue.parse(names.iter().copied()).unwrap()),
        };
        app.service.update_token(operator(app.root.id), issued.token.id, &change).await.unwrap();

        let granted = app.service.verify(&credential).await.unwrap();
        assert_eq!(catalogue.names_in(granted.permissions).collect::<Vec<_>>(), names);
        assert_eq!(&*granted.name, format!("round {round}"));
    }
    ends.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_projects_tokens_are_not_accepted(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let app = App::start(backend).await;

    for _ in 0..20 {
        let project = app.subproject("Child").await;
        let (_, credential) = issue(&app.service, project.id, &["chat"]).await;
        let (ends, tasks) = keep_verifying(&app, &credential);
        assert!(is_accepted(&app, &credential).await);

        app.service.delete_project(operator(project.id)).await.unwrap();
        assert!(!is_accepted(&app, &credential).await);

        ends.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await.unwrap();
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_whose_client_hung_up_is_noticed(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let app = App::start(backend).await;

    for round in 0..20u64 {
        let (issued, credential) = issue(&app.service, app.root.id, &["chat"]).await;
        assert!(is_accepted(&app, &credential).await);
        let (ends, tasks) = keep_verifying(&app, &credential);
        let (service, reach, id) = (app.service.clone(), operator(app.root.id), issued.token.id);
        let revoking = tokio::spawn(async move { service.revoke(reach, id).await });
        tokio::time::sleep(Duration::from_micros(round * 50)).await;
        revoking.abort();

        // It goes on by itself, unless it had not begun.
        let gone = async |id: TokenId| app.store.find_any_token(id).await.unwrap().is_none();
        let began = Instant::now();
        while !gone(id).await && began.elapsed() < Duration::from_millis(200) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if gone(id).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert!(!is_accepted(&app, &credential).await, "round {round}");
        }
        ends.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await.unwrap();
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_whose_client_hung_up_is_carried_to_its_end(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = Database::migrated(backend).await;
    let store = BrokenStore::new(database.open(catalogue()));
    let app = App::start_on(database, store.clone(), Options::default()).await;
    let (issued, credential) = issue(&app.service, app.root.id, &["chat"]).await;

    let held = store.hold_writers().await;
    let (service, reach, id) = (app.service.clone(), operator(app.root.id), issued.token.id);
    let revoking = tokio::spawn(async move { service.revoke(reach, id).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    revoking.abort();
    assert!(revoking.await.unwrap_err().is_cancelled());
    assert!(is_accepted(&app, &credential).await);
    drop(held);

    let began = Instant::now();
    while is_accepted(&app, &credential).await {
        assert!(began.elapsed() < Duration::from_secs(10), "it was given up with its client");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(app.store.find_any_token(id).await.unwrap().is_none());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_of_unknown_outcome_is_looked_up_each_time(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = Database::migrated(backend).await;
    let store = BrokenStore::new(database.open(catalogue()));
    let app = App::start_on(database, store.clone(), Options::default()).await;
    let (issued, credential) = issue(&app.service, app.root.id, &["chat"]).await;
    assert!(is_accepted(&app, &credential).await);

    store.fail(Break::Unconfirmed, When::Writing);
    let revoked = app.service.revoke(operator(app.root.id), issued.token.id).await;
    assert!(matches!(revoked, Err(Error::OutcomeUnknown(_))));
    store.mend();

    assert!(!is_accepted(&app, &credential).await);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_a_change_and_comes_after_it_does_not_count(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = Database::migrated(backend).await;
    let store = BrokenStore::new(database.open(catalogue()));
    let app = App::start_on(database, store.clone(), Options::default()).await;

    for _ in 0..3 {
        let (issued, credential) = issue(&app.service, app.root.id, &["chat"]).await;
        let (held, before) = (store.hold_readers().await, store.found());
        let (service, early) = (app.service.clone(), credential.clone());
        let reading = tokio::spawn(async move { service.verify(&early).await });
        while store.found() == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }

        app.service.revoke(operator(app.root.id), issued.token.id).await.unwrap();
        drop(held);

        // It was under way, and its row was there. What it has put into the cache must let nobody else in.
        assert!(reading.await.unwrap().is_ok());
        assert!(!is_accepted(&app, &credential).await);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_that_is_committed_after_nobody_knew_is_noticed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = Database::migrated(backend).await;
    let store = BrokenStore::new(database.open(catalogue()));
    let app = App::start_on(database, store.clone(), Options::default()).await;
    let (issued, credential) = issue(&app.service, app.root.id, &["chat"]).await;

    store.fail(Break::Undecided, When::Writing);
    let revoked = app.service.revoke(operator(app.root.id), issued.token.id).await;
    assert!(matches!(revoked, Err(Error::OutcomeUnknown(_))));
    store.mend();
    assert!(is_accepted(&app, &credential).await, "it is not committed yet");
    store.delete_token(operator(app.root.id), issued.token.id).await.unwrap();

    assert!(!is_accepted(&app, &credential).await);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_hot_grant_is_read_from_sqlite_seldom_and_from_postgres_each_time(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = Database::migrated(backend).await;
    let store = BrokenStore::new(database.open(catalogue()));
    let app = App::start_on(database, store.clone(), Options::default()).await;
    let (_, credential) = issue(&app.service, app.root.id, &["chat"]).await;
    // The watch has looked by now.
    tokio::time::sleep(Duration::from_millis(100)).await;

    let before = store.found();
    for _ in 0..1000 {
        assert!(is_accepted(&app, &credential).await);
    }
    let read = store.found() - before;

    match backend {
        // More than one only where a busy machine kept the watch from looking.
        Backend::Sqlite => assert!(read < 500, "{read} readings"),
        Backend::Postgres => assert_eq!(read, 1000),
    }
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
        let (ends, tasks) = keep_verifying(&app, &credential);
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert!(is_accepted(&app, &credential).await);

        app.database.execute("delete from tokens where permissions = 'chat'").await;
        tokio::time::sleep(SETTLED_AFTER).await;
        assert!(!is_accepted(&app, &credential).await);

        ends.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await.unwrap();
        }
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
