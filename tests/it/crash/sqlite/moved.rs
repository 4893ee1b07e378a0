//! The file is moved away, deleted or replaced while a server holds it open.

use std::fs;

use reqwest::StatusCode;
use tokensmith::store::SETTLED_AFTER;

use super::{
    super::{
        Dice, assert_no_panic,
        ledger::{self, Load, Server},
        until,
    },
    CLIENTS, Disk, SOON, status,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_moved_away_is_503_until_it_is_back() {
    let mut dice = Dice::new();
    let disk = Disk::new().await;
    let server = disk.place.serve();
    let load = Load::start(ledger::ledgers(CLIENTS), &disk.place, &server.url(""), Server::AnswersAlways, &mut dice);
    until("writes are done", SOON, async || load.done() > 20).await;

    let elsewhere = disk.directory.with_file_name("elsewhere");
    fs::rename(&disk.directory, &elsewhere).unwrap();
    until("/readyz answers 503", SOON, async || status(&server, "/readyz").await == 503).await;
    assert_eq!(disk.write(&server).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(status(&server, "/livez").await, StatusCode::OK);
    fs::rename(&elsewhere, &disk.directory).unwrap();

    until("/readyz answers 200", SOON, async || status(&server, "/readyz").await == 200).await;
    let done = load.done();
    until("writes are done again", SOON, async || load.done() > done + 20).await;
    let mut ledgers = load.stop().await;
    ledger::verify_all(&mut ledgers, &disk.place, &server.url("")).await;
    assert_no_panic(&server.stop().1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_let_in_or_confirmed_on_a_file_that_is_gone_or_another() {
    let disk = Disk::new().await;
    let server = disk.place.serve();
    assert_eq!(disk.write(&server).await, StatusCode::OK);
    let backup = fs::read(disk.file()).unwrap();

    fs::remove_dir_all(&disk.directory).unwrap();
    tokio::time::sleep(SETTLED_AFTER).await;
    let gone = [disk.write(&server).await, disk.read(&server).await, status(&server, "/readyz").await];
    fs::create_dir(&disk.directory).unwrap();
    fs::write(disk.file(), backup).unwrap();
    let another = [disk.write(&server).await, disk.read(&server).await, status(&server, "/readyz").await];

    assert_eq!(gone, [StatusCode::SERVICE_UNAVAILABLE; 3]);
    assert_eq!(another, gone);
    assert_no_panic(&server.stop().1);
    let server = disk.place.serve();
    assert_eq!(disk.write(&server).await, StatusCode::OK);
    disk.written().await;
}
