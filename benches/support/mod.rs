//! What the benches stand on.

#![allow(dead_code, reason = "no bench uses all of it")]

use std::{
    fs,
    io::{BufRead, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value;

/// A Postgres that ends with this process.
pub struct Postgres {
    pub url: String,
    _child: Child,
    _stdin: ChildStdin,
    _lines: Lines<BufReader<ChildStdout>>,
}

impl Postgres {
    pub fn lend() -> Self {
        let mut child = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/test"))
            .arg("--postgres")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It ends where nobody reads what it says.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let url = line.strip_prefix("TOKENSMITH_TEST_POSTGRES_URL=").unwrap().to_owned();
        let stdin = child.stdin.take().unwrap();
        Self { url, _child: child, _stdin: stdin, _lines: lines }
    }
}

/// Figures of one thing, one from each round.
#[derive(Clone, Debug, Default)]
pub struct Rounds(pub Vec<f64>);

impl Rounds {
    pub fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// Round by round: on a shared machine only what ran side by side can be compared.
    pub fn ratio_to(&self, baseline: &Self) -> Self {
        Self(self.0.iter().zip(&baseline.0).map(|(figure, base)| figure / base).collect())
    }

    /// Round by round, whichever was less.
    pub fn least_of(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(one, two)| one.min(*two)).collect())
    }

    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        sorted[sorted.len() / 2]
    }

    pub fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    /// `median (least – most)`.
    pub fn show(&self, decimals: usize) -> String {
        let sorted = self.sorted();
        let (least, most) = (sorted[0], sorted[sorted.len() - 1]);
        format!("{:.decimals$} ({least:.decimals$} – {most:.decimals$})", self.median())
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// A server in a process of its own, which ends with this.
pub struct Server {
    child: Child,
    pub url: String,
}

impl Server {
    /// The real binary, started by a command that says `serve`.
    pub fn tokensmith(mut command: Command) -> Self {
        command.args(["--bind", "127.0.0.1:0", "--set", "log.format=json"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = loop {
            let line = lines.next().expect("it serves, or says why not").unwrap();
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            if line["message"] == "serving" {
                break line["url"].as_str().unwrap().to_owned();
            }
        };
        // Whoever writes to a pipe that nobody reads stops in the end.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }

    /// One that prints its address, and nothing else.
    pub fn printing(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let url = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        Self { child, url }
    }

    /// Microseconds that it has spent on a core since its start.
    pub fn cpu_us(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        // utime and stime, in hundredths of a second: the kernel's USER_HZ.
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) * 1e4
    }

    pub fn resident_mib(&self) -> f64 {
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
