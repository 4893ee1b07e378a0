//! The first figures, on SQLite: start to ready, and idle memory.
//!
//! `cargo bench --bench figures` runs it; `docs/performance.md` says how to read it.

#![allow(missing_docs, clippy::unwrap_used, clippy::pedantic, reason = "a bench is a script")]

mod support;

use std::{path::Path, process::Command, time::Instant};

use support::{Rounds, Server};
use tempfile::TempDir;

const STARTS: usize = 15;

fn main() {
    let directory = TempDir::new().unwrap();
    // The first start makes and migrates the database; the others are what a restart costs.
    let (_, first) = start(directory.path());
    println!("first start to ready        {first:.1} ms");
    let again = (0..STARTS).map(|_| start(directory.path()).1).collect();
    println!("start to ready              {} ms", Rounds(again).show(1));
    println!("idle memory                 {:.1} MiB resident", start(directory.path()).0.resident_mib());
}

/// The real binary, and the milliseconds until it was ready.
fn start(directory: &Path) -> (Server, f64) {
    let began = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokensmith"));
    command.args(["serve", "--bootstrap"]).current_dir(directory);
    let server = Server::tokensmith(command);
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
    while agent.get(format!("{}/readyz", server.url)).call().is_err() {
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
    (server, began.elapsed().as_secs_f64() * 1e3)
}
