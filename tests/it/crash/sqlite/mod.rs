//! What can befall an SQLite file: it may not be written to, its directory goes, the files beside it go, the disk is full, two servers share it.

mod beside;
#[cfg(target_os = "linux")]
mod full_disk;
mod moved;
mod shared;
#[cfg(target_os = "linux")]
mod unwritable;

use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use reqwest::{Method, StatusCode};
use serde_json::json;
use tempfile::TempDir;
use tokensmith::store::sqlite;

use super::place::Place;
use crate::support::Binary;

const CLIENTS: usize = 3;
const SOON: Duration = Duration::from_secs(10);

/// A directory with a database in it that the test may take away, and the place that is on it.
struct Disk {
    directory: PathBuf,
    place: Place,
    _kept: TempDir,
}

impl Disk {
    async fn new() -> Self {
        let kept = TempDir::new().unwrap();
        let directory = kept.path().join("data");
        std::fs::create_dir(&directory).unwrap();
        Self::on(directory, kept).await
    }

    async fn on(directory: PathBuf, kept: TempDir) -> Self {
        let file = directory.join("tokensmith.db");
        sqlite::create(&file).unwrap();
        let place = Place::new(format!("sqlite://{}", file.display())).await;
        Self { directory, place, _kept: kept }
    }

    fn file(&self) -> PathBuf {
        self.directory.join("tokensmith.db")
    }

    /// Claims, for as long as it is kept, to be the process that remembers what it reads of the file.
    #[cfg(target_os = "linux")]
    fn lock(&self) -> std::fs::File {
        let lock = std::fs::File::create(self.directory.join("tokensmith.db.lock")).unwrap();
        lock.try_lock().unwrap();
        lock
    }

    /// One write, and its status.
    async fn write(&self, server: &Binary) -> StatusCode {
        let began = Instant::now();
        let root = &self.place.root;
        let path = format!("/Accounts/{}/tokens", root.id);
        let body = json!({ "name": "one write", "permissions": ["chat"] });
        let response = server.compatibility(Method::POST, root, &path).json(&body).send().await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(4), "answered after {:?}", began.elapsed());
        assert_eq!(response.headers().contains_key("retry-after"), response.status() == 503);
        response.status()
    }

    /// A call that proves the root's credential and then finds nothing, and its status.
    async fn read(&self, server: &Binary) -> StatusCode {
        server.compatibility(Method::GET, &self.place.root, "/nothing").send().await.unwrap().status()
    }

    async fn written(&self) -> usize {
        let tables = self.place.tables().await;
        assert_eq!(tables.faults, Vec::<String>::new());
        tables.tokens.len()
    }
}

async fn status(server: &Binary, path: &str) -> StatusCode {
    server.request(Method::GET, path).send().await.unwrap().status()
}

/// The same command behind a program that runs it in other circumstances.
fn behind(program: &[&str], command: &Command) -> Command {
    let mut whole = Command::new(program[0]);
    whole.args(&program[1..]).arg(command.get_program()).args(command.get_args());
    whole.current_dir(command.get_current_dir().unwrap());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => whole.env(key, value),
            None => whole.env_remove(key),
        };
    }
    whole
}
