//! What was taken away is not accepted once that was answered: whoever did it, and whatever runs at the same time.

use std::time::{Duration, Instant};

use reqwest::Method;
use rstest::rstest;
use tokensmith::{
    domain::{Tenant, TokenChange, TokenId},
    error::Error,
    store::{SETTLED_AFTER, Tokens},
};

use super::{Verifying, is_accepted, issue, operator};
use crate::support::{Answer, App, Backend, Break, BrokenStore, Database, Options, When, catalogue};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_not_accepted_once_that_is_answered_whatever_is_being_read(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;

    for _ in 0..40 {
        let (issued, credential) = issue(&app.service, app.root.id, &["chat"]).await;
        let verifying = Verifying::begin(&app, &credential);
        assert!(is_accepted(&app, &credential).await);

        app.service.revoke(operator(app.root.id), issued.token.id).await.unwrap();
        for _ in 0..20 {
            assert!(!is_accepted(&app, &credential).await);
        }

        verifying.end().await;
        assert!(!is_accepted(&app, &credential).await);
    }
}

/// A commit that its own process has not applied yet: the next to ask finds nothing to take away.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_told_that_nothing_is_there_to_be_changed_may_conclude_that_it_is_dead(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values("DELETE", "PATCH", "DELETE of its project", "PATCH at its project")] call: &str,
) {
    let mut app = App::start(backend).await;
    let (root, child) = (app.root.clone(), app.subproject("Child").await);
    let (issued, credential) = issue(&app.service, child.id, &["chat"]).await;
    tokio::time::sleep(SETTLED_AFTER).await;
    assert!(is_accepted(&app, &credential).await);

    let token = format!("/api/project/tokens/{}", issued.token.id);
    let request = match call {
        "DELETE" => app.authorized(Method::DELETE, &token, &root),
        "PATCH" => app.authorized(Method::PATCH, &token, &root).json(&serde_json::json!({ "name": "x" })),
        "DELETE of its project" => app.authorized(Method::DELETE, &format!("/api/projects/{}", child.id), &root),
        _ => {
            let request = app.authorized(Method::PATCH, &child.token(&issued.token.id.to_string()), &root);
            request.json(&serde_json::json!({ "name": "x" }))
        }
    };
    if call.contains("project") {
        app.store.delete_project(operator(child.id)).await.unwrap();
    } else {
        app.store.delete_token(operator(child.id), issued.token.id).await.unwrap();
    }
    assert_eq!(Answer::to(request).await.status, 404);

    assert!(!is_accepted(&app, &credential).await);
    app.stop().await;
}

/// What was committed and not applied yet: the cache still holds it.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_cache_hides_no_commit_that_is_not_answered_yet(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values("token", "permissions", "project")] taken: &str,
) {
    let database = Database::migrated(backend).await;
    let store = BrokenStore::new(database.open(catalogue()));
    let app = App::start_on(database, store.clone(), Options::default()).await;
    let child = app.subproject("Child").await;
    let (issued, credential) = issue(&app.service, child.id, &["chat", "fax"]).await;
    // The watch has looked by now, so that what is cached counts.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let may_fax = async || match app.service.verify(&credential).await {
        Ok(granted) => app.service.may(&granted, "fax"),
        Err(Error::Unauthenticated) => false,
        Err(error) => panic!("{error}"),
    };
    assert!(may_fax().await && may_fax().await);

    let held = store.hold_written().await;
    let (service, reach, id) = (app.service.clone(), operator(child.id), issued.token.id);
    let narrower = TokenChange { name: None, permissions: Some(catalogue().parse(["chat"]).unwrap()) };
    let changing = match taken {
        "token" => tokio::spawn(async move { service.revoke(reach, id).await }),
        "permissions" => tokio::spawn(async move { service.update_token(reach, id, &narrower).await.map(|_| ()) }),
        _ => tokio::spawn(async move { service.delete_project(reach).await.map(|_| ()) }),
    };
    while app
        .store
        .find_any_token(Tenant::Operator, id)
        .await
        .unwrap()
        .is_some_and(|token| token.permissions.iter().any(|name| name == "fax"))
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    assert!(!may_fax().await);
    assert!(!changing.is_finished(), "it was not answered meanwhile");
    drop(held);
    changing.await.unwrap().unwrap();
    assert!(!may_fax().await);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn so_many_changes_at_once_go_on_without_their_clients_and_the_next_is_told_to_come_again(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    const AT_ONCE: usize = 1024;
    let database = Database::migrated(backend).await;
    let store = BrokenStore::new(database.open(catalogue()));
    let app = App::start_on(database, store.clone(), Options::default()).await;
    let (issued, _) = issue(&app.service, app.root.id, &["chat"]).await;
    let reach = operator(app.root.id);
    let rename = TokenChange { name: Some(tokensmith::domain::Name::parse("renamed").unwrap()), permissions: None };
    let held = store.hold_writers().await;

    let clients: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (service, rename) = (app.service.clone(), rename.clone());
            tokio::spawn(async move { service.update_token(reach, issued.token.id, &rename).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    clients.iter().for_each(tokio::task::JoinHandle::abort);
    let one_more = app.service.update_token(reach, issued.token.id, &rename);
    let refused = tokio::time::timeout(Duration::from_secs(2), one_more).await.expect("it is not kept waiting");
    drop(held);
    let after = loop {
        match app.service.update_token(reach, issued.token.id, &rename).await {
            Err(Error::Overloaded) => tokio::time::sleep(Duration::from_millis(10)).await,
            after => break after,
        }
    };

    assert!(matches!(refused, Err(Error::Overloaded)), "{refused:?}");
    assert_eq!(after.unwrap().name.as_str(), "renamed");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_narrowed_token_may_no_more_and_a_renamed_one_is_called_otherwise(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let catalogue = catalogue();
    let (issued, credential) = issue(&app.service, app.root.id, &["chat", "fax"]).await;
    let verifying = Verifying::begin(&app, &credential);

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
    verifying.end().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_projects_tokens_are_not_accepted(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let app = App::start(backend).await;

    for _ in 0..20 {
        let project = app.subproject("Child").await;
        let (_, credential) = issue(&app.service, project.id, &["chat"]).await;
        let verifying = Verifying::begin(&app, &credential);
        assert!(is_accepted(&app, &credential).await);

        app.service.delete_project(operator(project.id)).await.unwrap();
        assert!(!is_accepted(&app, &credential).await);

        verifying.end().await;
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_whose_client_hung_up_is_noticed(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let app = App::start(backend).await;

    for round in 0..20u64 {
        let (issued, credential) = issue(&app.service, app.root.id, &["chat"]).await;
        assert!(is_accepted(&app, &credential).await);
        let verifying = Verifying::begin(&app, &credential);
        let (service, reach, id) = (app.service.clone(), operator(app.root.id), issued.token.id);
        let revoking = tokio::spawn(async move { service.revoke(reach, id).await });
        tokio::time::sleep(Duration::from_micros(round * 50)).await;
        revoking.abort();

        // It goes on by itself, unless it had not begun.
        let gone = async |id: TokenId| app.store.find_any_token(Tenant::Operator, id).await.unwrap().is_none();
        let began = Instant::now();
        while !gone(id).await && began.elapsed() < Duration::from_millis(200) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if gone(id).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert!(!is_accepted(&app, &credential).await, "round {round}");
        }
        verifying.end().await;
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
    assert!(app.store.find_any_token(Tenant::Operator, id).await.unwrap().is_none());
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
