//! A connection out of its pool, for one try at one operation.

use std::{
    future::Future,
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use sqlx::{Connection, Database, Pool, pool::PoolConnection};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};

use super::{Failure, Pulse, SqlStore};

/// A connection that is in use. Whoever carried the work on it to its end gives it back. Dropped half way, because
/// the time was up, the client had gone or a statement failed, it may still owe an answer, or stand in a
/// transaction whose beginning nobody heard of: it goes back to the pool only after a transaction of no content
/// has shown that it is in order, and is closed if that takes too long.
pub(crate) struct Lent<DB: Database> {
    /// `None` once it was given back.
    connection: Option<PoolConnection<DB>>,
    /// What it was lent on, if that took one. Let go only when the pool has the connection back or it is closed: a read
    /// that was given up may keep it busy for a while.
    permit: Option<OwnedSemaphorePermit>,
    runtime: Handle,
    /// When the operation must be done. A statement that waits for a lock is waited for until then, so that clients who
    /// hang up and try again hold no more connections than the pool may have.
    deadline: Instant,
    pulse: Arc<Pulse>,
}

/// What a connection is to read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// For an answer that everybody waits for, whosever token it is; or to know whether there can be one.
    Verification,
    /// For everything else.
    Management,
}

/// Permits to read for management: for half of so many connections, rounded down. However slow such reads are, the
/// others verify. Of a single connection nothing can be kept back, so that management may hold that one.
pub(in crate::store) fn share_of_management(readers: u32) -> Arc<Semaphore> {
    Arc::new(Semaphore::new((readers / 2).max(1) as usize))
}

impl<DB: Database> SqlStore<DB> {
    /// A connection for what only reads.
    pub(in crate::store) async fn reader(&self, purpose: Purpose, deadline: Instant) -> Result<Lent<DB>, Failure> {
        let lend = async {
            let permit = match purpose {
                Purpose::Verification => None,
                Purpose::Management => {
                    Some(self.managing.clone().acquire_owned().await.expect("nobody closes the semaphore"))
                }
            };
            self.lend(&self.readers, permit, deadline).await
        };
        self.in_time(deadline, lend).await
    }

    /// A connection for what writes.
    pub(in crate::store) async fn writer(&self, deadline: Instant) -> Result<Lent<DB>, Failure> {
        self.in_time(deadline, self.lend(&self.writer, None, deadline)).await
    }

    /// Waits for a connection. Where the time is up and the database has answered others meanwhile, it is busy, not away.
    async fn in_time(
        &self,
        deadline: Instant,
        lend: impl Future<Output = Result<Lent<DB>, Failure>>,
    ) -> Result<Lent<DB>, Failure> {
        let before = self.pulse.answers();
        let lent = timeout_at(deadline, lend).await.map_err(Failure::from).flatten();
        match lent {
            Err(Failure::Late(_) | Failure::Sql(sqlx::Error::PoolTimedOut)) if self.pulse.answers() > before => {
                Err(Failure::Busy)
            }
            lent => lent,
        }
    }

    async fn lend(
        &self,
        pool: &Pool<DB>,
        permit: Option<OwnedSemaphorePermit>,
        deadline: Instant,
    ) -> Result<Lent<DB>, Failure> {
        self.assert_in_place()?;
        if let Some(file) = &self.file {
            file.hold().await?;
        }
        let connection = pool.acquire().await?;
        let (runtime, pulse) = (self.runtime.clone(), self.pulse.clone());
        Ok(Lent { connection: Some(connection), permit, runtime, deadline, pulse })
    }
}

impl<DB: Database> Lent<DB> {
    /// Gives it back in good order.
    pub(crate) fn give_back(mut self) {
        if let Some(connection) = self.connection.take() {
            self.pulse.answered();
            self.runtime.spawn(put_back(connection, self.permit.take(), self.pulse.grace()));
        }
    }
}

impl<DB: Database> Deref for Lent<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &Self::Target {
        self.connection.as_ref().expect("it is gone only once it was given back")
    }
}

impl<DB: Database> DerefMut for Lent<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.connection.as_mut().expect("it is gone only once it was given back")
    }
}

impl<DB: Database> Drop for Lent<DB> {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let (permit, grace) = (self.permit.take(), self.pulse.grace());
        let until = self.deadline.max(Instant::now()) + grace;
        self.runtime.spawn(async move {
            let in_order = timeout_at(until, async { Connection::begin(&mut *connection).await?.rollback().await });
            if matches!(in_order.await, Ok(Ok(()))) {
                put_back(connection, permit, grace).await;
            } else {
                // Nothing is said to the other end: it may not be listening.
                drop(connection.detach());
            }
        });
    }
}

/// The pool asks each connection that comes back whether it still answers, and waits for that without end; one on a
/// network that has gone silent would keep its place for ever. What takes too long is closed.
async fn put_back<DB: Database>(
    mut connection: PoolConnection<DB>,
    permit: Option<OwnedSemaphorePermit>,
    patience: Duration,
) {
    // What the pool does when a connection is dropped, where it cannot be given up.
    let _closed = timeout(patience, connection.return_to_pool()).await;
    drop(permit);
}
