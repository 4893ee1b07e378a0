//! The store on Postgres, or on a database that speaks its protocol.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use sqlx::{
    ConnectOptions, Connection, PgConnection, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout},
};

use super::{
    Mark, Store, migrate,
    sql::{Failure, Inserts, Pulse, Purpose, SqlStore, read, turns_to_authenticate, turns_to_read, turns_to_write},
};
use crate::{domain::Catalogue, error::Error};

/// What a store on Postgres is made from.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the database is, and as whom to connect.
    pub connect: PgConnectOptions,
    /// The most connections that this process opens.
    pub max_connections: u32,
    /// How long an operation may take before its commit.
    pub time_limit: Duration,
    /// How long a connection may be idle and still be used without being asked first: [`FRESH_FOR`].
    pub fresh_for: Duration,
}

/// How long a connection may be idle and still be used without being asked first. Asking before each query would cost more
/// than the query; what breaks unnoticed in that time is tried once more, or doubted after the first operation that was
/// not answered.
pub const FRESH_FOR: Duration = Duration::from_secs(10);

/// How long an unused connection is kept: less than a NAT or a load balancer remembers one (HAProxy: often 1 min; those of
/// the large clouds: 4 to 6 min). The pool looks only so often, so that it may become twice that.
const IDLE_FOR: Duration = Duration::from_mins(1);

/// Makes a store. Nothing is connected yet; must be called within a Tokio runtime that outlives the store.
pub fn open(options: &Options, catalogue: Arc<Catalogue>) -> Arc<dyn Store> {
    let pulse = Arc::new(Pulse::new(options.time_limit, options.time_limit / 2));
    let connect = connect_options(options);
    let standby = Arc::new(StandbyWarning::default());
    let pool = |connections| {
        let (pulse, fresh_for, patience) = (pulse.clone(), options.fresh_for, options.time_limit / 4);
        let standby = standby.clone();
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(options.time_limit)
            .idle_timeout(IDLE_FOR)
            .test_before_acquire(false)
            .before_acquire(move |connection, met| {
                let is_doubtful = pulse.is_doubtful(met.idle_for);
                Box::pin(async move {
                    if is_doubtful || met.idle_for < fresh_for {
                        return Ok(!is_doubtful);
                    }
                    Ok(matches!(timeout(patience, connection.ping()).await, Ok(Ok(()))))
                })
            })
            .after_connect(move |connection, _| {
                let standby = standby.clone();
                Box::pin(async move { prepare(connection, &standby).await })
            })
    };
    // Writers hold their connections while they wait for each other's locks. Those that read, and let requests in, have
    // connections of their own, which cannot write at all.
    let of_readers = options.max_connections.div_ceil(2);
    let of_writers = options.max_connections - of_readers;
    let (readers, writer) = if of_writers == 0 {
        let shared = pool(of_readers).connect_lazy_with(connect);
        (shared.clone(), shared)
    } else {
        let reading = connect.clone().options([("default_transaction_read_only", "on")]);
        (pool(of_readers).connect_lazy_with(reading), pool(of_writers).connect_lazy_with(connect))
    };
    Arc::new_cyclic(|itself| SqlStore::<Postgres> {
        to_read: turns_to_read(readers.options().get_max_connections()),
        to_authenticate: turns_to_authenticate(readers.options().get_max_connections()),
        to_write: turns_to_write(writer.options().get_max_connections()),
        readers,
        writer,
        file: None,
        writers_opened: Arc::default(),
        claim: None,
        pulse,
        catalogue,
        inserts: Inserts::default(),
        itself: itself.clone(),
        latest: migrate::latest(),
        time_limit: options.time_limit,
        runtime: Handle::current(),
    })
}

fn connect_options(options: &Options) -> PgConnectOptions {
    let limit = options.time_limit.as_millis();
    options
        .connect
        .clone()
        .log_statements(log::LevelFilter::Trace)
        .log_slow_statements(log::LevelFilter::Warn, Duration::from_secs(1))
        .options([
            // The client gives up first; these free what it left behind.
            ("lock_timeout", format!("{limit}ms")),
            ("statement_timeout", format!("{}ms", limit + 3000)),
            ("idle_in_transaction_session_timeout", format!("{}ms", limit + 3000)),
            // The server asks now and then whether this end is there, so that what lies between does not forget the
            // connection. It cannot be asked from this end: https://github.com/launchbadge/sqlx/issues/3540
            ("tcp_keepalives_idle", "30s".to_owned()),
            ("tcp_keepalives_interval", "10s".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
        ])
}

/// Asks a new connection for what must not depend on start-up options, which a pooler may drop in silence, and refuses one
/// to a standby.
async fn prepare(connection: &mut PgConnection, warning: &StandbyWarning) -> Result<(), sqlx::Error> {
    // What was answered is on disk, whatever the server's default is.
    const STATEMENT: &str = "select pg_is_in_recovery(), set_config('synchronous_commit', 'on', false)";
    let (standby, _): (bool, String) = sqlx::query_as(STATEMENT).fetch_one(connection).await?;
    if standby {
        warning.write(Instant::now());
        return Err(sqlx::Error::Configuration("the Postgres server is a standby".into()));
    }
    Ok(())
}

/// The warning about a standby. Each request tries to connect, so it is written at most once in [`WARN_EVERY`].
#[derive(Default)]
struct StandbyWarning(Mutex<Option<Instant>>);

const WARN_EVERY: Duration = Duration::from_mins(1);

impl StandbyWarning {
    fn write(&self, now: Instant) {
        if self.is_due(now) {
            tracing::warn!("this Postgres is a standby, which cannot be written to; waiting for a primary");
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        // The one change under the lock is one step.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| now.saturating_duration_since(last) >= WARN_EVERY);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

/// Whether the way to a server leads over a network on which others could listen or answer in its place: neither a socket
/// nor this machine, and its certificate is not checked in full.
pub fn is_overheard(connect: &PgConnectOptions) -> bool {
    let host = connect.get_host();
    let is_local = connect.get_socket().is_some()
        || host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    !is_local && !matches!(connect.get_ssl_mode(), PgSslMode::VerifyFull)
}

impl SqlStore<Postgres> {
    pub(super) async fn begin<'c>(
        &self,
        connection: &'c mut PgConnection,
    ) -> Result<Transaction<'c, Postgres>, Failure> {
        Ok(connection.begin().await?)
    }
}

#[async_trait]
impl Store for SqlStore<Postgres> {
    async fn ready(&self) -> Result<(), Error> {
        const IS_THERE: &str = "select to_regclass('refinery_schema_history') is not null";
        if !read!(self, Purpose::Verification, |connection| sqlx::query_scalar::<_, bool>(IS_THERE)
            .fetch_one(connection)
            .await?)?
        {
            return migrate::judge_schema(None, self.latest);
        }
        let version = read!(self, Purpose::Verification, |connection| {
            sqlx::query_scalar::<_, Option<i32>>("select max(version) from refinery_schema_history")
                .fetch_one(connection)
                .await?
        })?;
        migrate::judge_schema(version, self.latest)
    }

    async fn mark(&self) -> Result<Option<Mark>, Error> {
        Ok(None)
    }

    fn is_remembered_elsewhere(&self) -> bool {
        false
    }

    async fn close(&self) {
        self.at_home(self.readers.close()).await;
        self.at_home(self.writer.close()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standby_is_warned_of_once_a_minute() {
        let (warning, start) = (StandbyWarning::default(), Instant::now());
        let is_due = |seconds| warning.is_due(start + Duration::from_secs(seconds));

        assert_eq!([0, 1, 59, 60, 61, 300].map(is_due), [true, false, false, true, false, true]);
    }

    #[test]
    fn only_a_network_without_a_full_check_can_be_overheard() {
        let is_overheard = |url: &str| is_overheard(&url.parse().unwrap());
        for url in [
            "postgres://me@db.example/t",
            "postgres://me@10.0.0.5/t?sslmode=require",
            "postgres://me@db.example/t?sslmode=verify-ca",
            "postgres://me@[2001:db8::1]/t",
        ] {
            assert!(is_overheard(url), "{url}");
        }
        for url in [
            "postgres://me@db.example/t?sslmode=verify-full",
            "postgres://me@localhost/t",
            "postgres://me@127.0.0.1:6432/t?sslmode=disable",
            "postgres://me@[::1]/t",
            "postgres:///t?host=/run/postgresql",
        ] {
            assert!(!is_overheard(url), "{url}");
        }
    }
}
