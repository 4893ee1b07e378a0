//! Copies of an SQLite database: made while servers write to it, judged before they are relied upon, and compared with the
//! database that they are to replace.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::TryStreamExt;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use uuid::Uuid;

use super::{
    database_file::{assert_shared, named_after},
    explain::Explained,
    migrate::{self, MigrateError},
    sqlite::connect_options,
};
use crate::{
    clock::Timestamp,
    domain::{ProjectId, TokenId},
    error::{Cause, Error},
};

/// How long to wait for others.
const PATIENCE: Duration = Duration::from_secs(10);

/// How SQLite's files begin.
const HEADER: &[u8; 16] = b"SQLite format 3\0";

/// What a database of ours has.
const TABLES: [&str; 4] = ["refinery_schema_history", "projects", "tokens", "token_secrets"];

/// What a database holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// How many projects and subprojects.
    pub projects: u64,
    /// How many tokens.
    pub tokens: u64,
    /// When a project or a token was last created or updated. Deleting leaves no trace.
    pub newest_change: Option<Timestamp>,
    /// The last migration that it was brought to.
    pub schema: i32,
    /// Any signing key that is sealed, to be held against the server's key.
    pub sealed_key: Option<Vec<u8>>,
}

/// A token of a copy that the database has no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revived {
    /// The token.
    pub id: TokenId,
    /// The project that it belongs to.
    pub project: ProjectId,
    /// Its name.
    pub name: String,
}

/// What changes for tokens where a copy takes the place of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Tokens that were revoked since the copy was made. They are valid again.
    pub revived: Vec<Revived>,
    /// Tokens that were updated to other permissions since. They have their old ones again.
    pub changed: Vec<TokenId>,
    /// How many tokens were issued since. They are gone.
    pub gone: u64,
}

/// Why there is no copy, or one that is not to be relied upon.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// It begins otherwise.
    #[error("it is not an SQLite database")]
    NotSqlite,
    /// It lacks a table.
    #[error("it is not a database of tokensmith: it has no table {0:?}")]
    NotOurs(&'static str),
    /// SQLite found a fault in it.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// Commits of it are in another file.
    #[error(
        "the file {0} beside it holds a part of it, so it is the file of a running server, or was copied from one; use a \
         copy that 'tokensmith backup' made"
    )]
    Incomplete(String),
    /// Its migrations are not those of this program.
    #[error(transparent)]
    Schema(MigrateError),
    /// A server would not be on the same files.
    #[error("{0}")]
    Away(Cause),
    /// It was asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// The file system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// SQLite refused.
    #[error("{0}")]
    Sql(#[source] Explained),
}

impl From<sqlx::Error> for CopyError {
    fn from(error: sqlx::Error) -> Self {
        const INTERRUPT: &str = "9";
        const CORRUPT: &str = "11";
        const NOTADB: &str = "26";
        match error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() {
            Some(INTERRUPT) => Self::Interrupted,
            Some(CORRUPT) => Self::Damaged("its pages are not in order".to_owned()),
            Some(NOTADB) => Self::NotSqlite,
            _ => Self::Sql(error.into()),
        }
    }
}

/// Copies a database as it is at one moment into an empty file. Servers go on writing: it is one transaction that reads.
///
/// `vacuum into` and the online backup of SQLite's C interface take equally long. This one begins no second time when
/// another process writes, and leaves out free pages, and with them what deleted rows have left behind.
///
/// # Errors
/// [`CopyError`]; what is in the file then is of no use.
pub async fn copy(database: &Path, into: &Path, stop: &Arc<AtomicBool>) -> Result<(), CopyError> {
    // Whole, so that no name is taken for a URI.
    let into = std::path::absolute(into)?;
    let Some(name) = into.to_str() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is not valid UTF-8").into());
    };
    let shared = || assert_shared(database).map_err(away);
    shared()?;
    let mut connection = connect_options(database, PATIENCE).read_only(true).connect().await?;
    heed(&mut connection, stop).await?;
    sqlx::query("vacuum into $1").bind(name).execute(&mut connection).await?;
    // What was committed to other files meanwhile is missing.
    shared()?;
    Ok(connection.close().await?)
}

/// Judges a file that no process writes to, and counts what it holds.
///
/// # Errors
/// [`CopyError`] where it is not a whole database that this program can serve or migrate.
pub async fn inspect(file: &Path, stop: &Arc<AtomicBool>) -> Result<Contents, CopyError> {
    let mut header = Vec::new();
    File::open(file)?.take(HEADER.len() as u64).read_to_end(&mut header)?;
    if header != HEADER {
        return Err(CopyError::NotSqlite);
    }
    // Immutable: nothing is made beside it.
    let mut connection = connect_options(file, PATIENCE).read_only(true).immutable(true).connect().await?;
    heed(&mut connection, stop).await?;
    let found: String = sqlx::query_scalar("pragma integrity_check(1)").fetch_one(&mut connection).await?;
    if found != "ok" {
        return Err(CopyError::Damaged(found));
    }
    for table in TABLES {
        let is_there: bool =
            sqlx::query_scalar("select exists (select 1 from sqlite_schema where type = 'table' and name = $1)")
                .bind(table)
                .fetch_one(&mut connection)
                .await?;
        if !is_there {
            return Err(CopyError::NotOurs(table));
        }
    }
    if sqlx::query("pragma foreign_key_check").fetch_optional(&mut connection).await?.is_some() {
        return Err(CopyError::Damaged("rows refer to rows that do not exist".to_owned()));
    }
    migrate::assert_known(&mut connection).await.map_err(CopyError::Schema)?;
    let contents = count(&mut connection).await?;
    connection.close().await?;
    Ok(contents)
}

/// Asks whether the file is all that there is of a database.
///
/// # Errors
/// [`CopyError::Incomplete`] where it is not.
pub fn assert_whole(file: &Path) -> Result<(), CopyError> {
    for ending in ["-wal", "-journal"] {
        let beside = named_after(file, ending);
        if beside.metadata().is_ok_and(|found| found.len() > 0) {
            return Err(CopyError::Incomplete(beside.display().to_string()));
        }
    }
    Ok(())
}

/// Counts what a database holds that others may be writing to.
///
/// # Errors
/// [`CopyError`]
pub async fn look(database: &Path) -> Result<Contents, CopyError> {
    let mut connection = connect_options(database, PATIENCE).read_only(true).connect().await?;
    let contents = count(&mut connection).await?;
    connection.close().await?;
    Ok(contents)
}

/// What would change for the tokens of a database if the copy took its place.
///
/// # Errors
/// [`CopyError`]
pub async fn compare(database: &Path, copy: &Path) -> Result<Difference, CopyError> {
    let mut connection = connect_options(database, PATIENCE).read_only(true).connect().await?;
    let mut now: HashMap<Uuid, String> = sqlx::query_as::<_, (Uuid, String)>("select id, permissions from tokens")
        .fetch(&mut connection)
        .try_collect()
        .await?;
    connection.close().await?;

    let mut connection = connect_options(copy, PATIENCE).read_only(true).immutable(true).connect().await?;
    let mut rows = sqlx::query_as::<_, (Uuid, String, Uuid, String)>(
        "select id, permissions, project_id, name from tokens order by created_at, id",
    )
    .fetch(&mut connection);
    let mut difference = Difference::default();
    while let Some((id, permissions, project, name)) = rows.try_next().await? {
        match now.remove(&id) {
            None => difference.revived.push(Revived { id: id.into(), project: project.into(), name }),
            Some(now) if now != permissions => difference.changed.push(id.into()),
            Some(_) => {}
        }
    }
    drop(rows);
    difference.gone = now.len() as u64;
    connection.close().await?;
    Ok(difference)
}

async fn count(connection: &mut SqliteConnection) -> Result<Contents, CopyError> {
    let (projects, tokens, newest, schema): (i64, i64, Option<i64>, Option<i32>) = sqlx::query_as(
        "select (select count(*) from projects), (select count(*) from tokens),
            (select max(at) from (select max(updated_at) at from projects union all select max(updated_at) from tokens)),
            (select max(version) from refinery_schema_history)",
    )
    .fetch_one(&mut *connection)
    .await?;
    // The first release had no signing keys.
    let has_keys: bool =
        sqlx::query_scalar("select exists (select 1 from pragma_table_info('projects') where name = 'signing_key')")
            .fetch_one(&mut *connection)
            .await?;
    let sealed_key = if has_keys {
        sqlx::query_scalar("select signing_key from projects where signing_key is not null limit 1")
            .fetch_optional(connection)
            .await?
    } else {
        None
    };
    Ok(Contents {
        projects: projects.unsigned_abs(),
        tokens: tokens.unsigned_abs(),
        newest_change: newest.map(Timestamp::from_micros),
        schema: schema.unwrap_or_default(),
        sealed_key,
    })
}

/// Ends a statement soon after it is asked to stop.
async fn heed(connection: &mut SqliteConnection, stop: &Arc<AtomicBool>) -> Result<(), CopyError> {
    const INSTRUCTIONS: i32 = 10_000;
    let stop = stop.clone();
    connection.lock_handle().await?.set_progress_handler(INSTRUCTIONS, move || !stop.load(Ordering::Relaxed));
    Ok(())
}

fn away(error: Error) -> CopyError {
    match error {
        Error::StoreAway(why) => CopyError::Away(why),
        error => CopyError::Away(error.into()),
    }
}
