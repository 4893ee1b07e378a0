//! A database that outlives the servers that run on it.

use std::{path::Path, process::Command, sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions, Connection,
    postgres::{PgConnectOptions, PgSslMode},
    sqlite::SqliteConnectOptions,
};
use tempfile::TempDir;
use tokensmith::{
    clock::SystemClock,
    domain::Name,
    entropy::SystemEntropy,
    service::{Cost, Hasher, Keys, Limits, Service},
    store::{Store, migrate, postgres, sqlite},
};
use uuid::Uuid;

use crate::support::{Binary, Project, catalogue, tokensmith};

/// A database with a root project, by its address.
pub struct Place {
    pub url: String,
    pub root: Project,
    working_directory: TempDir,
}

/// What the tables hold, read past the program.
pub struct Tables {
    /// Id, name and permissions of each token.
    pub tokens: Vec<(Uuid, String, String)>,
    /// What contradicts itself: a token without one secret, a secret without its token, a wrong count, a broken file.
    pub faults: Vec<String>,
}

impl Place {
    /// Brings the database to the schema and makes the root project.
    pub async fn new(url: String) -> Self {
        match file(&url) {
            Some(path) => migrate::sqlite(path).await.unwrap(),
            None => migrate::postgres(&connect_options(&url)).await.unwrap(),
        };
        let (service, store) = open(&url).await;
        let created = service.create_project(Name::parse("Root").unwrap(), None, true).await.unwrap();
        store.close().await;
        let token = created.token.unwrap();
        let root = Project {
            id: created.project.id,
            token_id: token.token.id.to_string(),
            secret: token.secret.reveal().to_string(),
        };
        Self { url, root, working_directory: TempDir::new().unwrap() }
    }

    /// `tokensmith serve` on it.
    pub fn command(&self) -> Command {
        serve_on(&self.url, self.working_directory.path())
    }

    /// The running server.
    pub fn serve(&self) -> Binary {
        Binary::serve(self.command())
    }

    pub async fn tables(&self) -> Tables {
        Tables::read(&self.url).await
    }
}

/// `tokensmith serve` on that database.
pub fn serve_on(url: &str, working_directory: &Path) -> Command {
    let mut command = tokensmith(working_directory);
    command.arg("serve").env("TOKENSMITH_DATABASE__URL", url).env("TOKENSMITH_SERVER__KEY", "07".repeat(32));
    command
}

/// A service in this process on that database; the store is to be closed.
pub async fn open(url: &str) -> (Service, Arc<dyn Store>) {
    let known = Arc::new(catalogue());
    let time_limit = Duration::from_secs(10);
    let store = match file(url) {
        Some(path) => sqlite::open(&sqlite::Options { path: path.to_owned(), readers: 1, time_limit }, known.clone()),
        None => {
            let connect = connect_options(url);
            let fresh_for = postgres::FRESH_FOR;
            postgres::open(&postgres::Options { connect, max_connections: 2, time_limit, fresh_for }, known.clone())
        }
    };
    let entropy = Arc::new(SystemEntropy);
    let cost = Cost { memory_kib: 64, iterations: 1, parallelism: 1 };
    let hasher = Hasher::start(cost, 2, 128, entropy.clone()).unwrap();
    let limits = Limits { tokens_per_project: 10_000, subprojects_per_project: 1000, cache_bytes: 1 << 20 };
    (Service::new(store.clone(), hasher, Arc::new(SystemClock), entropy, known, limits, &Keys::default()), store)
}

fn file(url: &str) -> Option<&Path> {
    url.strip_prefix("sqlite://").map(Path::new)
}

fn connect_options(url: &str) -> PgConnectOptions {
    // A developer's PGSSLMODE must not ask TLS of a socket.
    url.parse::<PgConnectOptions>().unwrap().ssl_mode(PgSslMode::Disable)
}

macro_rules! read_tables {
    ($connection:expr) => {{
        let mut connection = $connection;
        let tokens = sqlx::query_as("select id, name, permissions from tokens").fetch_all(&mut connection).await.unwrap();
        let mut faults = Vec::new();
        for (what, count) in [
            (
                "tokens without exactly one secret",
                "select count(*) from tokens t where (select count(*) from token_secrets s where s.token_id = t.id) <> 1",
            ),
            (
                "secrets without their token",
                "select count(*) from token_secrets s where not exists (select 1 from tokens t where t.id = s.token_id)",
            ),
            (
                "projects that count their tokens wrongly",
                "select count(*) from projects p
                where token_count <> (select count(*) from tokens t where t.project_id = p.id)",
            ),
        ] {
            let count: i64 = sqlx::query_scalar(count).fetch_one(&mut connection).await.unwrap();
            if count > 0 {
                faults.push(format!("{count} {what}"));
            }
        }
        (connection, Tables { tokens, faults })
    }};
}

impl Tables {
    pub async fn read(url: &str) -> Self {
        let Some(path) = file(url) else {
            let (connection, tables) = read_tables!(connect_options(url).connect().await.unwrap());
            connection.close().await.unwrap();
            return tables;
        };
        let connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
        let (mut connection, mut tables) = read_tables!(connection);
        let said: String = sqlx::query_scalar("pragma integrity_check").fetch_one(&mut connection).await.unwrap();
        if said != "ok" {
            tables.faults.push(said);
        }
        connection.close().await.unwrap();
        tables
    }

    /// How many projects there are, if there is a table of them.
    pub async fn try_count_projects(url: &str) -> Result<i64, sqlx::Error> {
        const COUNT: &str = "select count(*) from projects";
        match file(url) {
            Some(path) => {
                let mut connection = SqliteConnectOptions::new().filename(path).connect().await?;
                sqlx::query_scalar(COUNT).fetch_one(&mut connection).await
            }
            None => {
                let mut connection = connect_options(url).connect().await?;
                sqlx::query_scalar(COUNT).fetch_one(&mut connection).await
            }
        }
    }
}
