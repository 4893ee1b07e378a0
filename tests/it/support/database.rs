//! A database of one test's own, of either kind.

use std::{path::PathBuf, sync::Arc, time::Duration};

use sqlx::{ConnectOptions, Connection, Executor, PgConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tokensmith::{
    config::Config,
    domain::{Catalogue, ProjectId},
    store::{Store, migrate, postgres, sqlite},
};
use uuid::Uuid;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// An empty database, gone when this is dropped.
pub enum Database {
    Sqlite(TempDir),
    Postgres(String),
}

impl Database {
    /// A database without any schema.
    pub async fn bare(backend: Backend) -> Self {
        super::log();
        match backend {
            Backend::Sqlite => {
                let directory = TempDir::new().unwrap();
                let database = Self::Sqlite(directory);
                sqlite::create(&database.path()).unwrap();
                database
            }
            Backend::Postgres => {
                let name = format!("t{}", fresh_uuid().simple());
                super::postgres::execute(format!("create database {name} template template0")).await;
                Self::Postgres(name)
            }
        }
    }

    /// A database with this program's schema.
    pub async fn migrated(backend: Backend) -> Self {
        let database = Self::bare(backend).await;
        database.migrate().await.unwrap();
        database
    }

    pub async fn migrate(&self) -> Result<Vec<String>, migrate::MigrateError> {
        match self {
            Self::Sqlite(_) => migrate::sqlite(&self.path()).await,
            Self::Postgres(name) => migrate::postgres(&super::postgres::options(Some(name))).await,
        }
    }

    /// A store on it, with a patient time limit.
    pub fn open(&self, catalogue: Catalogue) -> Arc<dyn Store> {
        self.open_with(catalogue, Duration::from_secs(10))
    }

    /// A store on it.
    pub fn open_with(&self, catalogue: Catalogue, time_limit: Duration) -> Arc<dyn Store> {
        let catalogue = Arc::new(catalogue);
        match self {
            Self::Sqlite(_) => sqlite::open(&sqlite::Options { path: self.path(), readers: 2, time_limit }, catalogue),
            Self::Postgres(name) => {
                let connect = super::postgres::options(Some(name));
                let fresh_for = postgres::FRESH_FOR;
                postgres::open(&postgres::Options { connect, max_connections: 8, time_limit, fresh_for }, catalogue)
            }
        }
    }

    /// The value of `database.url` for it.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(_) => format!("sqlite://{}", self.path().display()),
            Self::Postgres(name) => super::postgres::url_of(name),
        }
    }

    /// Runs one statement on it, past the store.
    pub async fn execute(&self, statement: &'static str) {
        match self {
            Self::Sqlite(_) => {
                let options = SqliteConnectOptions::new().filename(self.path());
                let mut connection = options.connect().await.unwrap();
                connection.execute(statement).await.unwrap();
                connection.close().await.unwrap();
            }
            Self::Postgres(_) => {
                let mut connection = self.postgres().await;
                connection.execute(statement).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }

    /// A connection of the test's own to a Postgres database.
    pub async fn postgres(&self) -> PgConnection {
        match self {
            Self::Sqlite(_) => panic!("an SQLite database is no Postgres"),
            Self::Postgres(name) => super::postgres::options(Some(name)).connect().await.unwrap(),
        }
    }

    /// A number that a query counts.
    pub async fn count(&self, query: &'static str) -> i64 {
        match self {
            Self::Sqlite(_) => {
                let options = SqliteConnectOptions::new().filename(self.path());
                let mut connection = options.connect().await.unwrap();
                let count = sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap();
                connection.close().await.unwrap();
                count
            }
            Self::Postgres(_) => {
                let mut connection = self.postgres().await;
                let count = sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap();
                connection.close().await.unwrap();
                count
            }
        }
    }

    /// The file of an SQLite database.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Sqlite(directory) => directory.path().join("tokensmith.db"),
            Self::Postgres(_) => panic!("a Postgres database has no path"),
        }
    }

    /// Everything that the database holds, as text: what a thief of a backup would read.
    pub async fn dump(&self) -> String {
        String::from_utf8_lossy(&self.dump_bytes().await).into_owned()
    }

    /// The same as it is.
    pub async fn dump_bytes(&self) -> Vec<u8> {
        const TABLES: [&str; 5] = ["projects", "tokens", "token_secrets", "settings", "refinery_schema_history"];
        match self {
            Self::Sqlite(directory) => {
                let mut all = Vec::new();
                for entry in std::fs::read_dir(directory.path()).unwrap() {
                    all.extend(std::fs::read(entry.unwrap().path()).unwrap());
                }
                all
            }
            Self::Postgres(name) => {
                let mut connection = super::postgres::options(Some(name)).connect().await.unwrap();
                let mut all = String::new();
                for table in TABLES {
                    let query = format!("select coalesce(string_agg(t::text, e'\\n'), '') from {table} t");
                    let rows: String =
                        sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&mut connection).await.unwrap();
                    all.push_str(&rows);
                }
                connection.close().await.unwrap();
                all.into_bytes()
            }
        }
    }
}

impl Database {
    /// Every row that the service writes, in a fixed order: the same twice where nothing was written between.
    pub async fn rows(&self) -> Vec<String> {
        const SQLITE: &str = "
            select 'project ' || hex(id) || ' ' || name || ' ' || token_count || ' ' || updated_at
                || ' ' || coalesce(hex(signing_key), '-') from projects
            union all
            select 'token ' || hex(id) || ' ' || name || ' ' || permissions || ' ' || updated_at from tokens
            union all
            select 'secret ' || hex(id) || ' ' || hex(token_id) || ' ' || hash from token_secrets
            order by 1";
        const POSTGRES: &str = "
            select p::text from projects p
            union all select t::text from tokens t
            union all select s::text from token_secrets s
            order by 1";
        match self {
            Self::Sqlite(_) => {
                let options = SqliteConnectOptions::new().filename(self.path());
                let mut connection = options.connect().await.unwrap();
                let rows = sqlx::query_scalar(SQLITE).fetch_all(&mut connection).await.unwrap();
                connection.close().await.unwrap();
                rows
            }
            Self::Postgres(name) => {
                let mut connection = super::postgres::options(Some(name)).connect().await.unwrap();
                let rows = sqlx::query_scalar(POSTGRES).fetch_all(&mut connection).await.unwrap();
                connection.close().await.unwrap();
                rows
            }
        }
    }

    /// A project's signing key, sealed as it rests.
    pub async fn signing_key(&self, project: ProjectId) -> Option<Vec<u8>> {
        const QUESTION: &str = "select signing_key from projects where id = $1";
        let project = project.as_uuid();
        match self {
            Self::Sqlite(_) => {
                let mut connection = SqliteConnectOptions::new().filename(self.path()).connect().await.unwrap();
                sqlx::query_scalar(QUESTION).bind(project).fetch_one(&mut connection).await.unwrap()
            }
            Self::Postgres(name) => {
                let mut connection = super::postgres::options(Some(name)).connect().await.unwrap();
                sqlx::query_scalar(QUESTION).bind(project).fetch_one(&mut connection).await.unwrap()
            }
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Self::Postgres(name) = self else { return };
        let statement = format!("drop database if exists {name} with (force)");
        // A drop cannot wait for a future; a thread with a runtime of its own can.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(super::postgres::execute(statement));
        });
        let _ = dropped.join();
    }
}

/// The default catalogue.
pub fn catalogue() -> Catalogue {
    Config::load(&Default::default()).unwrap().permissions.catalogue
}

fn fresh_uuid() -> Uuid {
    use tokensmith::entropy::{Entropy, SystemEntropy};
    SystemEntropy.uuid()
}
