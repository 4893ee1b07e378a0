//! A connection out of its pool, for one try at one operation.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use sqlx::{Connection, Database, pool::PoolConnection};
use tokio::{runtime::Handle, time::timeout};

use super::{COMMIT_LIMIT, Failure, SqlStore};

/// A connection that is in use. Whoever carried the work on it to its end gives it back. Dropped half way, because
/// the time was up, the client had gone or a statement failed, it may still owe an answer, or stand in a
/// transaction whose beginning nobody heard of: it goes back to the pool only after a transaction of no content
/// has shown that it is in order, and is closed if that takes too long.
pub(crate) struct Lent<DB: Database> {
    /// `None` once it was given back.
    connection: Option<PoolConnection<DB>>,
    runtime: Handle,
    /// How long it may take to be in order again. A statement that waits for a lock is waited for, so that those
    /// who give up and try again hold no more connections than the pool may have.
    patience: Duration,
}

impl<DB: Database> SqlStore<DB> {
    /// A connection for what only reads.
    pub(in crate::store) async fn reader(&self) -> Result<Lent<DB>, Failure> {
        self.assert_in_place()?;
        Ok(self.lend(self.readers.acquire().await?))
    }

    /// A connection for what writes.
    pub(in crate::store) async fn writer(&self) -> Result<Lent<DB>, Failure> {
        self.assert_in_place()?;
        Ok(self.lend(self.writer.acquire().await?))
    }

    fn lend(&self, connection: PoolConnection<DB>) -> Lent<DB> {
        let patience = self.time_limit + COMMIT_LIMIT;
        Lent { connection: Some(connection), runtime: self.runtime.clone(), patience }
    }
}

impl<DB: Database> Lent<DB> {
    /// Gives it back in good order.
    pub(crate) fn give_back(mut self) {
        if let Some(connection) = self.connection.take() {
            self.runtime.spawn(put_back(connection, self.patience));
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
        let patience = self.patience;
        self.runtime.spawn(async move {
            let in_order = timeout(patience, async { Connection::begin(&mut *connection).await?.rollback().await });
            if matches!(in_order.await, Ok(Ok(()))) {
                put_back(connection, patience).await;
            } else {
                // Nothing is said to the other end: it may not be listening.
                drop(connection.detach());
            }
        });
    }
}

/// The pool asks each connection that comes back whether it still answers, and waits for that without end; one on a
/// network that has gone silent would keep its place for ever. What takes too long is closed.
async fn put_back<DB: Database>(mut connection: PoolConnection<DB>, patience: Duration) {
    // What the pool does when a connection is dropped, where it cannot be given up.
    let _closed = timeout(patience, connection.return_to_pool()).await;
}
