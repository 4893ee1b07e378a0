//! What management reads, however slowly, keeps nobody from being verified.

use std::{future::poll_fn, pin::Pin, task::Poll, time::Duration};

use tokensmith::{
    domain::{Project, Tenant},
    error::Error,
};

use super::{credential, until_someone_waits_for_a_lock};
use crate::support::{App, Backend, Database, Options, catalogue};

/// More than there are connections to read with.
const MANY: usize = 12;

/// Longer than these tests take: what fails by it has waited in vain.
const LIMIT: Duration = Duration::from_secs(20);

async fn app(backend: Backend) -> App {
    let database = Database::migrated(backend).await;
    let store = database.open_with(catalogue(), LIMIT);
    App::start_on(database, store, Options::default()).await
}

/// Lookups of a project, in the order in which they began; `None` where one has ended.
struct Reads<'s>(Vec<Option<Lookup<'s>>>);

type Lookup<'s> = Pin<Box<dyn Future<Output = Result<Option<Project>, Error>> + Send + 's>>;

impl<'s> Reads<'s> {
    fn of(app: &'s App) -> Self {
        Self((0..MANY).map(|_| Some(app.store.find_project(Tenant::Operator, app.root.id))).collect())
    }

    /// Carries them on until all have ended.
    async fn end(&mut self) {
        poll_fn(|context| {
            for read in &mut self.0 {
                if let Some(Poll::Ready(found)) = read.as_mut().map(|read| read.as_mut().poll(context)) {
                    assert!(found.unwrap().is_some());
                    *read = None;
                }
            }
            if self.ended() == MANY { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn ended(&self) -> usize {
        self.0.iter().filter(|read| read.is_none()).count()
    }
}

/// Whether a verification that comes behind those reads is done before all of them are.
async fn verify(app: &App, reads: &mut Reads<'_>, first: impl Future<Output = ()>) -> bool {
    let selector = credential(&app.root).secret.selector();
    let verifying = async {
        first.await;
        app.store.find_holder(selector).await.unwrap().is_some()
    };
    // In this order: every one of them has asked for a connection before the verification does.
    tokio::select! {
        biased;
        () = reads.end() => false,
        found = verifying => found,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lookups_that_wait_for_a_lock_keep_nobody_from_being_verified() {
    let app = app(Backend::Postgres).await;
    // A column that only management reads, and that whoever reads it waits for.
    app.database
        .execute(
            "create function slow(value text) returns text stable language plpgsql as $$ begin
                perform pg_advisory_xact_lock_shared(1);
                return value;
            end $$;
            alter table projects rename to kept;
            create view projects as
                select id, name, parent_id, slow(region_preference) as region_preference, protect_recordings,
                    protect_message_media, protect_fax_media, force_https_requests, created_at, updated_at
                from kept",
        )
        .await;
    let mut holding = app.database.postgres().await;
    sqlx::raw_sql("begin; select pg_advisory_xact_lock(1)").execute(&mut holding).await.unwrap();

    // Four connections read, and two of them for management.
    let mut reads = Reads::of(&app);
    assert!(verify(&app, &mut reads, until_someone_waits_for_a_lock(&app, 2)).await);
    // Who hangs up and asks again gets no more of them: what is waited for in vain is not over.
    drop(reads);
    let mut reads = Reads::of(&app);
    assert!(verify(&app, &mut reads, until_someone_waits_for_a_lock(&app, 2)).await);
    assert_eq!(reads.ended(), 0);

    sqlx::raw_sql("rollback").execute(&mut holding).await.unwrap();
    reads.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lookups_that_take_long_keep_nobody_from_being_verified() {
    let app = app(Backend::Sqlite).await;
    // A column that only management reads, and that is counted anew each time.
    app.database
        .execute(
            "alter table projects rename to kept;
            create view projects as
                select id, name, parent_id, protect_recordings, protect_message_media, protect_fax_media,
                    force_https_requests, created_at, updated_at, (
                        with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 300000)
                        select case when count(n) > id then 'far' end from numbers
                    ) as region_preference
                from kept",
        )
        .await;

    let mut reads = Reads::of(&app);
    assert!(verify(&app, &mut reads, async {}).await);

    // Two connections read. If lookups could hold both, all of them but one would have ended first.
    assert!(reads.ended() < MANY / 2, "{} of {MANY} came first", reads.ended());
    reads.end().await;
}
