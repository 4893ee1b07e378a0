//! Which of the processes on a database file may remember what it has read. There is one at most: whoever locks the
//! file beside the database, its name and ".lock". Every other process reads each time, and waits after what it has
//! taken away until the one has noticed. The lock's file says which files the one has opened beside the database, so that
//! others notice when they are on other ones.

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, Once, PoisonError},
    time::Instant,
};

use super::{
    SETTLED_AFTER,
    database_file::{Beside, named_after},
};

/// More bytes than are ever said.
const MOST: u64 = 256;

/// The claim of this process to the file. The system ends it with the process, however that dies.
#[derive(Debug)]
pub(super) struct Claim {
    database: PathBuf,
    path: PathBuf,
    /// The locked file. Written by whoever takes the claim or lets it go.
    held: Mutex<Option<Held>>,
    /// Whether it was said that nobody can have it.
    complaint: Once,
    /// Whether it was said that another process has it.
    taken: Once,
}

#[derive(Debug)]
struct Held {
    file: File,
    since: Instant,
    has_said: Option<Beside>,
}

impl Claim {
    /// A claim beside that database. Nothing is claimed yet.
    pub(super) fn beside(database: &Path) -> Self {
        // One file may have several names, of which SQLite takes the last: so that they have one lock.
        Self {
            database: database.to_owned(),
            path: named_after(database, ".lock"),
            held: Mutex::default(),
            complaint: Once::new(),
            taken: Once::new(),
        }
    }

    /// Takes it, unless another process has. Returns whether this one has it now.
    pub(super) fn take(&self) -> bool {
        let mut held = self.held();
        // A file that was deleted locks nobody out.
        if held.as_ref().is_some_and(|held| !is_at(&held.file, &self.path)) {
            *held = None;
        }
        if held.is_none() {
            let file = lock(&self.path).map_err(|error| self.complain(&error)).ok();
            if let Some(file) = &file {
                let_the_group_in(file, &self.database);
            }
            *held = file.map(|file| Held { file, since: Instant::now(), has_said: None });
        }
        held.is_some()
    }

    /// Says to other processes which files this one has opened beside the database, if it has the claim.
    pub(super) fn advertise(&self, beside: Beside) {
        let mut held = self.held();
        if let Some(held) = held.as_mut().filter(|held| held.has_said != Some(beside)) {
            match held.file.write_all_at(format!("{beside}\n").as_bytes(), 0) {
                Ok(()) => held.has_said = Some(beside),
                // It is tried again at the next look.
                Err(error) => tracing::debug!(path = %self.path.display(), %error, "the lock's file cannot be written"),
            }
        }
    }

    /// Whether this process has it, and has had it for so long that whoever had it before remembers nothing any more.
    pub(super) fn is_settled(&self) -> bool {
        let held = self.held();
        held.as_ref().is_some_and(|held| held.since.elapsed() >= SETTLED_AFTER && is_at(&held.file, &self.path))
    }

    /// Lets it go.
    pub(super) fn release(&self) {
        *self.held() = None;
    }

    /// Says once why there is no claim, and what that costs.
    fn complain(&self, error: &io::Error) {
        // The database itself is gone; others report it.
        if error.kind() == io::ErrorKind::NotFound {
            return;
        }
        if error.kind() == io::ErrorKind::WouldBlock {
            self.taken.call_once(|| {
                tracing::warn!(
                    path = %self.path.display(),
                    "another server uses this database file, so this one caches no grants until that one has stopped: each \
                     verification reads its row, and each change is answered 200 ms later; run one server on an SQLite \
                     file, or several on Postgres"
                );
            });
            return;
        }
        self.complaint.call_once(|| {
            tracing::warn!(
                path = %self.path.display(),
                %error,
                "this file cannot be locked, so no grant is remembered: each verification reads its row, and each change is \
                 answered 200 ms later; let this server write to the file and its directory, and it needs no restart"
            );
        });
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the process that has the claim at that path says; `None` where no process has it.
///
/// # Errors
/// Where the file is there and cannot be read, as by another user: then this process cannot tell.
pub(super) fn advertised(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            let mut said = String::new();
            file.take(MOST).read_to_string(&mut said)?;
            Ok(Some(said))
        }
        // The lock is released at once. A file system without locks lets no process have the claim.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// Lets the group read and write the lock's file where it can do so with the database: its commands must be able to tell who
/// has the claim. SQLite does the same for -wal and -shm. Where the file is another user's, it stays as it is.
fn let_the_group_in(file: &File, database: &Path) {
    let shared = fs::metadata(database).map(|metadata| 0o600 | metadata.mode() & 0o060);
    let is = file.metadata().map(|metadata| metadata.mode() & 0o777);
    if let (Ok(shared), Ok(is)) = (shared, is)
        && shared != is
        && let Err(error) = file.set_permissions(Permissions::from_mode(shared))
    {
        tracing::debug!(%error, "the lock's file keeps its mode");
    }
}

/// Takes the claim at that path.
pub(super) fn lock(path: &Path) -> io::Result<File> {
    lock_opened(OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?, path)
}

/// Locks a file that was opened at that path. Another may have replaced it since, and locked the one that is there now.
fn lock_opened(file: File, path: &Path) -> io::Result<File> {
    file.try_lock()?;
    if !is_at(&file, path) {
        return Err(io::ErrorKind::NotFound.into());
    }
    // What the process before said is true no more.
    file.set_len(0)?;
    Ok(file)
}

fn is_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: io::Result<fs::Metadata>| metadata.map(|metadata| (metadata.dev(), metadata.ino())).ok();
    let found = identity(fs::metadata(path));
    found.is_some() && found == identity(file.metadata())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_file_replaced_before_it_was_locked_is_no_claim() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("t.db.lock");
        let opened = File::create(&path).unwrap();

        fs::remove_file(&path).unwrap();
        let deleted = lock_opened(opened.try_clone().unwrap(), &path);
        let theirs = lock(&path).unwrap();
        let replaced = lock_opened(opened, &path);

        assert_eq!(deleted.unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(replaced.unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(lock(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(theirs);
        lock(&path).unwrap();
    }

    #[test]
    fn the_group_of_the_database_can_read_who_has_the_claim() {
        let directory = TempDir::new().unwrap();
        let database = directory.path().join("t.db");
        File::create(&database).unwrap();
        for (of_database, of_lock) in [(0o600, 0o600), (0o660, 0o660), (0o644, 0o640), (0o600, 0o600)] {
            fs::set_permissions(&database, Permissions::from_mode(of_database)).unwrap();
            let claim = Claim::beside(&database);

            assert!(claim.take());

            let mode = fs::metadata(directory.path().join("t.db.lock")).unwrap().mode() & 0o777;
            assert_eq!(mode, of_lock, "{mode:o} beside {of_database:o}");
        }
    }
}
