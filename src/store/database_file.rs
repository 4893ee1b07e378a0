//! The file that a store was opened on. SQLite goes on with one that was moved away, deleted or replaced: it would
//! confirm what nobody finds again, and let in whom another process has revoked.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::error::Error;

/// A path, and which file was there.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    /// Device and inode; `None` where nothing was there.
    identity: Option<(u64, u64)>,
}

impl DatabaseFile {
    /// The file that is there now.
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), identity: identify(path).ok() }
    }

    /// Asks whether it is still there. It takes microseconds: the file system has it in memory.
    ///
    /// # Errors
    /// [`Error::StoreAway`] where it is not.
    pub(super) fn assert_in_place(&self) -> Result<(), Error> {
        match identify(&self.path) {
            Ok(found) if Some(found) == self.identity => Ok(()),
            Ok(_) => Err(self.away("is another than the one that was opened; restart to take it")),
            Err(error) => Err(self.away(&format!("is not where it was opened: {error}"))),
        }
    }

    fn away(&self, why: &str) -> Error {
        Error::StoreAway(format!("the database file {} {why}", self.path.display()).into())
    }
}

fn identify(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}
