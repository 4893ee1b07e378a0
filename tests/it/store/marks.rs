//! Who may remember what it reads, and how it hears of others' writes.

use std::{os::unix::fs::symlink, time::Duration};

use rstest::rstest;
use tempfile::TempDir;
use tokensmith::store::{SETTLED_AFTER, sqlite};

use super::issue;
use crate::support::{App, Backend, Database, Heard, catalogue};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn only_others_writes_move_the_mark(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let app = App::start(backend).await;
    let before = app.store.mark().await.unwrap();

    issue(&app.service, app.root.id, "by this process").await;
    assert_eq!(app.store.mark().await.unwrap(), before);

    app.database.execute("update projects set name = 'changed by another'").await;
    let after = app.store.mark().await.unwrap();
    assert_eq!(before.is_some(), backend == Backend::Sqlite);
    assert_eq!(after != before, backend == Backend::Sqlite);
}

#[tokio::test]
async fn one_process_at_most_remembers_what_it_reads_of_a_file() {
    let database = Database::migrated(Backend::Sqlite).await;
    // As two processes: the lock belongs to what was opened, not to who opened it.
    let (one, other) = (database.open(catalogue()), database.open(catalogue()));
    assert!(one.is_remembered_elsewhere() && other.is_remembered_elsewhere(), "nobody has asked yet");

    assert!(one.mark().await.unwrap().is_some());
    assert_eq!(other.mark().await.unwrap(), None);
    assert!(one.is_remembered_elsewhere(), "whoever had it before may remember for a moment");
    tokio::time::sleep(SETTLED_AFTER).await;
    assert!(!one.is_remembered_elsewhere() && other.is_remembered_elsewhere());

    let mut lock = database.path().into_os_string();
    lock.push(".lock");
    std::fs::remove_file(lock).unwrap();
    assert!(one.is_remembered_elsewhere(), "another may have the next one");
    assert!(other.mark().await.unwrap().is_some(), "a file that was deleted locks nobody out");
    assert_eq!(one.mark().await.unwrap(), None, "and gives nobody a claim");
    assert!(one.is_remembered_elsewhere());

    other.close().await;
    assert!(one.mark().await.unwrap().is_some());
}

#[tokio::test]
async fn a_lock_that_cannot_be_made_is_told_once_and_nothing_is_remembered_until_it_can() {
    let heard = Heard::listen();
    let database = Database::migrated(Backend::Sqlite).await;
    let store = database.open(catalogue());
    let mut lock = database.path().into_os_string();
    lock.push(".lock");
    std::fs::create_dir(&lock).unwrap();

    for _ in 0..3 {
        assert_eq!(store.mark().await.unwrap(), None);
    }

    assert!(store.is_remembered_elsewhere());
    let said = heard.lines("no grant is remembered");
    assert!(said.len() == 1 && said[0].contains("tokensmith.db.lock"), "{said:?}");
    std::fs::remove_dir(&lock).unwrap();
    assert!(store.mark().await.unwrap().is_some());
    // Another that has it is nothing to complain of.
    assert_eq!(database.open(catalogue()).mark().await.unwrap(), None);
    assert_eq!(heard.lines("no grant is remembered").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_two_names_is_remembered_by_one_process() {
    let database = Database::migrated(Backend::Sqlite).await;
    let elsewhere = TempDir::new().unwrap();
    let path = elsewhere.path().join("linked.db");
    symlink(database.path(), &path).unwrap();
    let time_limit = Duration::from_secs(5);
    let options = sqlite::Options { path, readers: 1, time_limit };
    let (one, other) = (database.open(catalogue()), sqlite::open(&options, catalogue().into()));

    assert!(one.mark().await.unwrap().is_some());
    assert_eq!(other.mark().await.unwrap(), None);
}
