//! There is no room to write. Linux only: it takes prlimit, or a file system of one's own.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use reqwest::StatusCode;
use rstest::rstest;
use tempfile::TempDir;

use super::{
    super::{
        Dice, assert_no_panic,
        ledger::{self, Load, Server},
        place::{self, Tables},
        until,
    },
    CLIENTS, Disk, SOON, behind, status,
};
use crate::support::{Binary, run};

/// A disk that can be filled, and emptied again.
trait Room {
    fn fill(&mut self, server: &Binary, disk: &Disk);
    fn make(&mut self, server: &Binary);
}

/// A limit on the size of the process's files: needs no rights, and fails like a broken disk.
struct Limit;

impl Room for Limit {
    fn fill(&mut self, server: &Binary, disk: &Disk) {
        let journal = disk.directory.join("tokensmith.db-wal").metadata().unwrap().len();
        limit(server, &format!("{journal}:"));
    }

    fn make(&mut self, server: &Binary) {
        limit(server, "unlimited:");
    }
}

fn limit(server: &Binary, bytes: &str) {
    let limit = [format!("--fsize={bytes}"), format!("--pid={}", server.pid())];
    assert!(Command::new("prlimit").args(limit).status().unwrap().success());
}

/// A small file system of its own, where the tests may mount one.
struct Mounted(PathBuf);

impl Mounted {
    fn try_on(directory: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(directory).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self(directory.to_owned()))
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    fn fill_up(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        while ballast.write_all(&[0; 512]).is_ok() {}
    }
}

impl Room for Mounted {
    fn fill(&mut self, _: &Binary, _: &Disk) {
        self.fill_up();
    }

    fn make(&mut self, _: &Binary) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _busy = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A process that a limit on its files does not kill.
fn heeding_limits(command: &Command) -> Command {
    behind(&["bash", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""], command)
}

async fn a_full_disk_costs_nothing_that_was_answered(disk: Disk, mut room: impl Room) {
    let mut dice = Dice::new();
    let server = Binary::serve(heeding_limits(&disk.place.command()));
    let load = Load::start(ledger::ledgers(CLIENTS), &disk.place, &server.url(""), Server::AnswersAlways, &mut dice);
    until("writes are done", SOON, async || load.done() > 20).await;

    for _ in 0..2 {
        room.fill(&server, &disk);
        // More than once for each: what one failure leaves behind must not be in the next one's way.
        let failed = load.failed();
        until("writes fail", SOON, async || load.failed() > failed + 4 * CLIENTS as u64).await;
        assert_eq!(disk.read(&server).await, StatusCode::NOT_FOUND);
        assert_eq!(status(&server, "/readyz").await, StatusCode::OK);
        room.make(&server);
        let done = load.done();
        until("writes are done again", SOON, async || load.done() > done + 20).await;
    }

    let mut ledgers = load.stop().await;
    println!("{:?}", ledgers.iter().map(|ledger| &ledger.counts).collect::<Vec<_>>());
    ledger::verify_all(&mut ledgers, &disk.place, &server.url("")).await;
    assert_no_panic(&server.stop().1);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_may_not_grow_cost_nothing_that_was_answered() {
    a_full_disk_costs_nothing_that_was_answered(Disk::new().await, Limit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_file_system_costs_nothing_that_was_answered() {
    let kept = TempDir::new().unwrap();
    let Some(mounted) = Mounted::try_on(kept.path()) else {
        println!("not tried: this user may not mount a file system");
        return;
    };
    a_full_disk_costs_nothing_that_was_answered(Disk::on(kept.path().to_owned(), kept).await, mounted).await;
}

#[rstest]
#[case::of_a_new_file(false)]
#[case::of_a_known_file(true)]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_the_start_and_leaves_nothing_in_the_way(#[case] is_known: bool) {
    let disk = Disk::new().await;
    let url = if is_known { disk.place.url.clone() } else { format!("sqlite://{}/new.db", disk.directory.display()) };
    let command = place::serve_on(&url, &disk.directory);

    let full = ["bash", "-c", "trap '' XFSZ; ulimit -S -f 0; exec \"$0\" \"$@\""];
    let complaint = run(&mut behind(&full, &command)).refused();

    assert!(complaint.contains("cannot migrate sqlite://"), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert_no_panic(&Binary::serve(command).stop().1);
    assert_eq!(Tables::read(&url).await.faults, Vec::<String>::new());
}
