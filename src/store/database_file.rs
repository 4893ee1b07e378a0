//! The file that a store was opened on, and the two that SQLite keeps beside it: `-wal` holds the last commits, `-shm`
//! the locks and the index of `-wal`. SQLite goes on with each of them when it was moved away, deleted or replaced: it
//! would confirm what no other process finds, and let in a token that another process has revoked.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::OnceLock,
};

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::Mutex;

use super::{claim, sql::Failure};
use crate::error::Error;

/// A path, which file was there, and which ones SQLite opened beside it.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    /// `None` where nothing was there.
    identity: Option<Identity>,
    beside: Paths,
    /// Noted when the first connection had opened them. It stays what it is for as long as the anchor is open.
    noted: OnceLock<Beside>,
    /// A connection that only holds the files: while one is open, no process removes them rightly.
    anchor: Mutex<Option<SqliteConnection>>,
    options: SqliteConnectOptions,
}

/// Device and inode.
type Identity = (u64, u64);

/// Which files are beside a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beside {
    wal: Identity,
    shm: Identity,
}

/// Where they are.
#[derive(Clone, Debug)]
struct Paths {
    wal: PathBuf,
    shm: PathBuf,
    lock: PathBuf,
}

impl DatabaseFile {
    /// The file that is there now. The options are those of a connection that reads it.
    pub(super) fn at(path: &Path, options: SqliteConnectOptions) -> Self {
        Self {
            path: path.to_owned(),
            identity: identify(path).ok(),
            beside: Paths::of(path),
            noted: OnceLock::new(),
            anchor: Mutex::default(),
            options,
        }
    }

    /// Asks whether the database is still the one that was opened. It takes microseconds: the file system has it in memory.
    ///
    /// # Errors
    /// [`Error::StoreAway`] where it is not.
    pub(super) fn assert_in_place(&self) -> Result<(), Error> {
        match identify(&self.path) {
            Ok(found) if Some(found) == self.identity => {}
            Ok(_) => {
                return Err(away(format!(
                    "the database file {} is not the one that this process opened: it answers nothing from either; restart \
                     it to open the one that is there now",
                    self.path.display()
                )));
            }
            Err(error) => {
                return Err(away(format!(
                    "the database file {} is not where this process opened it ({error}): it answers nothing; bring the \
                     file back",
                    self.path.display()
                )));
            }
        }
        match self.noted.get() {
            Some(noted) => self.beside.assert(*noted),
            None => self.beside.assert_shared(),
        }
    }

    /// Opens the anchor and notes which files it opened, unless that is done. Each operation asks for it before it takes a
    /// connection. A database that is not in WAL mode yet has no such files; the first connection that writes gives it
    /// that mode.
    ///
    /// # Errors
    /// SQLite's own; [`Error::StoreAway`] where the files are not those that another process is on.
    pub(super) async fn hold(&self) -> Result<(), Failure> {
        if self.noted.get().is_some() {
            return Ok(());
        }
        let mut anchor = self.anchor.lock().await;
        if anchor.is_some() {
            return Ok(());
        }
        let mut connection = self.options.connect().await?;
        // Only reading opens them.
        sqlx::query("select 1 from sqlite_schema limit 1").execute(&mut connection).await?;
        let mode: String = sqlx::query_scalar("pragma journal_mode").fetch_one(&mut connection).await?;
        if mode != "wal" {
            return Ok(connection.close().await?);
        }
        let found = self.beside.find()?;
        // Once more, now that the files are open: they may have been replaced while they were being opened.
        self.assert_in_place()?;
        self.noted.get_or_init(|| found);
        *anchor = Some(connection);
        Ok(())
    }

    /// Which files were opened beside it, once that is known.
    pub(super) fn beside(&self) -> Option<Beside> {
        self.noted.get().copied()
    }

    /// Whether SQLite may end its work on the files in its own way. It copies what `-wal` holds into the database and
    /// deletes `-wal`. With an index that is no longer shared, this would delete what another process has committed.
    /// Where `-wal` alone was deleted, it saves what was committed to it.
    pub(super) fn may_be_finished(&self) -> bool {
        let Some(noted) = self.beside() else { return true };
        let is_there = |path: &Path, noted: Identity| match identify(path) {
            Ok(found) if found == noted => There::Same,
            Err(error) if error.kind() == io::ErrorKind::NotFound => There::Nothing,
            Ok(_) | Err(_) => There::Another,
        };
        let wal = is_there(&self.beside.wal, noted.wal);
        let shm = is_there(&self.beside.shm, noted.shm);
        identify(&self.path).ok() == self.identity
            && match wal {
                There::Same => shm == There::Same,
                There::Nothing => shm != There::Another,
                There::Another => false,
            }
    }

    /// Ends the anchor, before the last connection that writes.
    pub(super) async fn let_go(&self) {
        if let Some(connection) = self.anchor.lock().await.take()
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "closing the connection that held the database's files failed");
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum There {
    Same,
    Nothing,
    Another,
}

/// Asks whether a process that has the database open is on the files that are beside it now. What is written to others
/// would not reach it.
///
/// # Errors
/// [`Error::StoreAway`] where it is not.
pub(super) fn assert_shared(database: &Path) -> Result<(), Error> {
    Paths::of(database).assert_shared()
}

/// The real name of the database, which SQLite and the lock add to, and an ending.
pub(super) fn named_after(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.canonicalize().unwrap_or_else(|_| database.to_owned()).into_os_string();
    name.push(ending);
    PathBuf::from(name)
}

impl Paths {
    fn of(database: &Path) -> Self {
        let [wal, shm, lock] = ["-wal", "-shm", ".lock"].map(|ending| named_after(database, ending));
        Self { wal, shm, lock }
    }

    /// Those that are there now.
    fn find(&self) -> Result<Beside, Error> {
        let identify = |path: &Path| {
            identify(path).map_err(|error| away(format!("{} was removed while it was opened: {error}", path.display())))
        };
        Ok(Beside { wal: identify(&self.wal)?, shm: identify(&self.shm)? })
    }

    /// Asks whether they are still those.
    fn assert(&self, noted: Beside) -> Result<(), Error> {
        for (path, noted) in [(&self.wal, noted.wal), (&self.shm, noted.shm)] {
            let state = match identify(path) {
                Ok(found) if found == noted => continue,
                Ok(_) => "is not the one that this process opened".to_owned(),
                Err(error) => format!("is not where this process opened it ({error})"),
            };
            return Err(away(format!(
                "{}, which belongs to the open database, {state}: other processes would not see what this one writes, so \
                 it answers nothing; restart it with SIGTERM, and leave the files beside the database alone while a \
                 server runs",
                path.display()
            )));
        }
        Ok(())
    }

    /// Asks whether they are those that the process with the claim says it has opened.
    fn assert_shared(&self) -> Result<(), Error> {
        let said = claim::advertised(&self.lock).map_err(|error| {
            away(format!(
                "cannot read {} ({error}): a server that has the database open might not see what is written now, so \
                 nothing is done; run this as the user of the server, or let this user read that file",
                self.lock.display()
            ))
        })?;
        let Some(elsewhere) = said.and_then(|said| said.parse().ok()) else { return Ok(()) };
        if self.find().is_ok_and(|found| found == elsewhere) {
            return Ok(());
        }
        Err(away(format!(
            "{} or {} was removed or replaced while a server has the database open: the server would not see what is \
             written now; restart the server with SIGTERM first",
            self.wal.display(),
            self.shm.display()
        )))
    }
}

impl std::fmt::Display for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { wal, shm } = self;
        write!(f, "wal {} {} shm {} {}", wal.0, wal.1, shm.0, shm.1)
    }
}

impl FromStr for Beside {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let ["wal", a, b, "shm", c, d] = words.as_slice() else { return Err(()) };
        let identity = |device: &str, inode: &str| Some((device.parse().ok()?, inode.parse().ok()?));
        let (Some(wal), Some(shm)) = (identity(a, b), identity(c, d)) else { return Err(()) };
        Ok(Self { wal, shm })
    }
}

fn away(why: String) -> Error {
    Error::StoreAway(why.into())
}

fn identify(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}
