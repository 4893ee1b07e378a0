//! What the benches stand on.

#![allow(dead_code, reason = "no bench uses all of it")]

use std::{
    io::{BufRead, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

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
