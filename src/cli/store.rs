//! Opening the store that the configuration names.

use std::{
    fs::{self, DirBuilder},
    io::ErrorKind,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use rustix::fs::Access;

use super::{Failure, catalogue::Known, explained, keys, output};
use crate::{
    clock::SystemClock,
    config::{Config, DatabaseUrl},
    entropy::SystemEntropy,
    service::{Cost, Hasher, Keys, Limits, Service},
    store::{Store, migrate as migrations, postgres, sqlite},
};

/// `tokensmith migrate`
pub(super) async fn migrate(config: &Config) -> Result<ExitCode, Failure> {
    let made = match &config.database.url {
        DatabaseUrl::Sqlite(path) if !path.exists() => Some(format!("created {}", whole(path).display())),
        DatabaseUrl::Sqlite(_) | DatabaseUrl::Postgres(_) => None,
    };
    let applied = bring_up(config).await?;
    let lines: Vec<String> =
        made.into_iter().chain(applied.iter().map(|migration| format!("applied {migration}"))).collect();
    output::print(if lines.is_empty() { "the database is up to date".to_owned() } else { lines.join("\n") })?;
    Ok(ExitCode::SUCCESS)
}

/// Makes what is missing and migrates it. Returns the migrations applied.
pub(super) async fn bring_up(config: &Config) -> Result<Vec<String>, Failure> {
    let url = &config.database.url;
    let mut made = None;
    let applied = match url {
        DatabaseUrl::Sqlite(path) => {
            if !path.exists() {
                make_file(path, url.is_default())?;
                made = Some(path);
            }
            migrations::sqlite(path).await
        }
        DatabaseUrl::Postgres(options) => migrations::postgres(options).await,
    };
    let applied = applied.map_err(|error| Failure::Refused(format!("cannot migrate {url}: {}", explained(&error))))?;
    if let Some(path) = made {
        tracing::info!(path = %whole(path).display(), "database file created");
    }
    Ok(applied)
}

fn make_file(path: &Path, is_default: bool) -> Result<(), Failure> {
    let cannot_create = |what: &str, path: &Path, error: &std::io::Error| {
        let remedy = match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                "; let this user write to the directory above it, or run the command as the user that runs the server"
            }
            _ => "",
        };
        Failure::Refused(format!("cannot create the {what} {}: {error}{remedy}", whole(path).display()))
    };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(directory) = directory
        && !directory.is_dir()
    {
        if !is_default {
            return Err(Failure::Refused(format!(
                "the directory {} of the database does not exist; make it first, for the service's user alone",
                whole(directory).display()
            )));
        }
        DirBuilder::new()
            .mode(0o700)
            .create(directory)
            .map_err(|error| cannot_create("directory", directory, &error))?;
    }
    sqlite::create(path).map_err(|error| cannot_create("database", path, &error))
}

/// What a command is going to do with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    /// It only reads.
    Read,
    /// It writes.
    Write,
}

/// What a command that ends at once works with.
pub(super) struct Opened {
    pub(super) service: Arc<Service>,
    pub(super) store: Arc<dyn Store>,
    /// The permissions that the servers on this database know.
    pub(super) known: Known,
}

/// A service on the store, which must be at this program's schema, for a command that ends at once. None of them seals
/// anything, so none needs the server's key.
pub(super) async fn open(config: &Config, intent: Intent) -> Result<Opened, Failure> {
    if let (Intent::Write, DatabaseUrl::Sqlite(path)) = (intent, &config.database.url) {
        assert_there(path)?;
        assert_writable(path)?;
    }
    let mut config = config.clone();
    let mut store = open_store(&config).await?;
    let known = Known::find(&config, &*store).await?;
    if known.catalogue != config.permissions.catalogue {
        store.close().await;
        config.permissions.catalogue = known.catalogue.clone();
        store = open_store(&config).await?;
    }
    let service = service(&config, store.clone(), &keys::known(&config))?.without_renewals();
    Ok(Opened { service: Arc::new(service), store, known })
}

/// The store, which must be at this program's schema.
pub(super) async fn open_store(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    let catalogue = Arc::new(config.permissions.catalogue.clone());
    let time_limit = config.database.acquire_timeout.get();
    let store = match &config.database.url {
        DatabaseUrl::Sqlite(path) => {
            assert_there(path)?;
            let options = sqlite::Options { path: path.clone(), readers: config.database.readers, time_limit };
            sqlite::open(&options, catalogue.clone())
        }
        DatabaseUrl::Postgres(connect) => {
            let options = postgres::Options {
                connect: (**connect).clone(),
                max_connections: config.database.max_connections,
                time_limit,
                fresh_for: postgres::FRESH_FOR,
            };
            postgres::open(&options, catalogue.clone())
        }
    };
    store.ready().await?;
    Ok(store)
}

/// Asks whether the database file is there. 'migrate' in the wrong directory would make a second one, so the error names
/// the whole path.
pub(super) fn assert_there(path: &Path) -> Result<(), Failure> {
    let shown = whole(path);
    let shown = shown.display();
    Err(Failure::Refused(match fs::metadata(path) {
        Ok(found) if found.is_file() => return Ok(()),
        Ok(_) => format!("the database {shown} is not a file; correct database.url"),
        Err(error) if error.kind() == ErrorKind::NotFound => format!(
            "there is no database at {shown}. Is this the right directory? Run the command in the directory of the server, \
             or name its database: TOKENSMITH_DATABASE__URL=sqlite:///PATH, or --config FILE. 'tokensmith migrate' makes a \
             new, empty database"
        ),
        Err(error) => format!(
            "cannot look at the database {shown}: {error}; run the command as the user that runs the server, or correct \
             the owner of the file and its directories"
        ),
    }))
}

/// Asks whether this user may write to the file: SQLite would only find out later, and the pool of connections would try
/// again until the time is up.
fn assert_writable(path: &Path) -> Result<(), Failure> {
    rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK).map_err(|error| {
        Failure::Refused(format!(
            "this user cannot write to the database {}: {}; run the command as the user that runs the server, or correct \
             the owner of the file",
            whole(path).display(),
            std::io::Error::from(error)
        ))
    })
}

fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Says where others than its owner may read or write what is kept.
pub(super) fn warn_of_open_modes(config: &Config) {
    match &config.database.url {
        DatabaseUrl::Sqlite(path) => sqlite::warn_of_open_modes(path),
        DatabaseUrl::Postgres(_) => {}
    }
}

/// A service on a store.
pub(super) fn service(config: &Config, store: Arc<dyn Store>, keys: &Keys) -> Result<Service, Failure> {
    let catalogue = Arc::new(config.permissions.catalogue.clone());
    let entropy = Arc::new(SystemEntropy);
    let hashing = &config.hashing;
    let (memory_kib, iterations, parallelism) = hashing.cost();
    let cost = Cost { memory_kib, iterations, parallelism };
    let slots = cores();
    let hasher = Hasher::start(cost, slots, hashing.queue, entropy.clone())?;
    let limits = Limits {
        tokens_per_project: config.limits.tokens_per_project,
        subprojects_per_project: config.limits.subprojects_per_project,
        cache_bytes: config.cache.max_bytes,
    };
    Ok(Service::new(store, hasher, Arc::new(SystemClock), entropy, catalogue, limits, keys))
}

/// The cores that this process may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
