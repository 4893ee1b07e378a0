//! The store on one file, with SQLite.

use std::{
    fs,
    os::unix::fs::MetadataExt,
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
    database_file::{DatabaseFile, named_after},
    migrate,
    sql::{
        COMMIT_LIMIT, Failure, Inserts, Pulse, Purpose, SqlStore, read, turns_to_authenticate, turns_to_read,
        turns_to_write,
    },
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

/// One writer: more of them would only wait for each other, asleep in a busy handler.
const WRITERS: u32 = 1;

/// Makes a store on a file that exists. Must be called within a Tokio runtime that outlives the store.
pub fn open(options: &Options, catalogue: Arc<Catalogue>) -> Arc<dyn Store> {
    build(options, catalogue)
}

fn build(options: &Options, catalogue: Arc<Catalogue>) -> Arc<SqlStore<Sqlite>> {
    let connect = connect_options(&options.path, options.time_limit);
    let file = Arc::new(DatabaseFile::at(&options.path, connect.clone().read_only(true)));
    let pool = |connections| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(options.time_limit)
            .test_before_acquire(false)
            // A file needs no fresh connections, and opening one costs more than keeping it.
            .idle_timeout(None)
            .max_lifetime(None)
    };
    let writers_opened = Arc::new(AtomicU64::new(0));
    let (opened, held) = (writers_opened.clone(), file.clone());
    let writer = pool(WRITERS)
        .after_connect(move |connection, _| {
            opened.fetch_add(1, Ordering::AcqRel);
            let file = held.clone();
            Box::pin(async move {
                // The database may be in WAL mode only now.
                file.hold().await.map_err(Failure::into_sqlx)?;
                assert_writable(connection).await
            })
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
        to_read: turns_to_read(options.readers),
        to_authenticate: turns_to_authenticate(options.readers),
        to_write: turns_to_write(WRITERS),
        file: Some(file),
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
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Says where others than its owner may read or write the file, or those beside it. SQLite gives them its mode when it
/// makes them.
pub fn warn_of_open_modes(path: &Path) {
    let beside = ["", "-wal", "-shm"].map(|ending| named_after(path, ending));
    for path in beside {
        let Ok(mode) = fs::metadata(&path).map(|metadata| metadata.mode() & 0o7777) else { continue };
        if mode & 0o077 != 0 {
            tracing::warn!(
                path = %path.display(),
                mode = format_args!("{mode:04o}"),
                "others than the owner of this file can read or write it, and whoever writes it decides which tokens are \
                 let in; run 'chmod 600' on it"
            );
        }
    }
}

impl SqlStore<Sqlite> {
    pub(super) async fn begin<'c>(
        &self,
        connection: &'c mut SqliteConnection,
    ) -> Result<Transaction<'c, Sqlite>, Failure> {
        // A transaction that reads first and writes then fails when another wrote in between; this one queues.
        let transaction = connection.begin_with("begin immediate").await?;
        // It may have queued for long.
        self.assert_in_place()?;
        Ok(transaction)
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
            let mut lent = self.writer_at_once(self.deadline()).await?;
            let connection = self.writers_opened.load(Ordering::Acquire);
            let version = sqlx::query_scalar("pragma data_version").fetch_one(&mut *lent).await?;
            lent.give_back();
            // Of files that others no longer use it would say that nobody writes.
            self.assert_in_place()?;
            Ok::<_, Failure>(Mark { connection, version })
        };
        match self.at_home(tokio::time::timeout_at(self.deadline(), look)).await {
            Ok(Ok(mark)) => {
                if let (Some(claim), Some(beside)) = (&self.claim, self.file.as_ref().and_then(|file| file.beside())) {
                    claim.advertise(beside);
                }
                Ok(Some(mark))
            }
            Ok(Err(failure)) => Err(failure.into_error()),
            Err(elapsed) => Err(Error::StoreAway(elapsed.into())),
        }
    }

    fn is_remembered_elsewhere(&self) -> bool {
        !self.claim.as_ref().is_some_and(Claim::is_settled)
    }

    async fn close(&self) {
        let file = self.file.as_ref().expect("a store on SQLite has a file");
        if !file.may_be_finished() {
            tracing::warn!(
                "the database's files were removed or replaced while this process had them open: they are left as they are; \
                 the next start reads what they hold"
            );
            // A store that is never dropped closes no connection, and keeps its claim, so that other processes are
            // told until the very end.
            std::mem::forget(self.itself.upgrade());
            return;
        }
        if let Some(claim) = &self.claim {
            claim.release();
        }
        self.at_home(self.readers.close()).await;
        // The last one to be closed writes, so that it can end what the file beside the database holds.
        self.at_home(file.let_go()).await;
        self.at_home(self.writer.close()).await;
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Row, SqlSafeStr};
    use tempfile::TempDir;

    use super::*;

    async fn ask(connection: &mut SqliteConnection, question: &'static str) -> String {
        let row = sqlx::query(question.into_sql_str()).fetch_one(connection).await.unwrap();
        row.try_get::<i64, _>(0).map_or_else(|_| row.get::<String, _>(0), |number| number.to_string())
    }

    #[tokio::test]
    async fn what_is_written_is_on_disk_and_readers_cannot_write() {
        const READERS: u32 = 3;
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("t.db");
        create(&path).unwrap();
        migrate::sqlite(&path).await.unwrap();
        let options = Options { path, readers: READERS, time_limit: Duration::from_secs(7) };
        let store = build(&options, Arc::new(Catalogue::new(["chat".to_owned()]).unwrap()));

        let mut writer = store.writer.acquire().await.unwrap();
        // 2 is FULL: SQLite syncs before it says that something is committed.
        for (question, answer) in [
            ("pragma synchronous", "2"),
            ("pragma journal_mode", "wal"),
            ("pragma foreign_keys", "1"),
            ("pragma busy_timeout", "7000"),
        ] {
            assert_eq!(ask(&mut writer, question).await, answer, "{question}");
        }
        drop(writer);
        let mut readers = Vec::new();
        for _ in 0..READERS {
            readers.push(store.readers.acquire().await.unwrap());
        }
        for reader in &mut readers {
            assert_eq!(ask(reader, "pragma busy_timeout").await, "7000");
            let refused = sqlx::query("delete from tokens").execute(&mut **reader).await.unwrap_err();
            assert!(refused.to_string().contains("readonly"), "{refused}");
        }
        drop(readers);
        store.close().await;
    }
}
