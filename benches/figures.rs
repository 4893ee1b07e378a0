//! The first figures, on SQLite: start to ready, idle memory, issuing and verifying beside a bare argon2 loop.
//!
//! `cargo bench --bench figures` runs it; `docs/performance.md` says how to read it. What is compared runs in
//! interleaved rounds of the same process on the same machine, and the ratio is taken round by round: absolute rates
//! of a shared machine mean little.

#![allow(missing_docs, clippy::unwrap_used, clippy::pedantic, reason = "a bench is a script")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use reqwest::{Client, Method};
use serde_json::Value;
use tempfile::TempDir;

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(2);
const STARTS: usize = 15;
/// Requests under way at once: enough to keep every slot of argon2 busy, few enough that none is refused.
const CLIENTS: usize = 16;

/// The default cost: `config/default.toml`.
const MEMORY_KIB: u32 = 19_456;
const ITERATIONS: u32 = 2;

fn main() {
    let cores = std::thread::available_parallelism().unwrap().get();
    println!(
        "{cores} cores, argon2id m={MEMORY_KIB} KiB t={ITERATIONS} p=1, {ROUNDS} rounds of {ROUND:?}, median (least – most)\n"
    );

    let directory = TempDir::new().unwrap();
    starts(directory.path());

    let server = Server::start(directory.path());
    println!("idle memory                        {:.1} MiB resident", server.resident_mib());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    let mut bare = Vec::new();
    let mut issued = Vec::new();
    let mut verified = Vec::new();
    for _ in 0..ROUNDS {
        bare.push(bare_argon2(cores));
        issued.push(runtime.block_on(load(&client, &server.issue())));
        verified.push(runtime.block_on(load(&client, &server.verify())));
    }
    row("bare argon2 loop, all cores", "hashes/s", &bare);
    // Without a cache every management call proves its caller by argon2, so an issue costs two runs.
    row("issue by HTTP (2 argon2 runs)", "requests/s", &issued);
    ratios("  argon2 runs, of the bare loop", &issued, &bare, 2.0);
    row("verify by a management call (1 run)", "requests/s", &verified);
    ratios("  argon2 runs, of the bare loop", &verified, &bare, 1.0);
    println!("memory after the load              {:.1} MiB resident", server.resident_mib());
}

fn starts(directory: &Path) {
    // The first start makes and migrates the database; the others are what a restart costs.
    let first = Server::start(directory);
    println!("first start to ready               {:.1} ms", first.ready_after.as_secs_f64() * 1e3);
    drop(first);
    let again: Vec<f64> = (0..STARTS).map(|_| Server::start(directory).ready_after.as_secs_f64() * 1e3).collect();
    row("start to ready", "ms", &again);
}

/// The real binary, on a free port.
struct Server {
    child: Child,
    url: String,
    project: String,
    secret: String,
    ready_after: Duration,
}

impl Server {
    fn start(directory: &Path) -> Self {
        let began = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tokensmith"))
            .args(["serve", "--bootstrap", "--bind", "127.0.0.1:0", "--set", "log.format=json"])
            .args(["--set", "limits.tokens_per_project=1000000000"])
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
        let made: Value = serde_json::from_slice(&fs::read(directory.join("data/bootstrap.json")).unwrap()).unwrap();
        Self {
            child,
            url,
            project: made["project"]["id"].as_str().unwrap().to_owned(),
            secret: made["token"]["token"].as_str().unwrap().to_owned(),
            ready_after,
        }
    }

    fn issue(&self) -> Call {
        let path = format!("/api/laml/2010-04-01/Accounts/{}/tokens", self.project);
        self.call(Method::POST, &path, 200)
    }

    /// A path that does not exist: the answer comes right after the caller is proven.
    fn verify(&self) -> Call {
        self.call(Method::GET, "/api/laml/2010-04-01/nothing", 404)
    }

    fn call(&self, method: Method, path: &str, expected: u16) -> Call {
        Call {
            method,
            url: format!("{}{path}", self.url),
            project: self.project.clone(),
            secret: self.secret.clone(),
            expected,
        }
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

#[derive(Clone)]
struct Call {
    method: Method,
    url: String,
    project: String,
    secret: String,
    expected: u16,
}

/// Makes the call from `CLIENTS` connections for a round; answers a second.
async fn load(client: &Client, call: &Call) -> f64 {
    let answered = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let tasks: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (client, call, answered) = (client.clone(), call.clone(), answered.clone());
            tokio::spawn(async move {
                while began.elapsed() < ROUND {
                    let response = client
                        .request(call.method.clone(), &call.url)
                        .basic_auth(&call.project, Some(&call.secret))
                        .form(&[("name", "bench"), ("permissions", "calling")])
                        .send()
                        .await
                        .unwrap();
                    assert_eq!(response.status(), call.expected);
                    response.bytes().await.unwrap();
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    answered.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}

/// argon2id and nothing else, on kept memory, on every core, for a round; hashes a second.
fn bare_argon2(cores: usize) -> f64 {
    let stop = AtomicBool::new(false);
    let done = AtomicU64::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let params = Params::new(MEMORY_KIB, ITERATIONS, 1, None).unwrap();
                let mut memory = vec![Block::new(); params.block_count()];
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
                let mut output = [0; 32];
                while !stop.load(Ordering::Relaxed) {
                    argon2.hash_password_into_with_memory(&[7; 50], &[9; 16], &mut output, &mut memory).unwrap();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(ROUND);
        stop.store(true, Ordering::Relaxed);
    });
    done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}

fn row(what: &str, unit: &str, values: &[f64]) {
    let (least, median, most) = spread(values);
    println!("{what:<34} {median:.1} ({least:.1} – {most:.1}) {unit}");
}

fn ratios(what: &str, values: &[f64], baseline: &[f64], runs: f64) {
    let ratios: Vec<f64> = values.iter().zip(baseline).map(|(value, base)| runs * value / base).collect();
    let (least, median, most) = spread(&ratios);
    println!("{what:<34} {median:.2} ({least:.2} – {most:.2})");
}

fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1])
}
