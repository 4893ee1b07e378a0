//! Load: wrk on one core against one server, and what it cost that server.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::support::Server;

/// What one round of load came to.
pub struct Sample {
    /// Answers a second.
    pub rate: f64,
    /// Microseconds of the server's time on a core, for each answer.
    pub cpu_us: f64,
    /// How many answers there were.
    pub answers: u64,
}

/// The answers that are expected: all of one kind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Success,
    Refusal,
}

/// What is sent: which of a file's credentials, and where to.
#[derive(Clone)]
pub struct Requests {
    pub credentials: PathBuf,
    pub skip: usize,
    pub take: usize,
    pub path: &'static str,
    pub body: Option<&'static str>,
    pub expected: Expected,
    pub connections: usize,
}

impl Requests {
    /// `GET /auth` with the first so many credentials of a file.
    pub fn auth(credentials: &Path, take: usize) -> Self {
        Self {
            credentials: credentials.to_owned(),
            skip: 0,
            take,
            path: "/auth?permission=calling",
            body: None,
            expected: Expected::Success,
            connections: 64,
        }
    }

    /// Those of which every one is refused.
    pub fn refused(self) -> Self {
        Self { expected: Expected::Refusal, ..self }
    }

    /// Those after the first so many.
    pub fn after(&self, skip: usize) -> Self {
        Self { skip, ..self.clone() }
    }

    /// Sends them, around and around, for so many seconds.
    pub fn send(&self, server: &Server, seconds: u64) -> Sample {
        let cpu = server.cpu_us();
        let output = Command::new("wrk")
            .args(["-t1", "--timeout=5s"])
            .args([format!("-c{}", self.connections), format!("-d{seconds}s")])
            .args(["-s", concat!(env!("CARGO_MANIFEST_DIR"), "/benches/front_door/load.lua"), &server.url, "--"])
            .arg(&self.credentials)
            .args([self.skip.to_string(), self.take.to_string()])
            .arg(self.path)
            .args(self.body)
            .output()
            .expect("wrk runs: scripts/bench installs it");
        let cpu = server.cpu_us() - cpu;
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("done ")).unwrap_or_else(|| {
            panic!("wrk ended with {}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr))
        });
        let numbers: Vec<u64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
        let [answers, duration_us, refused, broken, _p99] = numbers[..] else { panic!("{line}") };
        let expected = if self.expected == Expected::Success { 0 } else { answers };
        assert_eq!((refused, broken), (expected, 0), "of {answers} answers: {text}");
        assert!(answers > 0, "{text}");
        Sample { rate: answers as f64 * 1e6 / duration_us as f64, cpu_us: cpu / answers as f64, answers }
    }
}
