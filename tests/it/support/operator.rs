//! Someone at a prompt, with the real binary.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;
use tokensmith::domain::ProjectId;

use super::{Backend, Binary, Database, Project, Ran, run, run_with, tokensmith};

/// A directory to stand in, and a database that every command is told of.
pub struct Operator {
    pub database: Database,
    directory: TempDir,
}

impl Operator {
    /// With a database that is there and empty.
    pub async fn new(backend: Backend) -> Self {
        Self { database: Database::bare(backend).await, directory: TempDir::new().unwrap() }
    }

    /// With a database at this program's schema.
    pub async fn migrated(backend: Backend) -> Self {
        Self { database: Database::migrated(backend).await, directory: TempDir::new().unwrap() }
    }

    /// Where `serve --bootstrap` keeps the first secret.
    pub fn bootstrap_file(&self) -> PathBuf {
        let directory = match &self.database {
            Database::Sqlite(directory) => directory.path(),
            Database::Postgres(_) => self.directory.path(),
        };
        directory.join("bootstrap.json")
    }

    /// Where it stands.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_in(self.directory.path(), arguments)
    }

    pub fn command_in(&self, directory: &Path, arguments: &[&str]) -> Command {
        let mut command = tokensmith(directory);
        command.env("TOKENSMITH_DATABASE__URL", self.database.url()).args(arguments);
        // On SQLite it is made beside the file.
        if matches!(self.database, Database::Postgres(_)) {
            command.env("TOKENSMITH_SERVER__KEY", "07".repeat(32));
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        run(&mut self.command(arguments))
    }

    pub fn run_with(&self, arguments: &[&str], stdin: impl AsRef<[u8]>) -> Ran {
        run_with(&mut self.command(arguments), stdin.as_ref())
    }

    pub fn serve(&self) -> Binary {
        Binary::serve(self.command(&["serve"]))
    }

    /// A new root project and its management token.
    pub fn project(&self, name: &str) -> Project {
        created(&self.run(&["project", "create", name, "--json"]).json())
    }

    /// Whether `token verify` finds a credential to be good.
    pub fn verifies(&self, project: ProjectId, secret: &str) -> bool {
        let ran = self.run_with(&["token", "verify"], format!("{project}:{secret}"));
        assert!(matches!(ran.code, 0 | 1), "{ran:?}");
        ran.code == 0
    }
}

/// The project of `project create --json`, and of bootstrap.json.
pub fn created(body: &Value) -> Project {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Project {
        id: ProjectId::parse(text(&body["project"]["id"])).unwrap(),
        token_id: text(&body["token"]["id"]),
        secret: text(&body["token"]["token"]),
    }
}
