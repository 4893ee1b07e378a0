//! Which of the processes on a database file may remember what it has read. There is one at most: whoever locks the
//! file beside the database, its name and ".lock". Every other process reads each time, and waits after what it has
//! taken away until the one has noticed.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// The claim of this process to the file. The system ends it with the process, however that dies.
#[derive(Debug)]
pub(super) struct Claim {
    path: PathBuf,
    /// The locked file. Written by whoever takes the claim or lets it go.
    held: Mutex<Option<File>>,
}

impl Claim {
    /// A claim beside that database. Nothing is claimed yet.
    pub(super) fn beside(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        Self { path: PathBuf::from(path), held: Mutex::default() }
    }

    /// Takes it, unless another process has. Returns whether this one has it now.
    pub(super) fn take(&self) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        // A file that was deleted locks nobody out.
        if held.as_ref().is_some_and(|file| !is_at(file, &self.path)) {
            *held = None;
        }
        if held.is_none() {
            *held = lock(&self.path).ok();
        }
        held.is_some()
    }

    /// Whether this process has it.
    pub(super) fn is_held(&self) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Lets it go.
    pub(super) fn release(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
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
