//! A file that gets its name only once it is whole, and which its owner alone can read from its first byte.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::{
    entropy::{Entropy, SystemEntropy},
    store::replace::sync_directory_of,
};

/// An empty file beside the place that it is for. It is removed when this is dropped, unless it was published.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
}

impl Draft {
    /// Makes it in the directory of that file.
    pub(super) fn beside(target: &Path) -> io::Result<Self> {
        let mut path = target.as_os_str().to_owned();
        path.push(format!(".{}.partial", SystemEntropy.uuid()));
        let draft = Self { path: PathBuf::from(path) };
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft.path)?;
        Ok(draft)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until it is on disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    /// Gives it that name, which is in the same directory. A file that has the name already stays, unless it is to be
    /// replaced.
    pub(super) fn publish(self, target: &Path, replace: bool) -> io::Result<()> {
        self.sync()?;
        if replace {
            fs::rename(&self.path, target)?;
        } else {
            match fs::hard_link(&self.path, target) {
                // The file system may know no second names.
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    if target.try_exists()? {
                        return Err(ErrorKind::AlreadyExists.into());
                    }
                    fs::rename(&self.path, target)?;
                }
                linked => linked?,
            }
        }
        sync_directory_of(target);
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let mut journal = self.path.as_os_str().to_owned();
        journal.push("-journal");
        for path in [self.path.as_path(), Path::new(&journal)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    tracing::warn!(path = %path.display(), %error, "a file that is of no use could not be removed");
                }
                Ok(()) | Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_file_that_took_the_name_meanwhile_stays() {
        let directory = TempDir::new().unwrap();
        let target = directory.path().join("copy.db");
        let names = || fs::read_dir(directory.path()).unwrap().count();

        let [late, forced, first] = [(); 3].map(|()| Draft::beside(&target).unwrap());
        first.publish(&target, false).unwrap();
        fs::write(&target, "theirs").unwrap();
        let refused = late.publish(&target, false);
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
        assert_eq!(names(), 2);

        forced.publish(&target, true).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "");
        assert_eq!(names(), 1);
    }
}
