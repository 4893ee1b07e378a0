//! `serve --bootstrap`: the first project and token of an empty store, and a place for the secret.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, IsTerminal, Write, stdout},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process,
};

use rustix::process::geteuid;

use super::{Failure, output};
use crate::{
    config::{Config, DatabaseUrl, LogFormat},
    domain::{Name, ProjectId, SecretText},
    error::Error,
    service::{Bootstrapped, Service},
};

/// What a file is called until its project is known to be in the store: this, the project's id, and the end.
const UNCONFIRMED: (&str, &str) = ("bootstrap-", ".json.unconfirmed");

/// Fills an empty store. On a terminal both are printed; otherwise, in a container or under a supervisor, where
/// stdout is a log, they go into a file and its path is printed. On a store with a project it only finishes what a start
/// that was interrupted has left.
pub(super) async fn run(service: &Service, config: &Config, name: Name, base_url: &str) -> Result<(), Failure> {
    let place = Place::of(&config.database.url);
    if !service.is_empty().await? {
        if let Some(file) = place.find_interrupted(service).await? {
            return announce(&place.confirm(file), config.log.format);
        }
        let project = service.only_root().await?.map_or("PROJECT".to_owned(), |id| id.to_string());
        tracing::info!(
            "the store is not empty, so --bootstrap does nothing; where its secret is lost, issue another: \
             tokensmith token create --project {project} --name management -p management"
        );
        return Ok(());
    }
    let first = service.draw_first(name).await?;
    if is_for_people(process::id(), stdout().is_terminal()) {
        if service.bootstrap(&first).await? {
            print(&first, base_url)?;
        }
        return Ok(());
    }
    // The file comes first: a secret that could not be kept must not be the only key to the store.
    place.assert_free()?;
    let file = place.unconfirmed(first.project.id);
    if let Err(error) = keep(&file, &first, config.signalwire.region_preference.as_str()) {
        discard(&file);
        return Err(Failure::Refused(format!("cannot write {}: {error}", file.display())));
    }
    match service.bootstrap(&first).await {
        Ok(true) => announce(&place.confirm(file), config.log.format),
        Ok(false) => {
            discard(&file);
            tracing::info!("another process made the first project");
            Ok(())
        }
        // It may be the only copy of a secret that counts. The next start will know.
        Err(error @ Error::OutcomeUnknown(_)) => Err(error.into()),
        Err(error) => {
            discard(&file);
            Err(error.into())
        }
    }
}

/// Whether a secret may be printed: a person reads it. The terminal of the first process of a container is its log.
fn is_for_people(process: u32, is_terminal: bool) -> bool {
    is_terminal && process != 1
}

/// The directory that the file is in: the database file's or, where the database is elsewhere, the working directory.
struct Place(PathBuf);

impl Place {
    fn of(url: &DatabaseUrl) -> Self {
        let directory = match url {
            DatabaseUrl::Sqlite(database) => database.parent().filter(|parent| !parent.as_os_str().is_empty()),
            DatabaseUrl::Postgres(_) => None,
        };
        Self(directory.unwrap_or(Path::new(".")).to_owned())
    }

    fn file(&self) -> PathBuf {
        self.0.join("bootstrap.json")
    }

    fn unconfirmed(&self, project: ProjectId) -> PathBuf {
        let (start, end) = UNCONFIRMED;
        self.0.join(format!("{start}{project}{end}"))
    }

    fn assert_free(&self) -> Result<(), Failure> {
        let file = self.file();
        // Also where it is a link that leads nowhere.
        if fs::symlink_metadata(&file).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Ok(());
        }
        Err(Failure::Refused(format!(
            "{} is there already, from another database, and is not overwritten; move it away and start again",
            file.display()
        )))
    }

    /// The file of a start that ended after its project was in the store, and before it could say so.
    async fn find_interrupted(&self, service: &Service) -> Result<Option<PathBuf>, Failure> {
        let (start, end) = UNCONFIRMED;
        // A directory that cannot be read holds nothing that could be finished.
        let Ok(entries) = fs::read_dir(&self.0) else { return Ok(None) };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_prefix(start)?.strip_suffix(end));
            let Some(project) = id.and_then(ProjectId::parse) else { continue };
            if !is_own_file(&entry.path()) {
                tracing::warn!(
                    path = %entry.path().display(),
                    "this is not a regular file of this server's user, so it is ignored; remove it"
                );
                continue;
            }
            match service.inspect_project(project).await {
                Ok(_) => return Ok(Some(entry.path())),
                Err(Error::ProjectNotFound) => {
                    tracing::warn!(path = %entry.path().display(), "this file is of a start that was interrupted, and its project is not in this store");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Gives the file of a project that is in the store its name. Returns where it is now: it keeps the name that it has where
    /// the other one is taken, because what is in it counts.
    fn confirm(&self, unconfirmed: PathBuf) -> PathBuf {
        let renamed = rename_unless_taken(&unconfirmed, &self.file());
        sync(&self.0);
        let file = if renamed { self.file() } else { unconfirmed };
        file.canonicalize().unwrap_or(file)
    }
}

/// Whether it is a regular file, not a link, of the user that runs this process: nobody else could have put it there.
fn is_own_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.uid() == geteuid().as_raw())
}

/// Gives a file another name, unless one has that name. A second name never replaces a file; a rename would.
fn rename_unless_taken(from: &Path, to: &Path) -> bool {
    let identity = |path: &Path| fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
    let linked = match fs::hard_link(from, to) {
        // A start that was interrupted here has given it the second name already.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => identity(from) == identity(to),
        // Not every file system knows second names.
        Err(_) => {
            let is_free = fs::symlink_metadata(to).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
            return is_free && fs::rename(from, to).is_ok();
        }
        Ok(()) => true,
    };
    if linked {
        discard(from);
    }
    linked
}

/// Says where the secret is.
fn announce(path: &Path, format: LogFormat) -> Result<(), Failure> {
    const WHAT: &str = "the first project and its token are in this file";
    let path = path.display();
    output::print(match format {
        LogFormat::Text => path.to_string(),
        LogFormat::Json => serde_json::json!({ "message": WHAT, "path": path.to_string() }).to_string(),
    })?;
    tracing::info!(%path, "{WHAT}");
    Ok(())
}

fn keep(path: &Path, first: &Bootstrapped, region: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let body = output::CreatedBody::new(&first.project, Some(&first.token), region);
    serde_json::to_writer_pretty(&mut file, &body)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    if let Some(directory) = path.parent() {
        sync(directory);
    }
    Ok(())
}

/// A power failure may take a name whose directory was not synced, when the database has the project already. Not every
/// file system can sync one; there the file is all that there is to hold on to.
fn sync(directory: &Path) {
    let _unsupported = File::open(directory).and_then(|directory| directory.sync_all());
}

fn discard(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "a bootstrap file that is of no use could not be removed");
        }
        _ => {}
    }
}

/// The last two lines are for a shell: README's commands use these two variables.
fn print(first: &Bootstrapped, base_url: &str) -> Result<(), Failure> {
    let text = SecretText::new(format!(
        "{}\n{}
Tokensmith serves on {base_url}. Copy these two lines into another terminal:\n
PROJECT_ID={}
MANAGEMENT_SECRET={}\n\n",
        output::project(&first.project, None),
        output::issued(&first.token).as_str(),
        first.project.id,
        first.token.secret.reveal().as_str()
    ));
    output::print(text.as_str())
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Barrier},
        thread,
    };

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_file_that_comes_at_any_moment_is_not_overwritten() {
        for _ in 0..1000 {
            let directory = TempDir::new().unwrap();
            let place = Place(directory.path().to_owned());
            let unconfirmed = directory.path().join("unconfirmed");
            fs::write(&unconfirmed, "ours").unwrap();
            let start = Arc::new(Barrier::new(2));
            let other = thread::spawn({
                let (start, file) = (start.clone(), place.file());
                move || {
                    start.wait();
                    File::create_new(file).and_then(|mut file| file.write_all(b"theirs")).is_ok()
                }
            });

            start.wait();
            let file = place.confirm(unconfirmed);

            let read = |path: &Path| fs::read_to_string(path).unwrap();
            let is_theirs = other.join().unwrap();
            assert_eq!(read(&file), "ours");
            assert_eq!(read(&place.file()), if is_theirs { "theirs" } else { "ours" });
        }
    }

    #[test]
    fn a_confirmation_that_was_cut_in_the_middle_is_finished() {
        let directory = TempDir::new().unwrap();
        let place = Place(directory.path().canonicalize().unwrap());
        let unconfirmed = place.0.join("unconfirmed");
        fs::write(&unconfirmed, "ours").unwrap();
        fs::hard_link(&unconfirmed, place.file()).unwrap();

        assert_eq!(place.confirm(unconfirmed.clone()), place.file());

        assert!(!unconfirmed.exists());
    }

    #[test]
    fn the_terminal_of_a_container_is_its_log() {
        assert!(is_for_people(2, true));
        assert!(!is_for_people(1, true));
        assert!(!is_for_people(2, false));
    }
}
