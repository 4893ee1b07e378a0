//! Which of the processes on a database file may remember what it has read. There is one at most: whoever locks the
//! file beside the database, its name and ".lock". Every other process reads each time, and waits after what it has
//! taken away until the one has noticed.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, Once, PoisonError},
    time::Instant,
};

use super::SETTLED_AFTER;

/// The claim of this process to the file. The system ends it with the process, however that dies.
#[derive(Debug)]
pub(super) struct Claim {
    path: PathBuf,
    /// The locked file, and since when. Written by whoever takes the claim or lets it go.
    held: Mutex<Option<(File, Instant)>>,
    /// Whether it was said that nobody can have it.
    complaint: Once,
    /// Whether it was said that another process has it.
    taken: Once,
}

impl Claim {
    /// A claim beside that database. Nothing is claimed yet.
    pub(super) fn beside(database: &Path) -> Self {
        // One file may have several names, of which SQLite takes the last: so that they have one lock.
        let mut path = database.canonicalize().unwrap_or_else(|_| database.to_owned()).into_os_string();
        path.push(".lock");
        Self { path: PathBuf::from(path), held: Mutex::default(), complaint: Once::new(), taken: Once::new() }
    }

    /// Takes it, unless another process has. Returns whether this one has it now.
    pub(super) fn take(&self) -> bool {
        let mut held = self.held();
        // A file that was deleted locks nobody out.
        if held.as_ref().is_some_and(|(file, _)| !is_at(file, &self.path)) {
            *held = None;
        }
        if held.is_none() {
            *held = lock(&self.path).map_err(|error| self.complain(&error)).ok().map(|file| (file, Instant::now()));
        }
        held.is_some()
    }

    /// Whether this process has it, and has had it for so long that whoever had it before remembers nothing any more.
    pub(super) fn is_settled(&self) -> bool {
        let held = self.held();
        held.as_ref().is_some_and(|(file, since)| since.elapsed() >= SETTLED_AFTER && is_at(file, &self.path))
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

    fn held(&self) -> MutexGuard<'_, Option<(File, Instant)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.try_lock()?;
    if is_at(&file, path) { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
}

fn is_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: io::Result<fs::Metadata>| metadata.map(|metadata| (metadata.dev(), metadata.ino())).ok();
    let found = identity(fs::metadata(path));
    found.is_some() && found == identity(file.metadata())
}
