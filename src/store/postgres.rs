//! The store on Postgres, or on a database that speaks its protocol.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::{
    ConnectOptions, Connection, PgConnection, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::runtime::Handle;

use super::{
    Mark, Store, migrate,
    sql::{Inserts, Purpose, SqlStore, read, share_of_management},
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
}

/// Makes a store. Nothing is connected yet; must be called within a Tokio runtime that outlives the store.
pub fn open(options: &Options, catalogue: Arc<Catalogue>) -> Arc<dyn Store> {
    let seconds = options.time_limit.as_secs().max(1);
    let connect = options
        .connect
        .clone()
        .log_statements(log::LevelFilter::Trace)
        .log_slow_statements(log::LevelFilter::Warn, Duration::from_secs(1))
        .options([
            // What was answered is on disk, whatever the server's default is.
            ("synchronous_commit", "on".to_owned()),
            // The client gives up first; these free what it left behind.
            ("lock_timeout", format!("{seconds}s")),
            ("statement_timeout", format!("{}s", seconds + 3)),
            ("idle_in_transaction_session_timeout", format!("{}s", seconds + 3)),
        ]);
    let pool = |connections| {
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(options.time_limit)
            // A ping for each query costs more than the query; what breaks unnoticed is tried once more.
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    let standby: bool =
                        sqlx::query_scalar("select pg_is_in_recovery()").fetch_one(&mut *connection).await?;
                    if standby {
                        tracing::warn!("this Postgres is a standby, which cannot be written to; waiting for a primary");
                        return Err(sqlx::Error::Configuration("the Postgres server is a standby".into()));
                    }
                    Ok(())
                })
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
        managing: share_of_management(readers.options().get_max_connections()),
        readers,
        writer,
        file: None,
        writers_opened: Arc::default(),
        claim: None,
        catalogue,
        inserts: Inserts::default(),
        itself: itself.clone(),
        latest: migrate::latest(),
        time_limit: options.time_limit,
        runtime: Handle::current(),
    })
}

impl SqlStore<Postgres> {
    pub(super) async fn begin(connection: &mut PgConnection) -> Result<Transaction<'_, Postgres>, sqlx::Error> {
        connection.begin().await
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
