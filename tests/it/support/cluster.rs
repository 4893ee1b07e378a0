//! A Postgres that `scripts/test` starts: for a plain `cargo test` the one that all tests share (see `postgres.rs`), and
//! one of a test's own where it is to be stopped, started or frozen.

use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader, Write},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A running cluster, gone when this is dropped.
pub struct Cluster {
    script: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// The address of its one database.
    pub url: String,
    frozen: Vec<String>,
}

impl Cluster {
    pub fn start() -> Self {
        let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/test"))
            .arg("--postgres")
            .env_remove("TOKENSMITH_TEST_POSTGRES_URL")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("scripts/test can be started");
        let orders = script.stdin.take();
        let mut answers = BufReader::new(script.stdout.take().unwrap());
        let mut said = |key: &str| {
            let mut line = String::new();
            answers.read_line(&mut line).unwrap();
            let value = line.trim_end().strip_prefix(key).and_then(|rest| rest.strip_prefix('='));
            value.expect("scripts/test --postgres says why there is no Postgres to test with").to_owned()
        };
        let url = said("TOKENSMITH_TEST_POSTGRES_URL");
        said("TOKENSMITH_TEST_PG_BIN");
        Self { script, orders, answers, url, frozen: Vec::new() }
    }

    /// One that keeps what it has confirmed, whatever happens to it.
    pub fn start_durable() -> Self {
        let mut cluster = Self::start();
        let settings = cluster.directory().join("data/postgresql.conf");
        let mut settings = OpenOptions::new().append(true).open(settings).unwrap();
        settings.write_all(b"fsync = on\nfull_page_writes = on\n").unwrap();
        cluster.pg_ctl("reload");
        cluster
    }

    /// Makes a cluster that is stopped a standby of no primary. It is one until it is promoted.
    pub fn make_standby(&self) {
        let signal = self.directory().join("data/standby.signal");
        std::fs::write(&signal, "").unwrap();
        // It is the server's to take away again.
        let owner = self.directory().join("data/postgresql.conf").metadata().unwrap();
        std::os::unix::fs::chown(&signal, Some(owner.uid()), Some(owner.gid())).unwrap();
    }

    /// Runs pg_ctl with those words, and waits for what it does.
    pub fn pg_ctl(&mut self, words: &str) {
        writeln!(self.orders.as_mut().unwrap(), "{words}").unwrap();
        let mut status = String::new();
        self.answers.read_line(&mut status).unwrap();
        assert_eq!(status.trim_end(), "0", "pg_ctl {words}");
    }

    /// Stops every process of it where it stands, so that it keeps its connections and answers nothing.
    pub fn freeze(&mut self) {
        let pid_file = self.directory().join("data/postmaster.pid");
        let text = std::fs::read_to_string(pid_file).unwrap();
        let postmaster = text.lines().next().unwrap().to_owned();
        // The postmaster first: it makes no new ones then.
        signal("STOP", std::slice::from_ref(&postmaster));
        let children = Command::new("pgrep").args(["-P", &postmaster]).output().unwrap();
        let children: Vec<_> = String::from_utf8(children.stdout).unwrap().lines().map(str::to_owned).collect();
        signal("STOP", &children);
        self.frozen = children;
        self.frozen.push(postmaster);
    }

    /// Lets them go on.
    pub fn thaw(&mut self) {
        signal("CONT", &std::mem::take(&mut self.frozen));
    }

    fn directory(&self) -> PathBuf {
        let url = url::Url::parse(&self.url).unwrap();
        let (_, host) = url.query_pairs().find(|(key, _)| key == "host").unwrap();
        PathBuf::from(host.into_owned())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !self.frozen.is_empty() {
            self.thaw();
        }
        drop(self.orders.take());
        let _ended = self.script.wait();
    }
}

fn signal(name: &str, processes: &[String]) {
    // One may have ended by itself meanwhile.
    let _status = Command::new("kill").args(["-s", name]).args(processes).status();
}

#[test]
fn a_postgres_ends_when_its_script_is_killed() {
    let mut cluster = Cluster::start();
    let directory = cluster.directory();
    assert!(directory.join("data/postmaster.pid").exists());

    cluster.script.kill().unwrap();
    drop(cluster);

    let deadline = Instant::now() + Duration::from_secs(60);
    while directory.exists() {
        assert!(Instant::now() < deadline, "{} is still there", directory.display());
        thread::sleep(Duration::from_millis(20));
    }
}
