//! One text of SQL for both databases. `projects.rs`, `tokens.rs` and `secrets.rs` hold the statements and stamp
//! them for both by a short macro; what differs (how a transaction begins, how rows are locked) is in
//! `store/postgres.rs` and `store/sqlite.rs` or handed to the stamping macro as a literal.
//!
//! This file, `failure.rs`, `lent.rs` and `pulse.rs` hold what every operation shares: the time limit, the tenants' turns,
//! the retries, the one place where it is decided whether a failed write left nothing behind, and what becomes of its
//! connection.

mod failure;
mod inserts;
mod lent;
mod operator;
mod projects;
mod pulse;
mod records;
mod secrets;
mod tokens;

use std::{
    future::Future,
    sync::{Arc, Weak, atomic::AtomicU64},
    time::Duration,
};

use sqlx::{Database, Pool};
use tokio::{runtime::Handle, time::Instant};
use tokio_util::context::TokioContext;

pub(super) use failure::{Failure, Tries};
pub(super) use inserts::Inserts;
pub(super) use lent::{Purpose, turns_to_authenticate, turns_to_read, turns_to_write};
use lent::{giving, taking};
pub(super) use pulse::Pulse;

use super::{claim::Claim, database_file::DatabaseFile};
use crate::{
    domain::{Catalogue, Tenant},
    error::Error,
    turns::Turns,
};

/// A store on the pools of one database.
pub struct SqlStore<DB: Database> {
    /// For what only reads. On Postgres the same pool as `writer` where there is but one connection.
    pub(super) readers: Pool<DB>,
    /// Whose turn it is to read for management.
    pub(super) to_read: Turns<Tenant>,
    /// Whose turn it is to be let in to management.
    pub(super) to_authenticate: Turns<Tenant>,
    /// For what writes. On SQLite one connection: its one writer.
    pub(super) writer: Pool<DB>,
    /// Whose turn it is to write.
    pub(super) to_write: Turns<Tenant>,
    /// SQLite: the file that both are on.
    pub(super) file: Option<Arc<DatabaseFile>>,
    /// SQLite: how many connections to write were opened so far.
    pub(super) writers_opened: Arc<AtomicU64>,
    /// SQLite: whether this process may remember what it reads.
    pub(super) claim: Option<Claim>,
    /// When the database last answered.
    pub(super) pulse: Arc<Pulse>,
    pub(super) catalogue: Arc<Catalogue>,
    /// Tokens that wait to be written.
    pub(super) inserts: Inserts,
    /// This store, for work that goes on when whoever asked for it has gone.
    pub(super) itself: Weak<Self>,
    /// The last migration that this program knows.
    pub(super) latest: Option<i32>,
    /// How long an operation may take before its commit.
    pub(super) time_limit: Duration,
    /// Where connections live. Each HTTP worker has a runtime of its own that ends before its neighbours' do;
    /// a connection opened there would die with it, in the hands of a neighbour.
    pub(super) runtime: Handle,
}

/// How long a commit may take before its outcome counts as unknown. Longer than the limit before it: by then the
/// work is done, and waiting is worth more than not knowing.
pub(super) const COMMIT_LIMIT: Duration = Duration::from_secs(5);

impl<DB: Database> SqlStore<DB> {
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.time_limit
    }

    /// Whether the database is still the one that was opened.
    pub(super) fn assert_in_place(&self) -> Result<(), Error> {
        self.file.as_ref().map_or(Ok(()), |file| file.assert_in_place())
    }

    /// The error of an operation that is not tried again.
    pub(super) fn give_up(&self, failure: Failure) -> Error {
        if matches!(failure, Failure::Late(_)) {
            self.pulse.missed();
        }
        failure.into_error()
    }

    pub(super) fn at_home<F: Future>(&self, work: F) -> TokioContext<F> {
        TokioContext::new(work, self.runtime.clone())
    }
}

/// Runs a block that reads for that purpose, within the time limit, and again where a connection turns out to be broken.
macro_rules! read {
    ($store:expr, $purpose:expr, |$connection:ident| $work:expr) => {{
        let store = $store;
        let deadline = store.deadline();
        let mut tries = $crate::store::sql::Tries::on_a_pool_of(store.readers.options().get_max_connections());
        loop {
            let attempt = store.at_home(tokio::time::timeout_at(deadline, async {
                let mut lent = store.reader($purpose, deadline).await?;
                let $connection = &mut *lent;
                let value = $work;
                lent.give_back();
                Ok::<_, $crate::store::sql::Failure>(value)
            }));
            match attempt.await {
                Ok(Ok(value)) => break Ok(value),
                Ok(Err(failure)) if tries.again(&failure) => {}
                Ok(Err(failure)) => break Err(store.give_up(failure)),
                Err(elapsed) => break Err(store.give_up(elapsed.into())),
            }
        }
    }};
}

/// Runs a block in a transaction of its own, when its place in the queue has come, within the time limit, and commits it.
/// A refusal rolls back. What failed before the commit left nothing behind, so it may be tried again and be answered as
/// such; what failed in the commit is an unknown outcome.
macro_rules! write {
    ($store:expr, $place:expr, |$tx:ident| $work:expr) => {
        $crate::store::sql::write!($store, $place, by $store.deadline(), |$tx| $work)
    };
    ($store:expr, $place:expr, by $deadline:expr, |$tx:ident| $work:expr) => {{
        let store = $store;
        let deadline = $deadline;
        let mut tries = $crate::store::sql::Tries::on_a_pool_of(store.writer.options().get_max_connections());
        loop {
            let attempt = store.at_home(async {
                let mut lent = store.writer($place, deadline).await?;
                let work = async {
                    let mut transaction = store.begin(&mut lent).await?;
                    let $tx = &mut *transaction;
                    let value = $work;
                    Ok::<_, $crate::store::sql::Failure>((transaction, value))
                };
                let (transaction, value) = tokio::time::timeout_at(deadline, work).await??;
                let commit = tokio::time::timeout($crate::store::sql::COMMIT_LIMIT, transaction.commit());
                let committed = commit.await;
                if matches!(committed, Ok(Ok(()))) {
                    lent.give_back();
                }
                Ok::<_, $crate::store::sql::Failure>((committed, value))
            });
            match attempt.await {
                Ok((Ok(Ok(())), value)) => break Ok(value),
                Ok((Ok(Err(error)), _)) => {
                    let cause = $crate::store::explain::Explained::from(error);
                    break Err($crate::error::Error::OutcomeUnknown(cause.into()));
                }
                Ok((Err(elapsed), _)) => {
                    store.pulse.missed();
                    break Err($crate::error::Error::OutcomeUnknown(elapsed.into()));
                }
                Err(failure) if tries.again(&failure) => {}
                Err(failure) => break Err(store.give_up(failure)),
            }
        }
    }};
}

pub(super) use {read, write};
