//! Opening the store that the configuration names.

use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt, path::Path, process::ExitCode, sync::Arc};

use super::{Failure, keys, output};
use crate::{
    clock::SystemClock,
    config::{Config, DatabaseUrl},
    entropy::SystemEntropy,
    service::{Cost, Hasher, Keys, Limits, Service},
    store::{Store, migrate as migrations, postgres, sqlite},
};

/// `tokensmith migrate`
pub(super) async fn migrate(config: &Config) -> Result<ExitCode, Failure> {
    let applied = bring_up(config).await?;
    let lines: Vec<String> = applied.iter().map(|migration| format!("applied {migration}")).collect();
    output::print(if lines.is_empty() { "the database is up to date".to_owned() } else { lines.join("\n") })?;
    Ok(ExitCode::SUCCESS)
}

/// Makes what is missing and migrates it. Returns the migrations applied.
pub(super) async fn bring_up(config: &Config) -> Result<Vec<String>, Failure> {
    let url = &config.database.url;
    let applied = match url {
        DatabaseUrl::Sqlite(path) => {
            make_file(path, url.is_default())?;
            migrations::sqlite(path).await
        }
        DatabaseUrl::Postgres(options) => migrations::postgres(options).await,
    };
    applied.map_err(|error| Failure::Refused(format!("cannot migrate {url}: {error}")))
}

fn make_file(path: &Path, is_default: bool) -> Result<(), Failure> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(directory) = directory
        && !directory.is_dir()
    {
        if !is_default {
            return Err(Failure::Refused(format!(
                "the directory {} of the database does not exist; make it first, for the service's user alone",
                directory.display()
            )));
        }
        DirBuilder::new()
            .mode(0o700)
            .create(directory)
            .map_err(|error| Failure::Refused(format!("cannot make the directory {}: {error}", directory.display())))?;
    }
    sqlite::create(path)
        .map_err(|error| Failure::Refused(format!("cannot make the database file {}: {error}", path.display())))
}

/// A service on the store, which must be at this program's schema, for a command that ends at once. None of them seals
/// anything, so none needs the server's key.
pub(super) async fn open(config: &Config) -> Result<(Arc<Service>, Arc<dyn Store>), Failure> {
    let store = open_store(config).await?;
    let service = service(config, store.clone(), &keys::known(config))?.without_renewals();
    Ok((Arc::new(service), store))
}

/// The store, which must be at this program's schema.
pub(super) async fn open_store(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    let catalogue = Arc::new(config.permissions.catalogue.clone());
    let time_limit = config.database.acquire_timeout.get();
    let store = match &config.database.url {
        DatabaseUrl::Sqlite(path) => {
            if !path.is_file() {
                return Err(Failure::Refused(format!(
                    "there is no database file {}; 'tokensmith migrate' makes it",
                    path.display()
                )));
            }
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

/// A service on a store.
pub(super) fn service(config: &Config, store: Arc<dyn Store>, keys: &Keys) -> Result<Service, Failure> {
    let catalogue = Arc::new(config.permissions.catalogue.clone());
    let entropy = Arc::new(SystemEntropy);
    let hashing = &config.hashing;
    let (memory_kib, iterations, parallelism) = hashing.cost();
    let cost = Cost { memory_kib, iterations, parallelism };
    let slots = cores();
    let hasher = Hasher::start(cost, slots, hashing.queue, entropy.clone())?;
    let limits = Limits { tokens_per_project: config.limits.tokens_per_project, cache_bytes: config.cache.max_bytes };
    Ok(Service::new(store, hasher, Arc::new(SystemClock), entropy, catalogue, limits, keys))
}

/// The cores that this process may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
