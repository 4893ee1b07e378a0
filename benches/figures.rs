//! The first figures, on SQLite: start to ready, and idle memory.
//!
//! `cargo bench --bench figures` runs it; `docs/performance.md` says how to read it.

#![allow(missing_docs, clippy::unwrap_used, clippy::pedantic, reason = "a bench is a script")]

mod support;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use support::Rounds;
use tempfile::TempDir;

const STARTS: usize = 15;

fn main() {
    let directory = TempDir::new().unwrap();
    // The first start makes and migrates the database; the others are what a restart costs.
    let first = Server::start(directory.path());
    println!("first start to ready        {:.1} ms", ms(first.ready_after));
    drop(first);
    let again = (0..STARTS).map(|_| ms(Server::start(directory.path()).ready_after)).collect();
    println!("start to ready              {} ms", Rounds(again).show(1));
    println!("idle memory                 {:.1} MiB resident", Server::start(directory.path()).resident_mib());
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The real binary, on a free port.
struct Server {
    child: Child,
    ready_after: Duration,
}

impl Server {
    fn start(directory: &Path) -> Self {
        let began = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tokensmith"))
            .args(["serve", "--bootstrap", "--bind", "127.0.0.1:0", "--set", "log.format=json"])
            .current_dir(directory)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = loop {
            let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
            if line["message"] == "serving" {
                break line["url"].as_str().unwrap().to_owned();
            }
        };
        let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
        while agent.get(format!("{url}/readyz")).call().is_err() {
            std::thread::sleep(Duration::from_micros(200));
        }
        let ready_after = began.elapsed();
        // Whoever writes to a pipe that nobody reads stops in the end.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, ready_after }
    }

    fn resident_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}
