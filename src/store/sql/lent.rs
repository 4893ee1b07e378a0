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
    time::{Instant, timeout, timeout_at},
};

use super::{Failure, Pulse, SqlStore};
use crate::{
    domain::{Actor, Tenant},
    turns::{Bounds, Rank, Turn, Turns},
};

/// A connection that is in use. Whoever carried the work on it to its end gives it back. Dropped half way, because
/// the time was up, the client had gone or a statement failed, it may still owe an answer, or stand in a
/// transaction whose beginning nobody heard of: it goes back to the pool only after a transaction of no content
/// has shown that it is in order, and is closed if that takes too long.
pub(crate) struct Lent<DB: Database> {
    /// `None` once it was given back.
    connection: Option<PoolConnection<DB>>,
    /// The turn that it was lent on, if that took one. It ends only when the pool has the connection back or it is closed:
    /// work that was given up may keep it busy for a while.
    turn: Option<Turn<Tenant>>,
    /// Whether the turn ends with the deadline in any case: the statements of a write have ended by then, or the database has
    /// gone silent, and the tenant does not wait for that as well.
    ends_in_time: bool,
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
    /// To let a caller of management in, on behalf of the tenant that its secret was of before.
    Authentication(Tenant),
    /// For everything else, on behalf of a tenant.
    Management(Tenant),
}

/// How many of one tenant may wait to read, and how many to write. More are told to come again. Many, because one that
/// waits costs little, and one that is refused at once may come again at once.
const WAITING: usize = 1024;

/// Turns to read for management: half of so many connections, rounded down. However slow such reads are, the others
/// verify. Of a single connection nothing can be kept back, so that management may hold that one. A tenant may have all of
/// them, because no read waits for another.
pub(in crate::store) fn turns_to_read(readers: u32) -> Turns<Tenant> {
    let at_once = (readers / 2).max(1) as usize;
    Turns::new(Bounds { at_once, each: at_once, waiting: WAITING })
}

/// Turns to read the secrets of callers of management. Where each request reads its secret's row, those of one tenant would
/// else stand before all others in the pool's queue, and before verification. Some for each of so many connections, so that
/// no connection is idle while a task whose turn has come is on its way to it: with one for each, Postgres let in a tenth as
/// many callers (2026-11, 800 connections on 2 cores).
pub(in crate::store) fn turns_to_authenticate(readers: u32) -> Turns<Tenant> {
    const FOR_EACH: u32 = 4;
    let at_once = (readers * FOR_EACH).max(1) as usize;
    Turns::new(Bounds { at_once, each: at_once, waiting: WAITING })
}

/// Turns to write, on so many connections. A tenant has half of them at most, rounded down but at least one, because its
/// writes wait for each other's rows with their connections in hand.
pub(in crate::store) fn turns_to_write(writers: u32) -> Turns<Tenant> {
    let at_once = writers.max(1) as usize;
    Turns::new(Bounds { at_once, each: (at_once / 2).max(1), waiting: WAITING })
}

/// The place in the queue of a write that takes something away, or replaces it.
pub(super) fn taking(actor: Actor) -> (Tenant, Rank) {
    (actor.tenant(), Rank::First)
}

/// The place in the queue of a write that only adds something, or can wait.
pub(super) fn giving(actor: Actor) -> (Tenant, Rank) {
    (actor.tenant(), Rank::Later)
}

impl<DB: Database> SqlStore<DB> {
    /// A connection for what only reads, but for verification when the tenant's turn has come.
    pub(in crate::store) async fn reader(&self, purpose: Purpose, deadline: Instant) -> Result<Lent<DB>, Failure> {
        let lend = async {
            let turn = match purpose {
                Purpose::Verification => None,
                Purpose::Authentication(tenant) => Some(self.to_authenticate.take(tenant, Rank::First).await),
                Purpose::Management(tenant) => Some(self.to_read.take(tenant, Rank::First).await),
            };
            let turn = turn.transpose().map_err(|_| Failure::Busy)?;
            self.lend(&self.readers, turn, deadline).await
        };
        self.in_time(deadline, lend).await
    }

    /// A connection for what writes, when its place in the queue has come.
    pub(in crate::store) async fn writer(
        &self,
        (tenant, rank): (Tenant, Rank),
        deadline: Instant,
    ) -> Result<Lent<DB>, Failure> {
        let lend = async {
            let turn = self.to_write.take(tenant, rank).await.map_err(|_| Failure::Busy)?;
            let mut lent = self.lend(&self.writer, Some(turn), deadline).await?;
            lent.ends_in_time = true;
            Ok(lent)
        };
        self.in_time(deadline, lend).await
    }

    /// A connection that writes, for a short look, before all who wait for their turns.
    pub(in crate::store) async fn writer_at_once(&self, deadline: Instant) -> Result<Lent<DB>, Failure> {
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

    async fn lend(&self, pool: &Pool<DB>, turn: Option<Turn<Tenant>>, deadline: Instant) -> Result<Lent<DB>, Failure> {
        self.assert_in_place()?;
        if let Some(file) = &self.file {
            file.hold().await?;
        }
        let connection = pool.acquire().await?;
        let (runtime, pulse) = (self.runtime.clone(), self.pulse.clone());
        Ok(Lent { connection: Some(connection), turn, ends_in_time: false, runtime, deadline, pulse })
    }
}

impl<DB: Database> Lent<DB> {
    /// Gives it back in good order.
    pub(crate) fn give_back(mut self) {
        if let Some(connection) = self.connection.take() {
            self.pulse.answered();
            self.runtime.spawn(put_back(connection, self.turn.take(), self.pulse.grace()));
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
        let is_over = self.ends_in_time && self.deadline <= Instant::now();
        let (turn, grace) = (self.turn.take().filter(|_| !is_over), self.pulse.grace());
        let until = self.deadline.max(Instant::now()) + grace;
        self.runtime.spawn(async move {
            let in_order = timeout_at(until, async { Connection::begin(&mut *connection).await?.rollback().await });
            if matches!(in_order.await, Ok(Ok(()))) {
                put_back(connection, turn, grace).await;
            } else {
                // Nothing is said to the other end: it may not be listening.
                drop(connection.detach());
            }
        });
    }
}

/// The pool asks each connection that comes back whether it still answers, and waits for that without end; one on a
/// network that has gone silent would keep its place for ever. What takes too long is closed.
async fn put_back<DB: Database>(mut connection: PoolConnection<DB>, turn: Option<Turn<Tenant>>, patience: Duration) {
    // What the pool does when a connection is dropped, where it cannot be given up.
    let _closed = timeout(patience, connection.return_to_pool()).await;
    drop(turn);
}
