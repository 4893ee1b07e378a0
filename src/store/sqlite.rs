//! The store on one file, with SQLite.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sqlx::{
    ConnectOptions, Connection, Sqlite, SqliteConnection, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::runtime::Handle;

use super::{
    Mark, Store,
    claim::Claim,
    database_file::DatabaseFile,
    migrate,
    sql::{COMMIT_LIMIT, Failure, Inserts, Pulse, Purpose, SqlStore, read, share_of_management},
};
use crate::{domain::Catalogue, error::Error};

/// What a store on a file is made from.
#[derive(Clone, Debug)]
pub struct Options {
    /// The database file.
    pub path: PathBuf,
    /// How many connections read.
    pub readers: u32,
    /// How long an operation may take before its commit.
    pub time_limit: Duration,
}

/// Makes a store on a file that exists. Must be called within a Tokio runtime that outlives the store.
pub fn open(options: &Options, catalogue: Arc<Catalogue>) -> Arc<dyn Store> {
    let connect = connect_options(&options.path, options.time_limit);
    let pool = |connections| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(options.time_limit)
            .test_before_acquire(false)
            // A file needs no fresh connections, and opening one costs more than keeping it.
            .idle_timeout(None)
            .max_lifetime(None)
    };
    // One writer: more of them would only wait for each other, asleep in a busy handler.
    let writers_opened = Arc::new(AtomicU64::new(0));
    let opened = writers_opened.clone();
    let writer = pool(1)
        .after_connect(move |connection, _| {
            opened.fetch_add(1, Ordering::AcqRel);
            Box::pin(assert_writable(connection))
        })
        .after_release(|connection, _| {
            Box::pin(async move {
                // Behind the rollback that may still be queued.
                connection.ping().await?;
                // SQLite itself ends a transaction that meets a full or broken disk, and sqlx does not notice: on
                // this connection it would never begin another.
                Ok(!connection.is_in_transaction())
            })
        });
    Arc::new_cyclic(|itself| SqlStore::<Sqlite> {
        writer: writer.connect_lazy_with(writing(connect.clone())),
        readers: pool(options.readers).connect_lazy_with(connect.read_only(true)),
        managing: share_of_management(options.readers),
        file: Some(DatabaseFile::at(&options.path)),
        writers_opened,
        claim: Some(Claim::beside(&options.path)),
        // What was given up goes on in its thread, on which its connection waits.
        pulse: Arc::new(Pulse::new(options.time_limit, options.time_limit + COMMIT_LIMIT)),
        catalogue,
        inserts: Inserts::default(),
        itself: itself.clone(),
        latest: migrate::latest(),
        time_limit: options.time_limit,
        runtime: Handle::current(),
    })
}

/// How every connection to the file is opened. A missing file is never made here: see [`create`].
pub(super) fn connect_options(path: &Path, busy_timeout: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(busy_timeout)
        .log_statements(log::LevelFilter::Trace)
        .log_slow_statements(log::LevelFilter::Warn, Duration::from_secs(1))
}

/// What a connection that writes needs besides. The journal's mode stays in the file, for those that read.
pub(super) fn writing(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        // WAL lets readers go on while the one writer writes; without it a list blocks every verification.
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL may lose the last commits when the power fails, and with them a revocation.
        .synchronous(SqliteSynchronous::Full)
}

/// Asks for the right to write, with a write of nothing. SQLite opens a file that may not be written to for reading
/// only, without a word, and what was opened so stays so.
pub(super) async fn assert_writable(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("delete from refinery_schema_history where false").execute(connection).await?;
    Ok(())
}

/// Makes an empty database file that only its owner can read, if there is none. Its directory must exist.
///
/// # Errors
/// The file system's own error.
pub fn create(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    // SQLite gives its -wal and -shm files the mode of the database file.
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

impl SqlStore<Sqlite> {
    pub(super) async fn begin(connection: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>, sqlx::Error> {
        // A transaction that reads first and writes then fails when another wrote in between; this one queues.
        connection.begin_with("begin immediate").await
    }
}

#[async_trait]
impl Store for SqlStore<Sqlite> {
    async fn ready(&self) -> Result<(), Error> {
        const IS_THERE: &str = "select exists (select 1 from sqlite_schema where name = 'refinery_schema_history')";
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
        if !self.claim.as_ref().is_some_and(Claim::take) {
            return Ok(None);
        }
        let look = async {
            // On the connection that writes, because what it writes itself does not count there. There is one, so
            // the last one opened is this one.
            let mut lent = self.writer(self.deadline()).await?;
            let connection = self.writers_opened.load(Ordering::Acquire);
            let version = sqlx::query_scalar("pragma data_version").fetch_one(&mut *lent).await?;
            lent.give_back();
            Ok::<_, Failure>(Mark { connection, version })
        };
        match self.at_home(tokio::time::timeout_at(self.deadline(), look)).await {
            Ok(Ok(mark)) => Ok(Some(mark)),
            Ok(Err(failure)) => Err(failure.into_error()),
            Err(elapsed) => Err(Error::StoreAway(elapsed.into())),
        }
    }

    fn is_remembered_elsewhere(&self) -> bool {
        !self.claim.as_ref().is_some_and(Claim::is_settled)
    }

    async fn close(&self) {
        if let Some(claim) = &self.claim {
            claim.release();
        }
        self.at_home(self.readers.close()).await;
        self.at_home(self.writer.close()).await;
    }
}
