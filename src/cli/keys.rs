//! The server's key: where it comes from, and `tokensmith keygen`.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::{Failure, draft::Draft, output};
use crate::{
    config::{Config, DatabaseUrl, ServerKey},
    entropy::{Entropy, SystemEntropy},
    service::{Key, Keys, Sealer},
    store::Store,
};

/// Rights of the file's group, and of all others, in a mode.
const GROUP: u32 = 0o070;
const OTHERS: u32 = 0o007;

/// More bytes than a key file has.
const MOST: u64 = 1024;

#[derive(Args, Debug)]
pub(super) struct KeygenArgs {
    /// Write it to this new file, which only its owner can read, instead of printing it.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// `tokensmith keygen`
pub(super) fn keygen(args: &KeygenArgs) -> Result<ExitCode, Failure> {
    let text = draw();
    match &args.file {
        None => output::print(text.as_str())?,
        Some(path) => {
            create(path, &text)
                .map_err(|error| Failure::Refused(format!("cannot create {}: {error}", path.display())))?;
            output::print(format!("wrote {}", path.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The keys of a server, which needs one. Beside an SQLite file it is made where there is none, unless something was
/// sealed with one that is gone.
pub(super) async fn provide(config: &Config, store: &dyn Store) -> Result<Keys, Failure> {
    let sealed = store.find_sealed_key().await?;
    let key = match (config.server.key.bytes(), &config.database.url) {
        (Some(key), _) => Key::new(*key),
        (None, DatabaseUrl::Postgres(_)) => return Err(missing()),
        (None, DatabaseUrl::Sqlite(database)) => {
            let path = beside(database);
            if !path.exists() {
                if sealed.is_some() {
                    return Err(lost(&path));
                }
                make(&path)
                    .map_err(|error| Failure::Refused(format!("cannot create the key {}: {error}", path.display())))?;
            }
            let key = read(&path)?;
            warn_of_group(&path);
            key
        }
    };
    let keys = Keys::new(Some(key), previous(config));
    if sealed.is_some_and(|sealed| !Sealer::new(&keys).knows(&sealed)) {
        tracing::warn!(
            "signing keys in the database were sealed with another server key and cannot be opened with this one; \
             bring that back, or rotate the signing keys"
        );
    }
    Ok(keys)
}

/// The keys of a command that ends at once, and needs none: with one, the tokens that it issues have a proof from the
/// start. Whatever is wrong with a key does not keep it from revoking.
pub(super) fn known(config: &Config) -> Keys {
    let current = match (config.server.key.bytes(), &config.database.url) {
        (Some(key), _) => Some(Key::new(*key)),
        (None, DatabaseUrl::Sqlite(database)) => read(&beside(database)).ok(),
        (None, DatabaseUrl::Postgres(_)) => None,
    };
    Keys::new(current, previous(config))
}

pub(super) fn previous(config: &Config) -> Vec<Key> {
    config.server.previous_keys.iter().filter_map(|key| key.bytes()).map(|key| Key::new(*key)).collect()
}

/// Asked before anything is touched: a server on Postgres has no key of its own to make.
pub(super) fn assert_configured(config: &Config) -> Result<(), Failure> {
    match (&config.database.url, config.server.key.bytes()) {
        (DatabaseUrl::Postgres(_), None) => Err(missing()),
        (DatabaseUrl::Postgres(_) | DatabaseUrl::Sqlite(_), _) => Ok(()),
    }
}

fn missing() -> Failure {
    Failure::Misused(
        "server.key is empty, and nodes on Postgres share one: make it with 'tokensmith keygen server.key' and give \
         each node the file's path as TOKENSMITH_SERVER__KEY_FILE"
            .to_owned(),
    )
}

fn lost(path: &Path) -> Failure {
    let path = path.display();
    Failure::Refused(format!(
        "the server's key {path} is gone, and signing keys in the database were sealed with it; bring it back, or give \
         them up with 'tokensmith keygen {path}' and rotate them"
    ))
}

/// The database's name and `.key`.
pub(super) fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".key");
    PathBuf::from(name)
}

fn draw() -> Zeroizing<String> {
    let mut key = Key::default();
    SystemEntropy.fill(&mut *key);
    Zeroizing::new(base16ct::lower::encode_string(&*key))
}

/// Makes the key whole or not at all, and leaves one that another process has made meanwhile.
fn make(path: &Path) -> std::io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", SystemEntropy.uuid()));
    let draft = PathBuf::from(draft);
    create(&draft, &draw())?;
    let linked = match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    };
    fs::remove_file(&draft)?;
    linked?;
    sync_directory(path)?;
    tracing::info!(path = %path.display(), "the server's key was made; keep a copy of it apart from the database");
    Ok(())
}

/// Makes a file that was not there, and leaves none that is not whole.
fn create(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n")).and_then(|()| file.sync_all());
    if written.is_err() {
        let _stays = fs::remove_file(path);
    }
    written?;
    sync_directory(path)
}

/// A power failure must not take the name of a key that something was sealed with. Not every file system can do it.
fn sync_directory(path: &Path) -> std::io::Result<()> {
    if let Some(directory) = path.canonicalize()?.parent() {
        let _unsupported = File::open(directory).and_then(|directory| directory.sync_all());
    }
    Ok(())
}

/// A group may be one of this service alone, as where Kubernetes sets `fsGroup`; a login group often is not.
fn warn_of_group(path: &Path) {
    if let Ok(metadata) = fs::metadata(path)
        && metadata.mode() & GROUP != 0
    {
        tracing::warn!(
            path = %path.display(),
            mode = format_args!("{:04o}", metadata.mode() & 0o7777),
            "the group of this file can read the server's key; run 'chmod 600' on it, unless the group is this service's alone"
        );
    }
}

/// A key's file before it has its name.
pub(super) fn draft(target: &Path, key: &Key) -> std::io::Result<Draft> {
    let draft = Draft::beside(target)?;
    let text = Zeroizing::new(base16ct::lower::encode_string(&**key));
    let mut file = OpenOptions::new().write(true).open(draft.path())?;
    file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n"))?;
    Ok(draft)
}

/// The key in a file.
pub(super) fn read(path: &Path) -> Result<Key, Failure> {
    let refuse = |why: &str| Failure::Refused(format!("the server's key {} {why}", path.display()));
    let unreadable = |error: std::io::Error| refuse(&format!("cannot be read: {error}"));
    // Without it, whoever opens a pipe waits for its writer.
    let no_wait = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(no_wait).open(path).map_err(unreadable)?;
    // Of what was opened: the name may have stood for another file a moment ago.
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(refuse("is not a regular file; put the file with the key back under this name"));
    }
    if metadata.mode() & OTHERS != 0 {
        return Err(refuse("can be read by others than its owner and its group; run 'chmod 600' on it"));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MOST).read_to_string(&mut text).map_err(unreadable)?;
    let key = ServerKey::parse(text.trim()).and_then(|key| key.bytes().map(|key| Key::new(*key)));
    key.ok_or_else(|| refuse("must hold 64 hexadecimal digits and nothing else"))
}

#[cfg(test)]
mod tests {
    use std::{
        process::Command,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
            mpsc,
        },
        thread,
        time::Duration,
    };

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_pipe_that_takes_the_name_of_the_key_at_any_moment_hangs_nobody() {
        let directory = TempDir::new().unwrap();
        let [file, pipe, link, name] = ["file", "pipe", "link", "name"].map(|name| directory.path().join(name));
        create(&file, &draw()).unwrap();
        assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&pipe).status().unwrap().success());
        fs::hard_link(&file, &name).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let swapping = thread::spawn({
            let (is_over, name) = (is_over.clone(), name.clone());
            move || {
                for taken_by in [&pipe, &file].into_iter().cycle() {
                    fs::hard_link(taken_by, &link).unwrap();
                    fs::rename(&link, &name).unwrap();
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                }
            }
        });

        let (done, said) = mpsc::channel();
        thread::spawn(move || {
            for _ in 0..20_000 {
                if let Err(failure) = read(&name) {
                    let Failure::Refused(why) = failure else { panic!("it is refused") };
                    assert!(why.contains("is not a regular file"), "{why}");
                }
            }
            done.send(()).unwrap();
        });
        let said = said.recv_timeout(Duration::from_secs(30));

        is_over.store(true, Ordering::Relaxed);
        swapping.join().unwrap();
        said.expect("it ends");
    }
}
