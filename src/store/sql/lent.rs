//! A connection out of its pool, for one try at one operation.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use sqlx::{Connection, Database, pool::PoolConnection};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{COMMIT_LIMIT, Failure, SqlStore};

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
    /// How long it may take to be in order again. A statement that waits for a lock is waited for, so that those
    /// who give up and try again hold no more connections than the pool may have.
    patience: Duration,
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
    pub(in crate::store) async fn reader(&self, purpose: Purpose) -> Result<Lent<DB>, Failure> {
        let permit = match purpose {
            Purpose::Verification => None,
            Purpose::Management => {
                Some(self.managing.clone().acquire_owned().await.expect("nobody closes the semaphore"))
            }
        };
        self.assert_in_place()?;
        Ok(self.lend(self.readers.acquire().await?, permit))
    }

    /// A connection for what writes.
    pub(in crate::store) async fn writer(&self) -> Result<Lent<DB>, Failure> {
        self.assert_in_place()?;
        Ok(self.lend(self.writer.acquire().await?, None))
    }

    fn lend(&self, connection: PoolConnection<DB>, permit: Option<OwnedSemaphorePermit>) -> Lent<DB> {
        let patience = self.time_limit + COMMIT_LIMIT;
        Lent { connection: Some(connection), permit, runtime: self.runtime.clone(), patience }
    }
}

impl<DB: Database> Lent<DB> {
    /// Gives it back in good order.
    pub(crate) fn give_back(mut self) {
        if let Some(connection) = self.connection.take() {
            self.runtime.spawn(put_back(connection, self.permit.take(), self.patience));
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
        let (permit, patience) = (self.permit.take(), self.patience);
        self.runtime.spawn(async move {
            let in_order = timeout(patience, async { Connection::begin(&mut *connection).await?.rollback().await });
            if matches!(in_order.await, Ok(Ok(()))) {
                put_back(connection, permit, patience).await;
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
