//! Brings a database to the schema of this program: refinery's migrations, run over sqlx.
//!
//! refinery knows no sqlx, so an adapter implements its traits on a connection. Migrations are embedded; the
//! two folders hold the same numbers and names, one text for each database.

use std::{path::Path, time::Duration};

use refinery::{Report, Runner};
use refinery_core::{
    Migration,
    error::Kind,
    traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction},
};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row, SqliteConnection, postgres::PgConnectOptions,
    raw_sql, sqlite::SqliteConnectOptions,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::time::{Instant, sleep};

use super::{database_file, explain::Explained, sqlite};
use crate::error::Error;

mod embedded_postgres {
    refinery::embed_migrations!("migrations/postgres");
}
mod embedded_sqlite {
    refinery::embed_migrations!("migrations/sqlite");
}

/// The embedded migrations for Postgres.
pub fn postgres_runner() -> Runner {
    embedded_postgres::migrations::runner()
}

/// The embedded migrations for SQLite.
pub fn sqlite_runner() -> Runner {
    embedded_sqlite::migrations::runner()
}

/// Why a database was not brought to this program's schema. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A later release has migrated it.
    #[error(
        "the database has migration {0}, which this version of tokensmith does not know: it was migrated by a newer one; install that"
    )]
    Newer(String),
    /// A migration that was applied is not the one that this program holds.
    #[error(
        "migration {0} was applied to the database from another text than this version of tokensmith holds; restore the database, or the release that belongs to it"
    )]
    Changed(String),
    /// Rows refer to rows that are not there.
    #[error("after migrating, rows of the table {0:?} would refer to rows that do not exist; nothing was changed")]
    DanglingReference(String),
    /// A server has the database open with other files beside it than those that are there.
    #[error("{0}")]
    Unshared(crate::error::Cause),
    /// The database refused or was not reached.
    #[error("{0}")]
    Database(#[source] Explained),
    /// The runner's own complaint.
    #[error("{0}")]
    Refinery(#[source] Box<refinery_core::Error>),
}

impl From<sqlx::Error> for MigrateError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<refinery_core::Error> for MigrateError {
    fn from(error: refinery_core::Error) -> Self {
        match error.kind() {
            Kind::MissingVersion(migration) => Self::Newer(migration.to_string()),
            Kind::DivergentVersion(applied, _) => Self::Changed(applied.to_string()),
            _ => Self::Refinery(Box::new(error)),
        }
    }
}

/// Migrates a Postgres database. Processes that try at once take turns. Returns the migrations applied.
///
/// # Errors
/// [`MigrateError`]; the migrations before a failed one stay applied, the failed one left nothing.
pub async fn postgres(options: &PgConnectOptions) -> Result<Vec<String>, MigrateError> {
    /// Any number that no other program of the database uses: "tokensmi" in ASCII.
    const LOCK: i64 = 0x746f_6b65_6e73_6d69;
    /// How long a server may be silent before it counts as away.
    const CONNECT_LIMIT: Duration = Duration::from_secs(10);
    // A connection of its own: the lock belongs to the session, and ends with it whatever happens.
    // refinery asks for its table at each start, and the server would remark each time that it is there already.
    let options = options.clone().options([("lock_timeout", "60s"), ("client_min_messages", "warning")]);
    let mut connection = tokio::time::timeout(CONNECT_LIMIT, options.connect()).await.map_err(|_| {
        let silence = format!("the server did not answer within {} s", CONNECT_LIMIT.as_secs());
        sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, silence))
    })??;
    sqlx::query("select pg_advisory_lock($1)").bind(LOCK).execute(&mut connection).await?;
    let report = postgres_runner().run_async(&mut Adapter(&mut connection)).await;
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "closing the migration connection failed");
    }
    Ok(applied(&report?))
}

/// Migrates an SQLite file, which must exist. Processes that try at once take turns. Returns the migrations
/// applied.
///
/// # Errors
/// [`MigrateError`]; the file is as it was.
pub async fn sqlite(path: &Path) -> Result<Vec<String>, MigrateError> {
    // SQLite ignores a change of foreign_keys inside a transaction, so they are off from the start and checked at the end.
    let options = sqlite::writing(sqlite::connect_options(path, PATIENCE)).foreign_keys(false);
    assert_shared(path)?;
    let mut connection = connect_in_turn(&options).await?;
    assert_shared(path)?;
    let mut transaction = connection.begin_with("begin immediate").await?;
    let report = sqlite_runner().run_async(&mut Adapter(&mut *transaction)).await?;
    if let Some(row) = raw_sql("pragma foreign_key_check").fetch_optional(&mut *transaction).await? {
        return Err(MigrateError::DanglingReference(row.try_get(0)?));
    }
    sqlite::assert_writable(&mut transaction).await?;
    transaction.commit().await?;
    connection.close().await?;
    Ok(applied(&report))
}

fn assert_shared(path: &Path) -> Result<(), MigrateError> {
    match database_file::assert_shared(path) {
        Err(Error::StoreAway(why)) => Err(MigrateError::Unshared(why)),
        Err(error) => Err(MigrateError::Unshared(error.into())),
        Ok(()) => Ok(()),
    }
}

/// Asks whether all migrations of an SQLite database are known to this program. It may lack some of them.
pub(super) async fn assert_known(connection: &mut SqliteConnection) -> Result<(), MigrateError> {
    let applied: Vec<(i32, String, String)> =
        sqlx::query_as("select version, name, checksum from refinery_schema_history order by version")
            .fetch_all(connection)
            .await?;
    let runner = sqlite_runner();
    for (version, name, checksum) in applied {
        match runner.get_migrations().iter().find(|known| known.version() == version) {
            None => return Err(MigrateError::Newer(format!("V{version}__{name}"))),
            Some(known) if known.checksum().to_string() != checksum => {
                return Err(MigrateError::Changed(format!("V{version}__{name}")));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// How long to wait for others that migrate.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connects to a file that others may be opening too. The first of them switches it to WAL, which SQLite does not
/// wait for: it answers the others that the file is busy, whatever their time-out says.
async fn connect_in_turn(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    const PAUSE: Duration = Duration::from_millis(20);
    const BUSY: &str = "5";
    let deadline = Instant::now() + PATIENCE;
    loop {
        match options.connect().await {
            Err(sqlx::Error::Database(error))
                if error.code().is_some_and(|code| code == BUSY) && Instant::now() < deadline =>
            {
                sleep(PAUSE).await;
            }
            connected => return connected,
        }
    }
}

/// The last migration that this program knows, the same in both folders.
pub(super) fn latest() -> Option<i32> {
    postgres_runner().get_migrations().iter().map(Migration::version).max()
}

/// Whether a database at that migration is one for this program.
pub(super) fn judge_schema(found: Option<i32>, latest: Option<i32>) -> Result<(), Error> {
    if found == latest {
        return Ok(());
    }
    let show = |version: Option<i32>| version.map_or("none".to_owned(), |version| format!("V{version}"));
    Err(Error::internal(format!(
        "the database is at migration {} and this program at {}; run 'tokensmith migrate', or the release that belongs to the database",
        show(found),
        show(latest),
    )))
}

fn applied(report: &Report) -> Vec<String> {
    report.applied_migrations().iter().map(ToString::to_string).collect()
}

/// refinery's traits, on a connection of sqlx.
struct Adapter<'c, C>(&'c mut C);

macro_rules! adapter {
    ($connection:ty) => {
        impl AsyncTransaction for Adapter<'_, $connection> {
            type Error = Explained;

            async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(
                &'a mut self,
                queries: T,
            ) -> Result<usize, Explained> {
                // Inside a transaction this is a savepoint.
                let mut transaction = self.0.begin().await?;
                let mut count = 0;
                for query in queries {
                    // Safe: refinery hands over embedded files and statements that it made itself.
                    raw_sql(AssertSqlSafe(query)).execute(&mut *transaction).await?;
                    count += 1;
                }
                transaction.commit().await?;
                Ok(count)
            }
        }

        impl AsyncQuery<Vec<Migration>> for Adapter<'_, $connection> {
            async fn query<'a>(&'a mut self, query: &'a str) -> Result<Vec<Migration>, Explained> {
                raw_sql(AssertSqlSafe(query))
                    .fetch_all(&mut *self.0)
                    .await?
                    .iter()
                    .map(|row| {
                        let applied_on = OffsetDateTime::parse(row.try_get(2)?, &Rfc3339).map_err(undecodable)?;
                        let checksum = row.try_get::<&str, _>(3)?.parse().map_err(undecodable)?;
                        Ok(Migration::applied(row.try_get(0)?, row.try_get(1)?, applied_on, checksum))
                    })
                    .collect()
            }
        }

        impl AsyncMigrate for Adapter<'_, $connection> {}
    };
}

adapter!(PgConnection);
adapter!(SqliteConnection);

fn undecodable(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
