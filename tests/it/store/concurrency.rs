//! Operations that meet each other.

use std::sync::Arc;

use rstest::rstest;
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
use tokensmith::{
    domain::{Reach, Tenant, TokenChange},
    entropy::{Entropy, SystemEntropy},
    error::Error,
    service::Service,
};

use super::{assert_whole, credential, issue, name, new_token, operator, token_id, until_someone_waits_for_a_lock};
use crate::support::{App, Backend, Options, Project, Raw, catalogue};

async fn reach_of(service: &Service, project: &Project) -> Reach {
    let caller = service.authenticate(&credential(project), "management").await.unwrap();
    service.reach(&caller, project.id).await.unwrap()
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn two_updates_of_different_fields_keep_both(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let app = App::start(backend).await;
    let token = issue(&app.service, app.root.id, "start").await.token;
    let reach = operator(app.root.id);
    for round in 0..40 {
        let called = format!("round {round}");
        let allowed = if round % 2 == 0 { "fax" } else { "video" };
        let rename = TokenChange { name: Some(name(&called)), permissions: None };
        let allow = TokenChange { name: None, permissions: Some(catalogue().parse([allowed]).unwrap()) };

        let (renamed, changed) = tokio::join!(
            app.service.update_token(reach, token.id, &rename),
            app.service.update_token(reach, token.id, &allow)
        );
        renamed.unwrap();
        changed.unwrap();

        let now = app.store.find_any_token(Tenant::Operator, token.id).await.unwrap().unwrap();
        assert_eq!((now.name.as_str(), now.permissions.iter().next()), (called.as_str(), Some(allowed)));
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_while_it_is_updated_stays_dead(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let reach = operator(app.root.id);
    for _ in 0..30 {
        let token = issue(&app.service, app.root.id, "doomed").await.token;
        let rename = TokenChange { name: Some(name("renamed")), permissions: None };

        let (updated, revoked) =
            tokio::join!(app.service.update_token(reach, token.id, &rename), app.service.revoke(reach, token.id));

        revoked.unwrap();
        assert!(matches!(updated, Ok(_) | Err(Error::TokenNotFound)), "{updated:?}");
        assert_eq!(app.store.find_any_token(Tenant::Operator, token.id).await.unwrap(), None);
    }
    assert_whole(&app.database).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_that_issue_at_once_as_many_succeed_as_the_limit_leaves_room_for(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    // One is there already: the project's first.
    let app = App::start_with(backend, Options { tokens_per_project: 21, ..Options::default() }).await;
    let issuing: Vec<_> = (0..50)
        .map(|_| {
            let (service, project) = (app.service.clone(), app.root.id);
            tokio::spawn(async move { service.issue(operator(project), new_token("one of fifty")).await })
        })
        .collect();

    let (mut issued, mut refused) = (0, 0);
    for task in issuing {
        match task.await.unwrap() {
            Ok(_) => issued += 1,
            Err(Error::TokenLimitReached { limit: 21 }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }

    assert_eq!((issued, refused), (20, 30));
    assert_whole(&app.database).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_thirty_subprojects_at_once_the_limit_lets_ten_be(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start_with(backend, Options { subprojects_per_project: 10, ..Options::default() }).await;
    let creating: Vec<_> = (0..30)
        .map(|_| {
            let (service, parent) = (app.service.clone(), app.root.id);
            tokio::spawn(async move { service.create_project(name("one of thirty"), Some(parent), false).await })
        })
        .collect();

    let (mut created, mut refused) = (Vec::new(), 0);
    for task in creating {
        match task.await.unwrap() {
            Ok(project) => created.push(project.project.id),
            Err(Error::SubprojectLimitReached { limit: 10 }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }

    assert_eq!((created.len(), refused), (10, 20));
    assert_eq!(app.database.count("select count(*) from projects where parent_id is not null").await, 10);
    // One that goes makes room for one, and the limit is each project's own.
    app.service.delete_project(operator(created[0])).await.unwrap();
    app.service.create_project(name("in its place"), Some(app.root.id), false).await.unwrap();
    let full = app.service.create_project(name("one too many"), Some(app.root.id), false).await;
    assert!(matches!(full, Err(Error::SubprojectLimitReached { limit: 10 })), "{full:?}");
    let other = app.service.create_project(name("another root"), None, false).await.unwrap().project.id;
    app.service.create_project(name("its first"), Some(other), false).await.unwrap();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_subproject_that_waits_counts_the_one_it_waited_for(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start_with(backend, Options { subprojects_per_project: 1, ..Options::default() }).await;
    let create = || {
        let (service, parent) = (app.service.clone(), app.root.id);
        tokio::spawn(async move { service.create_project(name("one too many"), Some(parent), false).await })
    };
    // Another process is about to create the one that there is room for.
    let insert = "insert into projects (id, name, parent_id, protect_recordings, protect_message_media,
            protect_fax_media, force_https_requests, created_at, updated_at)
        select $1, name, id, protect_recordings, protect_message_media, protect_fax_media, force_https_requests,
            created_at, updated_at
        from projects where parent_id is null";
    let refused = if backend == Backend::Postgres {
        let mut other = app.database.postgres().await;
        let mut transaction = other.begin().await.unwrap();
        sqlx::query("select 1 from projects for update").execute(&mut *transaction).await.unwrap();
        sqlx::query(insert).bind(SystemEntropy.uuid()).execute(&mut *transaction).await.unwrap();
        let creating = create();
        until_someone_waits_for_a_lock(&app, 1).await;
        transaction.commit().await.unwrap();
        creating.await.unwrap()
    } else {
        let mut other = SqliteConnectOptions::new().filename(app.database.path()).connect().await.unwrap();
        let mut transaction = other.begin_with("begin immediate").await.unwrap();
        sqlx::query(insert).bind(SystemEntropy.uuid()).execute(&mut *transaction).await.unwrap();
        let creating = create();
        transaction.commit().await.unwrap();
        creating.await.unwrap()
    };

    assert!(matches!(refused, Err(Error::SubprojectLimitReached { limit: 1 })), "{refused:?}");
    assert_eq!(app.database.count("select count(*) from projects where parent_id is not null").await, 1);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_two_callers_that_revoke_each_other_one_survives(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    for _ in 0..20 {
        let (left, right) = (manager(&app).await, manager(&app).await);
        let (from_left, from_right) = (reach_of(&app.service, &left).await, reach_of(&app.service, &right).await);

        let (a, b) = tokio::join!(
            app.service.revoke(from_left, token_id(&right)),
            app.service.revoke(from_right, token_id(&left))
        );

        match (a, b) {
            (Ok(()), Err(Error::Unauthenticated)) | (Err(Error::Unauthenticated), Ok(())) => {}
            both => panic!("{both:?}"),
        }
    }
    assert_whole(&app.database).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn two_callers_that_update_each_other_wait_for_each_other(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let (left, right) = (manager(&app).await, manager(&app).await);
    let (from_left, from_right) = (reach_of(&app.service, &left).await, reach_of(&app.service, &right).await);
    for round in 0..30 {
        let change = TokenChange { name: Some(name(&format!("round {round}"))), permissions: None };

        let (a, b) = tokio::join!(
            app.service.update_token(from_left, token_id(&right), &change),
            app.service.update_token(from_right, token_id(&left), &change)
        );

        a.unwrap();
        b.unwrap();
    }
}

/// Another management token of the root project.
async fn manager(app: &App) -> Project {
    let (token_id, secret) = app.issue(&app.root, &["management"]).await;
    Project { id: app.root.id, token_id, secret }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_waits_for_the_revocation_of_its_caller_and_is_refused() {
    let app = App::start(Backend::Postgres).await;
    let caller = manager(&app).await;
    let reach = reach_of(&app.service, &caller).await;
    let child = app.subproject("Child").await;
    // The write is about another project, whose row does not bring the two together.
    let elsewhere = Reach { project: child.id, ..reach };
    let mut revoking = app.database.postgres().await;
    let mut transaction = revoking.begin().await.unwrap();
    sqlx::query("delete from tokens where id = $1")
        .bind(token_id(&caller).as_uuid())
        .execute(&mut *transaction)
        .await
        .unwrap();

    let service = app.service.clone();
    let writing = tokio::spawn(async move { service.issue(elsewhere, new_token("late")).await });
    until_someone_waits_for_a_lock(&app, 1).await;
    assert!(!writing.is_finished());
    transaction.commit().await.unwrap();

    assert!(matches!(writing.await.unwrap(), Err(Error::Unauthenticated)));
    assert_eq!(app.store.count_holdings(child.id).await.unwrap().tokens, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_waits_for_the_write_that_its_victim_is_in() {
    let app = App::start(Backend::Postgres).await;
    let caller = manager(&app).await;
    let mut writing = app.database.postgres().await;
    let mut transaction = writing.begin().await.unwrap();
    // What every write does with its caller's row.
    sqlx::query("select 1 from tokens where id = $1 for share")
        .bind(token_id(&caller).as_uuid())
        .execute(&mut *transaction)
        .await
        .unwrap();

    let (service, victim, root) = (app.service.clone(), token_id(&caller), app.root.id);
    let revoking = tokio::spawn(async move { service.revoke(operator(root), victim).await });
    until_someone_waits_for_a_lock(&app, 1).await;
    assert!(!revoking.is_finished());
    transaction.commit().await.unwrap();

    revoking.await.unwrap().unwrap();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_half_sent_request_whose_caller_is_revoked_meanwhile_writes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let caller = manager(&app).await;
    let body = r#"{"name":"late","permissions":["chat"]}"#;
    let mut raw = Raw::connect(&app).await;
    raw.send(format!(
        "POST {} HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        caller.tokens(),
        caller.authorization(),
        body.len()
    ))
    .await;
    // The server asks for the body after it has let the caller in.
    assert_eq!(raw.answer().await.unwrap().status, 100);
    raw.send(&body[..10]).await;
    until_let_in(&app, &caller).await;

    app.service.revoke(operator(app.root.id), token_id(&caller)).await.unwrap();
    let before = app.database.rows().await;
    raw.send(&body[10..]).await;

    let answer = raw.answer().await.unwrap();
    assert_eq!((answer.status, answer.json()["code"].as_u64()), (401, Some(20003)));
    assert_eq!(app.database.rows().await, before);
}

/// A second request on a connection of its own, begun after the first: when it has been answered, so has the first
/// been let in, because both go through the same queue to be verified.
async fn until_let_in(app: &App, caller: &Project) {
    for _ in 0..8 {
        assert!(app.manages(caller.id, &caller.secret).await);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_given_up_half_way_leaves_a_store_that_works(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = Arc::new(App::start(backend).await);
    for round in 0..60_u32 {
        let (service, project) = (app.service.clone(), app.root.id);
        let task = tokio::spawn(async move { service.issue(operator(project), new_token("given up")).await });
        // At another moment each time: in the queue, in the hash, in the transaction.
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(std::time::Duration::from_micros(u64::from(round) * 50)).await;
        task.abort();
        let _given_up = task.await;
    }

    issue(&app.service, app.root.id, "after").await;
    assert_whole(&app.database).await;
    if backend == Backend::Postgres {
        const LEFT_OPEN: &str = "select count(*) from pg_stat_activity
            where datname = current_database() and state like 'idle in transaction%'";
        for _ in 0..2000 {
            if app.database.count(LEFT_OPEN).await == 0 {
                return;
            }
        }
        panic!("a transaction was left open");
    }
}

/// Writers wait for each other's locks with their connections in hand.
#[tokio::test(flavor = "multi_thread")]
async fn writers_that_wait_for_each_other_keep_nobody_from_being_verified() {
    let app = App::start(Backend::Postgres).await;
    let token = issue(&app.service, app.root.id, "one").await;
    let mut holder = app.database.postgres().await;
    sqlx::raw_sql("begin; select 1 from tokens for update").execute(&mut holder).await.unwrap();
    let id = token.token.id;
    let change = TokenChange { name: Some(name("renamed")), permissions: None };
    let writers: Vec<_> = (0..20)
        .map(|_| {
            let (service, change, reach) = (app.service.clone(), change.clone(), operator(app.root.id));
            tokio::spawn(async move { service.update_token(reach, id, &change).await.map(|_| ()) })
        })
        .collect();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;

    let found = app.store.find_holder(token.secret.selector()).await.unwrap();

    assert_eq!(found.map(|holder| holder.token), Some(id));
    assert!(writers.iter().all(|writer| !writer.is_finished()), "they still waited");
    sqlx::raw_sql("rollback").execute(&mut holder).await.unwrap();
    for writer in writers {
        let _told = writer.await.unwrap();
    }
}
