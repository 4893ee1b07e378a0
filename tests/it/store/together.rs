//! Tokens of one project that come while another of its transactions is under way: written together, told apart.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rstest::rstest;
use sqlx::Connection;
use tokensmith::{
    domain::{Actor, StoredSecret, Token},
    error::Error,
    store::TokenRows,
};
use tokio::task::JoinHandle;

use super::{assert_whole, contract::rows_for, credential, issue, operator, unheard};
use crate::support::{App, Backend, Database, Holder, Options, Project, catalogue};

/// How long what is to wait is given to begin.
const BEGUN: Duration = Duration::from_millis(300);

/// Begins to write it.
fn insert(app: &App, actor: Actor, rows: &(Token, StoredSecret), limit: u64) -> JoinHandle<Result<(), Error>> {
    let (store, (token, secret)) = (app.store.clone(), rows.clone());
    tokio::spawn(async move {
        store.insert_token(actor, TokenRows { token: &token, secret: &secret }, limit, unheard()).await
    })
}

/// What one of those that wait is refused for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    None,
    /// Its caller is dead.
    Dead,
    /// Its caller holds no `management` any more.
    Weak,
    /// Its selector is another's.
    Taken,
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn those_that_wait_are_written_together_and_one_that_is_refused_takes_none_with_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values(Refusal::None, Refusal::Dead, Refusal::Weak, Refusal::Taken)] refusal: Refusal,
) {
    let app = App::start(backend).await;
    let stranger = app.project("Stranger", None).await;
    let caller = app.service.authenticate(&credential(&app.root), "management").await.unwrap();
    let alive = app.service.reach(&caller, app.root.id).await.unwrap().actor;
    let weak = issue(&app.service, app.root.id, "no manager").await;
    let weak_secret = app.store.find_holder(weak.secret.selector()).await.unwrap().unwrap().secret;
    let mut one = rows_for(app.root.id);
    let actor = match refusal {
        Refusal::None | Refusal::Taken => Actor::Operator,
        Refusal::Dead => Actor::Token { token: one.0.id, secret: one.1.id, root: app.root.id },
        Refusal::Weak => Actor::Token { token: weak.token.id, secret: weak_secret, root: app.root.id },
    };
    if refusal == Refusal::Taken {
        one.1.selector = weak.secret.selector();
    }

    let holder = Holder::of(&app.database, backend).await;
    // The first begins alone; what comes after it waits.
    let first = insert(&app, Actor::Operator, &rows_for(app.root.id), 1000);
    tokio::time::sleep(BEGUN).await;
    let ten = |actors: [Actor; 2]| -> Vec<_> {
        (0..10).map(|i| insert(&app, actors[i % 2], &rows_for(app.root.id), 1000)).collect()
    };
    let before = ten([Actor::Operator, alive]);
    tokio::time::sleep(BEGUN).await;
    let one = insert(&app, actor, &one, 1000);
    let elsewhere = insert(&app, Actor::Operator, &rows_for(stranger.id), 1000);
    tokio::time::sleep(BEGUN).await;
    let after = ten([alive, Actor::Operator]);
    tokio::time::sleep(BEGUN).await;
    assert!(!first.is_finished() && before.iter().all(|task| !task.is_finished()));
    holder.let_go().await;

    first.await.unwrap().unwrap();
    for task in before.into_iter().chain(after) {
        task.await.unwrap().unwrap();
    }
    elsewhere.await.unwrap().unwrap();
    let told = one.await.unwrap();
    let is_as_expected = match refusal {
        Refusal::None => told.is_ok(),
        Refusal::Dead => matches!(told, Err(Error::Unauthenticated)),
        Refusal::Weak => matches!(told, Err(Error::PermissionMissing { .. })),
        Refusal::Taken => matches!(told, Err(Error::SelectorTaken)),
    };
    assert!(is_as_expected, "{told:?}");
    if backend == Backend::Postgres && refusal == Refusal::None {
        const TRANSACTIONS: &str = "select count(distinct t.xmin::text) from tokens t
            join projects p on p.id = t.project_id where t.name = 'token' and p.name <> 'Stranger'";
        assert_eq!(app.database.count(TRANSACTIONS).await, 2);
    }
    // The root's own, the weak one, the first, and ten twice.
    let written = u64::from(refusal == Refusal::None);
    assert_eq!(app.store.count_holdings(app.root.id).await.unwrap().tokens, 3 + 20 + written);
    assert_eq!(app.store.count_holdings(stranger.id).await.unwrap().tokens, 2);
    assert_whole(&app.database).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_those_that_wait_as_many_are_written_as_the_limit_leaves_room_for(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let holder = Holder::of(&app.database, backend).await;
    let tasks: Vec<_> = (0..12).map(|_| insert(&app, Actor::Operator, &rows_for(app.root.id), 8)).collect();
    tokio::time::sleep(BEGUN).await;
    holder.let_go().await;

    let mut written = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => written += 1,
            Err(Error::TokenLimitReached { limit: 8 }) => {}
            Err(error) => panic!("{error}"),
        }
    }

    // The root's own token is there already.
    assert_eq!(written, 7);
    assert_whole(&app.database).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_those_that_wait_each_keeps_to_its_own_limit(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let holder = Holder::of(&app.database, backend).await;
    let mut roomy = Vec::new();
    for _ in 0..2 {
        roomy.push(insert(&app, Actor::Operator, &rows_for(app.root.id), 1000));
        tokio::time::sleep(BEGUN).await;
    }
    let narrow: Vec<_> = (0..10).map(|_| insert(&app, Actor::Operator, &rows_for(app.root.id), 4)).collect();
    tokio::time::sleep(BEGUN).await;
    holder.let_go().await;

    for task in roomy {
        task.await.unwrap().unwrap();
    }
    let mut written = 0;
    for task in narrow {
        written += u32::from(task.await.unwrap().is_ok());
    }

    // The root's own token and the roomy ones are three.
    assert_eq!(written, 1);
    assert_whole(&app.database).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_while_waiting_is_not_written(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let app = App::start(backend).await;
    let holder = Holder::of(&app.database, backend).await;
    let first = insert(&app, Actor::Operator, &rows_for(app.root.id), 1000);
    tokio::time::sleep(BEGUN).await;
    let called = Arc::new(AtomicU64::new(0));
    let gone: Vec<_> = (0..5)
        .map(|_| {
            let (store, (token, secret), called) = (app.store.clone(), rows_for(app.root.id), called.clone());
            tokio::spawn(async move {
                let rows = TokenRows { token: &token, secret: &secret };
                let written = Box::new(move || {
                    called.fetch_add(1, Ordering::SeqCst);
                });
                store.insert_token(Actor::Operator, rows, 1000, written).await
            })
        })
        .collect();
    let stays = insert(&app, Actor::Operator, &rows_for(app.root.id), 1000);
    tokio::time::sleep(BEGUN).await;
    for task in gone {
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }
    holder.let_go().await;

    first.await.unwrap().unwrap();
    stays.await.unwrap().unwrap();
    assert_eq!(app.store.count_holdings(app.root.id).await.unwrap().tokens, 3);
    assert_eq!(called.load(Ordering::SeqCst), 0, "nobody is told of what was not written");
    assert_whole(&app.database).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_too_long_is_told_so_and_nothing_is_written_for_them(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = Database::migrated(backend).await;
    let store = database.open_with(catalogue(), Duration::from_secs(2));
    let app = App::start_on(database, store, Options::default()).await;
    let before = app.database.rows().await;
    let holder = Holder::of(&app.database, backend).await;
    let tasks: Vec<_> = (0..5).map(|_| insert(&app, Actor::Operator, &rows_for(app.root.id), 1000)).collect();
    tokio::time::sleep(BEGUN).await;
    let late: Vec<_> = (0..5).map(|_| insert(&app, Actor::Operator, &rows_for(app.root.id), 1000)).collect();

    for task in tasks.into_iter().chain(late) {
        let told = task.await.unwrap();
        assert!(matches!(told, Err(Error::StoreAway(_))), "{told:?}");
    }
    holder.let_go().await;

    assert_eq!(app.database.rows().await, before);
    app.service.issue(operator(app.root.id), super::new_token("works again")).await.unwrap();
    assert_whole(&app.database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_waits_keeps_no_other_from_being_written_to() {
    let app = App::start(Backend::Postgres).await;
    let other = app.project("Other", None).await;
    let mut holder = app.database.postgres().await;
    let mut transaction = holder.begin().await.unwrap();
    sqlx::query("select 1 from projects where id = $1 for update")
        .bind(app.root.id.as_uuid())
        .execute(&mut *transaction)
        .await
        .unwrap();
    // Far more than there are connections.
    let waiting: Vec<_> = (0..100).map(|_| insert(&app, Actor::Operator, &rows_for(app.root.id), 1000)).collect();
    tokio::time::sleep(BEGUN).await;

    issue(&app.service, other.id, "at once").await;

    assert!(waiting.iter().all(|task| !task.is_finished()), "they still waited");
    transaction.rollback().await.unwrap();
    for task in waiting {
        task.await.unwrap().unwrap();
    }
    assert_whole(&app.database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_never_waits_for_a_row_that_somebody_changes() {
    let app = App::start(Backend::Postgres).await;
    let other = app.project("Other", None).await;
    let [held, free] = [&app.root, &other].map(|project| credential(project).secret.selector());
    let held = app.store.find_holder(held).await.unwrap().unwrap();
    let free = app.store.find_holder(free).await.unwrap().unwrap();
    let mut holder = app.database.postgres().await;
    let mut transaction = holder.begin().await.unwrap();
    sqlx::query("select 1 from token_secrets where id = $1 for share")
        .bind(held.secret.as_uuid())
        .execute(&mut *transaction)
        .await
        .unwrap();

    let one = tokensmith::domain::Proof::new([1; 8], [2; 32]);
    let proofs = [&held, &free].map(|row| super::contract::made(row.secret, &row.hash, &one));

    assert_eq!(app.store.keep_proofs(&proofs).await.unwrap(), 1);
    transaction.rollback().await.unwrap();
    assert_eq!(app.store.keep_proofs(&proofs).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_caller_of_those_that_are_written_together_lives_until_their_commit() {
    let app = App::start(Backend::Postgres).await;
    let child = app.subproject("Child").await;
    let mut callers = Vec::new();
    for _ in 0..2 {
        let (id, secret) = app.issue(&app.root, &["management"]).await;
        let project = Project { id: app.root.id, token_id: id, secret };
        let caller = app.service.authenticate(&credential(&project), "management").await.unwrap();
        callers.push((super::token_id(&project), app.service.reach(&caller, child.id).await.unwrap().actor));
    }
    let [(_, one), (victim, two)] = callers[..] else { unreachable!() };
    let (first, [third, fourth]) = (rows_for(child.id), [(); 2].map(|()| rows_for(child.id)));
    let mut in_the_way = app.database.postgres().await;
    let mut in_the_way = in_the_way.begin().await.unwrap();
    sqlx::query(
        "insert into token_secrets (id, token_id, selector, hash, check_bytes, created_at)
        select gen_random_uuid(), $1, $2, '', '\\x0000', 0",
    )
    .bind(super::token_id(&app.root).as_uuid())
    .bind(fourth.1.selector.as_bytes())
    .execute(&mut *in_the_way)
    .await
    .unwrap();

    let holder = Holder::of(&app.database, Backend::Postgres).await;
    let first = insert(&app, Actor::Operator, &first, 1000);
    tokio::time::sleep(BEGUN).await;
    let together = [insert(&app, one, &third, 1000), insert(&app, two, &fourth, 1000)];
    tokio::time::sleep(BEGUN).await;
    holder.let_go().await;
    first.await.unwrap().unwrap();
    super::until_someone_waits_for_a_lock(&app, 1).await;
    let (service, root) = (app.service.clone(), app.root.id);
    let revoking = tokio::spawn(async move { service.revoke(operator(root), victim).await });
    super::until_someone_waits_for_a_lock(&app, 2).await;
    assert!(!revoking.is_finished() && together.iter().all(|task| !task.is_finished()));
    in_the_way.rollback().await.unwrap();

    for task in together {
        task.await.unwrap().unwrap();
    }
    revoking.await.unwrap().unwrap();
    assert_whole(&app.database).await;
}
