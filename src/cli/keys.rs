//! The server's key: where it comes from, and `tokensmith keygen`.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use zeroize::Zeroizing;

use super::{Failure, output};
use crate::{
    config::{Config, DatabaseUrl, ServerKey},
    entropy::{Entropy, SystemEntropy},
    service::{Key, Keys},
};

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
                .map_err(|error| Failure::Refused(format!("cannot make {}: {error}", path.display())))?;
            output::print(format!("wrote {}", path.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The keys of a server, which needs one. Beside an SQLite file it is made where there is none.
pub(super) fn provide(config: &Config) -> Result<Keys, Failure> {
    if let DatabaseUrl::Sqlite(database) = &config.database.url
        && config.server.key.bytes().is_none()
    {
        let path = beside(database);
        if !path.exists() {
            make(&path)
                .map_err(|error| Failure::Refused(format!("cannot make the key {}: {error}", path.display())))?;
        }
    }
    let keys = find(config)?;
    if keys.is_none() {
        return Err(Failure::Misused(
            "server.key is empty, and nodes on Postgres share one: make it with 'tokensmith keygen server.key' and give \
             each node the file's path as TOKENSMITH_SERVER__KEY_FILE"
                .to_owned(),
        ));
    }
    Ok(keys)
}

/// The keys that there are, for a command that does without.
pub(super) fn find(config: &Config) -> Result<Keys, Failure> {
    let current = match (config.server.key.bytes(), &config.database.url) {
        (Some(key), _) => Some(Key::new(*key)),
        (None, DatabaseUrl::Sqlite(database)) => read(&beside(database))?,
        (None, DatabaseUrl::Postgres(_)) => None,
    };
    Ok(Keys::new(current, Vec::new()))
}

/// The database's name and `.key`.
fn beside(database: &Path) -> PathBuf {
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
    draft.push(format!(".{}", std::process::id()));
    let draft = PathBuf::from(draft);
    let _leftover = fs::remove_file(&draft);
    create(&draft, &draw())?;
    let linked = match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    };
    fs::remove_file(&draft)?;
    linked?;
    // A power failure must not take the name of a key that something was sealed with.
    if let Some(directory) = path.canonicalize()?.parent() {
        let _unsupported = File::open(directory).and_then(|directory| directory.sync_all());
    }
    tracing::info!(path = %path.display(), "the server's key was made; keep a copy of it apart from the database");
    Ok(())
}

fn create(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

fn read(path: &Path) -> Result<Option<Key>, Failure> {
    let refuse = |why: &str| Failure::Refused(format!("the server's key {} {why}", path.display()));
    let mode = match fs::metadata(path) {
        Ok(metadata) => metadata.mode(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refuse(&format!("cannot be read: {error}"))),
    };
    if mode & 0o077 != 0 {
        return Err(refuse("can be read by others than its owner; run 'chmod 600' on it"));
    }
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|error| refuse(&format!("cannot be read: {error}")))?;
    let key = ServerKey::parse(text.trim()).and_then(|key| key.bytes().map(|key| Key::new(*key)));
    key.map(Some).ok_or_else(|| refuse("must hold 64 hexadecimal digits and nothing else"))
}
