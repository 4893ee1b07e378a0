//! Another file takes the place of an SQLite database. No process may have it open meanwhile: SQLite would go on with the
//! file that was replaced, and what it commits would be lost.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{FlockOperation, fcntl_lock};
use sqlx::{ConnectOptions, Connection};

use super::{claim, copies::CopyError, database_file::named_after, sqlite::connect_options};

/// What SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Why a database is not replaced. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// Another process has it.
    #[error("a server or another process has the database {0} open; stop it first")]
    InUse(String),
    /// The file system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// SQLite refused.
    #[error("{0}")]
    Sql(CopyError),
}

/// The claim to replace a database. As long as it is kept, no server takes it for its own.
#[derive(Debug)]
pub struct Replacing {
    /// The real name, which a symbolic link may lead to.
    path: PathBuf,
    lock: PathBuf,
    is_new_lock: bool,
    _claimed: File,
}

impl Replacing {
    /// Claims the database at that path, which need not exist.
    ///
    /// # Errors
    /// [`ReplaceError::InUse`] where a server has it.
    pub fn claim(path: &Path) -> Result<Self, ReplaceError> {
        let (path, lock) = (named_after(path, ""), named_after(path, ".lock"));
        let is_new_lock = !lock.exists();
        match claim::lock(&lock) {
            Ok(claimed) => Ok(Self { path, lock, is_new_lock, _claimed: claimed }),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(ReplaceError::InUse(path.display().to_string()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The real name of the database.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Asks whether another process has the database open, also one that has no claim.
    ///
    /// # Errors
    /// [`ReplaceError::InUse`] where one has.
    pub async fn assert_unused(&self) -> Result<(), ReplaceError> {
        self.fold().await.and_then(|_| self.shut()).map(|_| ())
    }

    /// Keeps all processes from the database until it is replaced.
    ///
    /// # Errors
    /// [`ReplaceError::InUse`] where one has it open.
    pub async fn shut_out(self) -> Result<ShutOut, ReplaceError> {
        let is_folded = self.fold().await?;
        let opened = self.shut()?;
        Ok(ShutOut { replacing: self, is_folded, opened })
    }

    /// Moves what `-wal` holds into the database, and takes away what is beside it. Only a process that is alone can.
    /// Returns whether it was done; it is not where there is no database that SQLite can read.
    async fn fold(&self) -> Result<bool, ReplaceError> {
        const LITTLE: Duration = Duration::from_millis(200);
        const BUSY: &str = "5";
        const LOCKED: &str = "6";
        if !self.path.exists() {
            return Ok(false);
        }
        let folded = async {
            // One that SQLite cannot read stays as it is: closing a connection that writes would change it.
            let mut connection = connect_options(&self.path, LITTLE).read_only(true).connect().await?;
            sqlx::query("select 1 from sqlite_schema limit 1").execute(&mut connection).await?;
            connection.close().await?;
            let mut connection = connect_options(&self.path, LITTLE).connect().await?;
            let mode: String = sqlx::query_scalar("pragma journal_mode = delete").fetch_one(&mut connection).await?;
            connection.close().await?;
            Ok::<_, sqlx::Error>(mode == "delete")
        };
        let in_use = || ReplaceError::InUse(self.path.display().to_string());
        match folded.await {
            Ok(true) => Ok(true),
            Ok(false) => Err(in_use()),
            Err(sqlx::Error::Database(error)) if matches!(error.code().as_deref(), Some(BUSY | LOCKED)) => {
                Err(in_use())
            }
            Err(error) => match CopyError::from(error) {
                CopyError::Damaged(_) | CopyError::NotSqlite => Ok(false),
                error => Err(ReplaceError::Sql(error)),
            },
        }
    }

    /// Locks all of the file, as SQLite locks parts of it. From here on this process must not open it with SQLite: closing
    /// one of them takes the locks of the other.
    fn shut(&self) -> Result<Option<File>, ReplaceError> {
        let file = match File::options().read(true).write(true).open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::ACCESS) => {
                Err(ReplaceError::InUse(self.path.display().to_string()))
            }
            Err(error) => Err(io::Error::from(error).into()),
        }
    }
}

/// A database that no process can open: it is told that the database is busy.
#[derive(Debug)]
pub struct ShutOut {
    replacing: Replacing,
    is_folded: bool,
    /// Closing it, or another file descriptor of the same file, ends the lock.
    opened: Option<File>,
}

impl ShutOut {
    /// Puts the draft in the place of the database, which gets the other name, if one is given. At each moment either of
    /// them is there, whole.
    ///
    /// # Errors
    /// The file system's own.
    pub fn replace_by(self, draft: &Path, aside: Option<&Path>) -> io::Result<()> {
        let path = &self.replacing.path;
        if let Some(opened) = &self.opened {
            take_over_owner(draft, path);
            if !self.is_folded {
                // It cannot be read, so nothing that was committed is lost with what is beside it. That goes first:
                // SQLite would take it for a part of the new database.
                for ending in BESIDE {
                    let beside = named_after(path, ending);
                    let moved = match aside {
                        Some(aside) => fs::rename(&beside, with_ending(aside, ending)),
                        None => fs::remove_file(&beside),
                    };
                    moved.or_else(absent)?;
                }
            }
            if let Some(aside) = aside {
                keep(path, opened, aside)?;
            }
        } else if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            take_over_owner(draft, directory);
        }
        fs::rename(draft, path)?;
        for ending in BESIDE {
            fs::remove_file(named_after(path, ending)).or_else(absent)?;
        }
        sync_directory_of(path);
        Ok(())
    }
}

impl Drop for Replacing {
    fn drop(&mut self) {
        // One that was made by this user may be closed to the user that runs the server.
        if self.is_new_lock {
            let _gone = fs::remove_file(&self.lock);
        }
    }
}

/// Gives a file a second name, or copies what was opened where the file system has no such thing.
///
/// # Errors
/// The file system's own; [`io::ErrorKind::AlreadyExists`] where the name is taken.
pub fn keep(path: &Path, mut opened: &File, aside: &Path) -> io::Result<()> {
    match fs::hard_link(path, aside) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            let mut to = File::options().write(true).create_new(true).open(aside)?;
            fs::set_permissions(aside, path.metadata()?.permissions())?;
            io::copy(&mut opened, &mut to)?;
            to.sync_all()
        }
        linked => linked,
    }
}

/// Makes a file belong to whom another belongs, where this user may: one that root restores is for the server's user.
pub fn take_over_owner(file: &Path, of: &Path) {
    let (Ok(ours), Ok(theirs)) = (file.metadata(), of.metadata()) else { return };
    if (ours.uid(), ours.gid()) != (theirs.uid(), theirs.gid())
        && let Err(error) = chown(file, Some(theirs.uid()), Some(theirs.gid()))
    {
        tracing::warn!(
            path = %file.display(),
            uid = theirs.uid(),
            gid = theirs.gid(),
            %error,
            "the restored file belongs to another user than the replaced one, and the server may not be able to open it; \
             correct it with chown"
        );
    }
}

/// A power failure must not take a name that was given. Not every file system can do it.
pub fn sync_directory_of(path: &Path) {
    if let Some(directory) = path.canonicalize().ok().as_deref().and_then(Path::parent) {
        let _unsupported = File::open(directory).and_then(|directory| directory.sync_all());
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
