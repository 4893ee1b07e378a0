//! Operations that are cut short: by whoever asked, by the line, by the server.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use rstest::rstest;
use tokensmith::{
    domain::{Actor, Project, ProjectId, Tenant, TokenId},
    error::Error,
    store::{Store, TokenRows, postgres},
};

use super::{
    assert_whole,
    contract::{row, rows_for},
    operator, unheard, until_someone_waits_for_a_lock,
};
use crate::support::{App, Backend, CutAt, Database, Line, catalogue};

/// How long to wait for what should come at once, on a busy machine.
const SLACK: Duration = Duration::from_secs(10);

/// A store by a line of its own, and a project to write to.
async fn by_line(database: &Database, time_limit: Duration) -> (Line, Arc<dyn Store>, Project) {
    by_line_asked_after(postgres::FRESH_FOR, database, time_limit).await
}

/// The same, whose connections are asked whether they are there when they were idle for so long.
async fn by_line_asked_after(
    fresh_for: Duration,
    database: &Database,
    time_limit: Duration,
) -> (Line, Arc<dyn Store>, Project) {
    let line = Line::to(database).await;
    let options = postgres::Options { connect: line.options(), max_connections: 2, time_limit, fresh_for };
    let store = postgres::open(&options, Arc::new(catalogue()));
    let project = row(None);
    store.create_project(Actor::Operator, &project, None, None, 1000).await.unwrap();
    (line, store, project)
}

/// Writes a token; its id goes with the answer.
async fn write(store: &dyn Store, project: ProjectId) -> (TokenId, Result<(), Error>) {
    let (token, secret) = rows_for(project);
    (
        token.id,
        store.insert_token(Actor::Operator, TokenRows { token: &token, secret: &secret }, 10_000, unheard()).await,
    )
}

/// Polls so many times and gives up, unless the work is done by then.
async fn give_up_after<F: Future>(polls: u32, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(|context| {
        left -= 1;
        match work.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

async fn assert_nothing_is_left_open(database: &Database) {
    const OPEN: &str = "select count(*) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'";
    let began = Instant::now();
    while database.count(OPEN).await > 0 {
        assert!(began.elapsed() < SLACK / 2, "a transaction was left open");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_given_up_at_any_point_leaves_nothing_open(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = Database::migrated(backend).await;
    let store = database.open(catalogue());
    let project = row(None);
    store.create_project(Actor::Operator, &project, None, None, 1000).await.unwrap();

    // A few times over: how far so many polls go is a matter of luck.
    for polls in (1..16).cycle().take(120) {
        let subproject = row(Some(project.id));
        let creating = store.create_project(Actor::Operator, &subproject, None, None, 1000);
        if let Some(written) = give_up_after(polls, creating).await {
            written.unwrap();
        }
        // One that is issued waits in a queue of its own.
        if let Some((_, written)) = give_up_after(polls, write(&*store, project.id)).await {
            written.unwrap();
        }
        if backend == Backend::Postgres {
            assert_nothing_is_left_open(&database).await;
        }
        write(&*store, project.id).await.1.unwrap();
    }
    assert_whole(&database).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_given_up_at_any_point_leaves_a_store_that_reads(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = Database::migrated(backend).await;
    let store = database.open(catalogue());
    let project = row(None);
    store.create_project(Actor::Operator, &project, None, None, 1000).await.unwrap();

    for polls in (1..8).cycle().take(56) {
        let _given_up = give_up_after(polls, store.find_project(Tenant::Operator, project.id)).await;
        assert_eq!(store.find_project(Tenant::Operator, project.id).await.unwrap(), Some(project.clone()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_before_the_commit_is_not_noticed() {
    let database = Database::migrated(Backend::Postgres).await;
    for text in ["BEGIN", "update projects", "insert into tokens", "insert into token_secrets"] {
        for how in [CutAt::Before, CutAt::After] {
            let (line, store, project) = by_line(&database, SLACK).await;
            line.cut(text, how);

            let (_, written) = write(&*store, project.id).await;

            written.unwrap();
            assert!(line.has_been_cut(), "{text}");
            assert_eq!(store.count_holdings(project.id).await.unwrap().tokens, 1, "{text} {how:?}");
            assert_whole(&database).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_an_unknown_outcome_and_is_not_repeated() {
    let database = Database::migrated(Backend::Postgres).await;
    let (line, store, project) = by_line(&database, SLACK).await;
    for (how, happened) in [(CutAt::Before, false), (CutAt::After, true)] {
        line.cut("COMMIT", how);

        let (id, written) = write(&*store, project.id).await;

        assert!(matches!(written, Err(Error::OutcomeUnknown(_))), "{written:?}");
        assert_eq!(store.find_any_token(Tenant::Operator, id).await.unwrap().is_some(), happened);
        assert_whole(&database).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_behind_a_commit_that_is_not_answered_is_told_in_time_and_never_written() {
    let limit = Duration::from_secs(1);
    let database = Database::migrated(Backend::Postgres).await;
    let (line, store, project) = by_line(&database, limit).await;
    line.cut("COMMIT", CutAt::Silently);
    let first = {
        let (store, project) = (store.clone(), project.id);
        tokio::spawn(async move { write(&*store, project).await })
    };
    while !line.has_been_cut() {
        tokio::task::yield_now().await;
    }

    let (id, late) = write(&*store, project.id).await;

    assert!(matches!(late, Err(Error::StoreAway(_))), "{late:?}");
    assert!(!first.is_finished(), "nobody knows yet whether it is committed");
    let (_, first) = first.await.unwrap();
    assert!(matches!(first, Err(Error::OutcomeUnknown(_))), "{first:?}");
    assert_eq!(store.find_any_token(Tenant::Operator, id).await.unwrap(), None);
    assert_whole(&database).await;
}

/// The one that reads and the one that writes: a failure of either is enough to doubt both. They go silent while they may still
/// be asked whether they are in order, or when they have been idle for a moment, which nobody can be asked.
#[rstest]
#[case::while_they_are_asked(Duration::ZERO)]
#[case::while_they_are_idle(Duration::from_millis(300))]
#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_cost_one_answer_and_are_replaced(#[case] idle_for: Duration) {
    let limit = Duration::from_secs(2);
    let database = Database::migrated(Backend::Postgres).await;
    let (line, store, project) = by_line(&database, limit).await;
    let (left, right) = tokio::join!(write(&*store, project.id), write(&*store, project.id));
    left.1.unwrap();
    right.1.unwrap();
    store.find_project(Tenant::Operator, project.id).await.unwrap().unwrap();

    tokio::time::sleep(idle_for).await;
    line.silence();
    let began = Instant::now();
    let (_, written) = write(&*store, project.id).await;

    assert!(matches!(written, Err(Error::StoreAway(_))), "{written:?}");
    assert!(began.elapsed() < limit + SLACK);
    store.find_project(Tenant::Operator, project.id).await.unwrap().unwrap();
    write(&*store, project.id).await.1.unwrap();
    assert_eq!(store.count_holdings(project.id).await.unwrap().tokens, 3);
    assert_whole(&database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_that_were_idle_cost_no_answer() {
    let database = Database::migrated(Backend::Postgres).await;
    let (line, store, project) = by_line_asked_after(Duration::ZERO, &database, SLACK).await;
    store.find_project(Tenant::Operator, project.id).await.unwrap().unwrap();

    line.silence();

    store.find_project(Tenant::Operator, project.id).await.unwrap().unwrap();
    write(&*store, project.id).await.1.unwrap();
}

/// A pooler between may leave out what it does not know.
#[tokio::test(flavor = "multi_thread")]
async fn writes_are_durable_where_start_up_options_are_dropped() {
    let database = Database::migrated(Backend::Postgres).await;
    database
        .execute(
            "do $$ begin
                execute format('alter database %I set synchronous_commit = off', current_database());
            end $$;
            create table seen (synchronous_commit text, lock_timeout text);
            create function look() returns trigger language plpgsql as $$ begin
                insert into seen values (current_setting('synchronous_commit'), current_setting('lock_timeout'));
                return null;
            end $$;
            create trigger look after insert on tokens for each row execute function look()",
        )
        .await;
    let line = Line::to(&database).await;
    line.drop_start_up_options();
    let connect = line.options();
    let fresh_for = postgres::FRESH_FOR;
    let options = postgres::Options { connect, max_connections: 2, time_limit: SLACK, fresh_for };
    let store = postgres::open(&options, Arc::new(catalogue()));
    let project = row(None);
    store.create_project(Actor::Operator, &project, None, None, 1000).await.unwrap();

    write(&*store, project.id).await.1.unwrap();

    let seen = "select count(*) from seen where synchronous_commit = 'on'";
    assert_eq!(database.count(seen).await, 1);
    assert_eq!(database.count("select count(*) from seen where lock_timeout = '0'").await, 1, "none was dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_server_ends_for_idleness_are_not_missed() {
    let database = Database::migrated(Backend::Postgres).await;
    database
        .execute(
            "do $$ begin
                execute format('alter database %I set idle_session_timeout = 50', current_database());
            end $$",
        )
        .await;
    let (_line, store, project) = by_line(&database, SLACK).await;

    const THERE: &str = "select count(*) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'";
    let began = Instant::now();
    while database.count(THERE).await > 0 {
        assert!(began.elapsed() < SLACK, "the server does not end it");
    }

    store.find_project(Tenant::Operator, project.id).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_revocations_of_a_projects_last_token_are_one_that_did_it_and_one_that_finds_nothing() {
    let app = App::start(Backend::Postgres).await;
    let reach = operator(app.root.id);
    let token = TokenId::parse(&app.root.token_id).unwrap();
    // Both have found the token and wait for its project.
    let mut holding = app.database.postgres().await;
    sqlx::raw_sql("begin; select 1 from projects for update").execute(&mut holding).await.unwrap();
    let revoking = [app.service.clone(), app.service.clone()]
        .map(|service| tokio::spawn(async move { service.revoke(reach, token).await }));
    until_someone_waits_for_a_lock(&app, 2).await;
    sqlx::raw_sql("rollback").execute(&mut holding).await.unwrap();

    let mut answers = Vec::new();
    for task in revoking {
        answers.push(task.await.unwrap());
    }

    answers.sort_by_key(Result::is_err);
    assert!(matches!(&answers[..], [Ok(()), Err(Error::TokenNotFound)]), "{answers:?}");
    assert_whole(&app.database).await;
}
