//! What a tenant has of what there is little of, however much of it another asks for.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::Method;
use rstest::rstest;
use sqlx::Connection;
use tokensmith::{
    domain::{Actor, Credential, Issued, Name, NewToken, ProjectId, Reach, TokenChange},
    error::Error,
};

use crate::support::{Answer, App, Backend, BrokenStore, Database, Options, Project, catalogue};

/// Longer than these tests take: what fails by it has waited in vain.
const LIMIT: Duration = Duration::from_secs(20);

fn credential(project: &Project) -> Credential {
    Credential::parse(format!("{}:{}", project.id, project.secret)).unwrap()
}

/// A project's management token, at its project.
async fn at_home(app: &App, project: &Project) -> Reach {
    app.service.authenticate(&credential(project), "management").await.unwrap().at_home()
}

async fn issue(app: &App, project: ProjectId) -> (Issued, Credential) {
    let permissions = catalogue().parse(["chat"]).unwrap();
    let new = NewToken { name: Name::parse("issued").unwrap(), permissions, subproject: None };
    let issued = app.service.issue(Reach { actor: Actor::Operator, project }, new).await.unwrap();
    let credential = Credential { project: Some(project), secret: issued.secret.clone() };
    (issued, credential)
}

async fn is_accepted(app: &App, credential: &Credential) -> bool {
    match app.service.verify(credential).await {
        Ok(_) => true,
        Err(Error::Unauthenticated) => false,
        Err(error) => panic!("{error}"),
    }
}

/// Lookups and lists may be slow, and others' in the way.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_waits_for_no_lookup(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let database = Database::migrated(backend).await;
    let store = BrokenStore::new(database.open(catalogue()));
    let app = App::start_on(database, store.clone(), Options::default()).await;
    let root = app.root.clone();
    for path in [|_: &Project, id: &str| format!("/api/project/tokens/{id}"), |root: &Project, id: &str| root.token(id)]
    {
        let (issued, credential) = issue(&app, root.id).await;

        let held = store.hold_lookups().await;
        let request = app.authorized(Method::DELETE, &path(&root, &issued.token.id.to_string()), &root);
        let answer = tokio::time::timeout(Duration::from_secs(20), Answer::to(request)).await;
        drop(held);

        assert_eq!(answer.expect("it waits for a lookup").status, 204);
        assert!(!is_accepted(&app, &credential).await);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_too_many_changes_under_way_leaves_others_their_room(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    const OF_ONE_TENANT: usize = 1024;
    let database = Database::migrated(backend).await;
    let store = BrokenStore::new(database.open(catalogue()));
    let app = App::start_on(database, store.clone(), Options::default()).await;
    let (child, other) = (app.subproject("Child").await, app.project("Other", None).await);
    let [from_root, from_child, from_other] =
        [at_home(&app, &app.root).await, at_home(&app, &child).await, at_home(&app, &other).await];
    let (mine, _) = issue(&app, child.id).await;
    let (theirs, credential) = issue(&app, other.id).await;
    let nothing = TokenChange { name: None, permissions: None };
    let held = store.hold_writers().await;

    let changes: Vec<_> = (0..OF_ONE_TENANT)
        .map(|i| {
            let (service, nothing) = (app.service.clone(), nothing.clone());
            let reach = if i % 2 == 0 { from_root } else { from_child };
            tokio::spawn(async move { service.update_token(reach, mine.token.id, &nothing).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    for reach in [from_root, from_child] {
        let refused = app.service.update_token(reach, mine.token.id, &nothing).await;
        assert!(matches!(refused, Err(Error::Overloaded)), "{refused:?}");
    }
    let service = app.service.clone();
    let revoking = tokio::spawn(async move { service.revoke(from_other, theirs.token.id).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!revoking.is_finished(), "it only waits");
    drop(held);

    revoking.await.unwrap().unwrap();
    assert!(!is_accepted(&app, &credential).await);
    for change in changes {
        change.await.unwrap().unwrap();
    }
}

/// Two of the four connections that write, and not one more.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_writes_wait_for_a_row_leaves_others_theirs() {
    const MANY: usize = 100;
    let database = Database::migrated(Backend::Postgres).await;
    let store = database.open_with(catalogue(), LIMIT);
    let app = App::start_on(database, store, Options::default()).await;
    let other = app.project("Other", None).await;
    let (mine, _) = issue(&app, app.root.id).await;
    let (theirs, credential) = issue(&app, other.id).await;
    let (from_root, from_other) = (at_home(&app, &app.root).await, at_home(&app, &other).await);
    let mut holder = app.database.postgres().await;
    let mut holding = holder.begin().await.unwrap();
    sqlx::query("select 1 from projects where id = $1 for update")
        .bind(app.root.id.as_uuid())
        .execute(&mut *holding)
        .await
        .unwrap();
    let rename = TokenChange { name: Some(Name::parse("renamed").unwrap()), permissions: None };
    let changes: Vec<_> = (0..MANY)
        .map(|_| {
            let (service, rename) = (app.service.clone(), rename.clone());
            tokio::spawn(async move { service.update_token(from_root, mine.token.id, &rename).await })
        })
        .collect();
    super::until_sessions_wait_for_a_lock(&app, 2).await;

    app.service.revoke(from_other, theirs.token.id).await.unwrap();
    issue(&app, other.id).await;

    assert!(!is_accepted(&app, &credential).await);
    assert_eq!(super::sessions_that_wait_for_a_lock(&app).await, 2);
    assert!(changes.iter().all(|change| !change.is_finished()), "they still waited");
    holding.rollback().await.unwrap();
    for change in changes {
        change.await.unwrap().unwrap();
    }
}

/// On Postgres, where each request reads its secret's row: many callers of one tenant wait, and their reads are slow.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_many_callers_keeps_none_of_another_from_being_let_in() {
    const MANY: usize = 80;
    let database = Database::migrated(Backend::Postgres).await;
    let store = database.open_with(catalogue(), LIMIT);
    let app = App::start_on(database, store, Options::default()).await;
    let other = app.project("Other", None).await;
    // From now on this process knows of whom these secrets are.
    for project in [&app.root, &other] {
        at_home(&app, project).await;
    }
    app.database
        .execute(
            "create function slow(value bytea) returns bytea stable language plpgsql as $$ begin
                perform pg_advisory_xact_lock_shared(1);
                return value;
            end $$;
            alter table token_secrets rename to kept;
            create view token_secrets as
                select id, token_id, selector, hash, slow(check_bytes) as check_bytes, created_at, proof, proof_key
                from kept",
        )
        .await;
    let mut holding = app.database.postgres().await;
    sqlx::raw_sql("begin; select pg_advisory_xact_lock(1)").execute(&mut holding).await.unwrap();
    let let_in = Arc::<Mutex<Vec<ProjectId>>>::default();
    let (verified, let_in_by_then) = (Arc::new(AtomicUsize::new(MANY)), let_in.clone());
    let ask = |project: &Project| {
        let (service, credential) = (app.service.clone(), credential(project));
        let (project, let_in) = (project.id, let_in.clone());
        tokio::spawn(async move {
            service.authenticate(&credential, "management").await.unwrap();
            let_in.lock().unwrap().push(project);
        })
    };
    let mine: Vec<_> = (0..MANY).map(|_| ask(&app.root)).collect();
    super::until_sessions_wait_for_a_lock(&app, 4).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let theirs = ask(&other);
    let verifying = {
        let (service, credential, verified) = (app.service.clone(), credential(&other), verified.clone());
        tokio::spawn(async move {
            service.verify(&credential).await.unwrap();
            verified.store(let_in_by_then.lock().unwrap().len(), Ordering::SeqCst);
        })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(mine.iter().all(|task| !task.is_finished()));
    sqlx::raw_sql("rollback").execute(&mut holding).await.unwrap();
    verifying.await.unwrap();
    for one in mine.into_iter().chain([theirs]) {
        one.await.unwrap();
    }

    // Four have a connection, and twelve stand in the pool's queue.
    let before = let_in.lock().unwrap().iter().position(|project| *project == other.id).unwrap();
    assert!(before < MANY / 2, "{before} of {MANY} came first");
    let before = verified.load(Ordering::SeqCst);
    assert!(before < MANY / 2, "{before} of {MANY} came before a verification");
}

/// One that takes long, of a column that only management reads.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_many_lookups_leaves_the_next_turn_to_another(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    const MANY: usize = 60;
    let database = Database::migrated(backend).await;
    let store = database.open_with(catalogue(), LIMIT);
    let app = App::start_on(database, store, Options::default()).await;
    let other = app.project("Other", None).await;
    let (from_root, from_other) = (at_home(&app, &app.root).await, at_home(&app, &other).await);
    let slow = match backend {
        Backend::Sqlite => {
            "alter table projects rename to kept;
            create view projects as
                select id, name, parent_id, protect_recordings, protect_message_media, protect_fax_media,
                    force_https_requests, created_at, updated_at, (
                        with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 50000)
                        select case when count(n) > id then 'far' end from numbers
                    ) as region_preference
                from kept"
        }
        Backend::Postgres => {
            "create function slow(value text) returns text stable language plpgsql as $$ begin
                perform pg_sleep(0.02);
                return value;
            end $$;
            alter table projects rename to kept;
            create view projects as
                select id, name, parent_id, slow(region_preference) as region_preference, protect_recordings,
                    protect_message_media, protect_fax_media, force_https_requests, created_at, updated_at
                from kept"
        }
    };
    app.database.execute(slow).await;
    let found = Arc::<Mutex<Vec<ProjectId>>>::default();
    let ask = |reach: Reach| {
        let (service, found) = (app.service.clone(), found.clone());
        tokio::spawn(async move {
            service.find_project(reach).await.unwrap();
            found.lock().unwrap().push(reach.project);
        })
    };
    let mine: Vec<_> = (0..MANY).map(|_| ask(from_root)).collect();
    until(|| !found.lock().unwrap().is_empty()).await;

    ask(from_other).await.unwrap();

    let before = found.lock().unwrap().iter().position(|project| *project == other.id).unwrap();
    assert!(before < MANY / 2, "{before} of {MANY} came first");
    for one in mine {
        one.await.unwrap();
    }
}

async fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LIMIT, "it never comes");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
