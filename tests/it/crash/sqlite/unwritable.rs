//! The file may not be written to. Linux only, for the sake of tests that run as root: it takes setpriv to heed modes.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
};

use reqwest::StatusCode;

use super::{super::assert_no_panic, Disk, behind};
use crate::support::{Binary, run, tokensmith};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_written_refuses_the_start() {
    let disk = Disk::new().await;
    set_mode(&disk.file(), 0o400);

    let complaint = run(&mut heeding_modes(&disk.place.command(), &disk.directory)).refused();

    assert!(complaint.contains("cannot migrate sqlite://"), "{complaint}");
    assert!(complaint.contains("readonly database"), "{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_written_is_503_until_it_can() {
    let disk = Disk::new().await;
    // Whoever remembers what it reads opens the file for writing early, and what is open stays so; this one does not.
    let _remembered_elsewhere = disk.lock();
    let server = Binary::serve(heeding_modes(&disk.place.command(), &disk.directory));

    set_mode(&disk.file(), 0o400);
    let refused = disk.write(&server).await;

    assert_eq!(refused, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(disk.read(&server).await, StatusCode::NOT_FOUND);
    assert_eq!(disk.written().await, 1);
    set_mode(&disk.file(), 0o600);
    assert_eq!(disk.write(&server).await, StatusCode::OK);
    assert_eq!(disk.written().await, 2);
    assert_no_panic(&server.stop().1);
}

/// As another user would be: it cannot tell whether the server is on the files that are there.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_cannot_read_the_claim_writes_nothing() {
    let disk = Disk::new().await;
    let server = disk.place.serve();
    let root = &disk.place.root;
    let (id, secret) = server.issue(root).await;
    let lock = disk.directory.join("tokensmith.db.lock");
    let mut revoke = tokensmith(&disk.directory);
    revoke.env("TOKENSMITH_DATABASE__URL", &disk.place.url).args(["token", "revoke", &id]);

    set_mode(&lock, 0o000);
    let complaint = run(&mut heeding_modes(&revoke, &disk.directory)).refused();
    let manages = server.manages(root.id, &secret).await;
    set_mode(&lock, 0o600);
    run(&mut heeding_modes(&revoke, &disk.directory)).done();

    assert!(complaint.contains("tokensmith.db.lock"), "{complaint}");
    assert!(complaint.contains("run this as the user of the server"), "{complaint}");
    assert!(manages);
    assert!(!server.manages(root.id, &secret).await);
    server.stop();
}

/// Heeds the modes of files, as root would not.
fn heeding_modes(command: &Command, directory: &Path) -> Command {
    if directory.metadata().unwrap().uid() == 0 {
        behind(&["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"], command)
    } else {
        behind(&["env"], command)
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}
