//! What a verification costs at the front door, through HTTP, on both databases, beside the least that it could cost.
//!
//! `scripts/bench` runs it, and sees to wrk and Postgres; `docs/performance.md` says how to read it. `-- --quick` shows
//! that it still runs, `-- --hashing` measures only what argon2 limits.

#![allow(missing_docs, clippy::unwrap_used, clippy::pedantic, reason = "a bench is a script")]

mod hashing;
mod load;
mod seed;
mod server;
mod store;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;

use load::{Expected, Requests};
use support::{Postgres, Rounds, Server};
use tempfile::TempDir;
use tokensmith::{
    domain::Secret,
    entropy::{Entropy, SystemEntropy},
};

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Scale {
    rounds: usize,
    seconds: u64,
    /// Stored tokens, from few to many.
    sizes: [usize; 3],
    /// Argon2 runs without a proof for which there are tokens, in a second of a round.
    unproven: usize,
}

const FULL: Scale = Scale { rounds: 5, seconds: 3, sizes: [1_000, 100_000, 1_000_000], unproven: 2_500 };
const QUICK: Scale = Scale { rounds: 1, seconds: 1, sizes: [1_000, 2_000, 5_000], unproven: 2_500 };

/// Tokens that are used so often that they stay in the cache.
const HOT: usize = 1_000;

/// The least that may be configured: some 200 grants.
const NO_CACHE: &str = "cache.max_bytes=65536";

fn main() {
    server::be_bare();
    let is_asked = |flag: &str| std::env::args().any(|argument| argument == flag);
    let scale = if is_asked("--quick") { QUICK } else { FULL };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let directory = TempDir::new().unwrap();
    let lent = Postgres::lend();
    runtime.block_on(seed::make_durable(&lent.url));

    println!(
        "{} cores; {} rounds of {} s; one worker, wrk on the other core; median (least – most)\n",
        cores(),
        scale.rounds,
        scale.seconds
    );
    println!("| | answers/s | server µs/answer | of the baseline | its aim |\n|---|---|---|---|---|");
    for kind in [Kind::Sqlite, Kind::Postgres].into_iter().filter(|_| !is_asked("--hashing")) {
        verifications(&runtime, directory.path(), &lent.url, kind, scale);
    }
    for kind in [Kind::Sqlite, Kind::Postgres] {
        hashing::bench(&runtime, directory.path(), &lent.url, kind, scale);
    }
}

pub fn cores() -> usize {
    std::thread::available_parallelism().unwrap().get()
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    /// An empty database of that name.
    pub async fn database(self, directory: &Path, server: &str, name: &str) -> String {
        match self {
            Self::Sqlite => seed::sqlite(directory, name).await,
            Self::Postgres => seed::postgres(server, name).await,
        }
    }
}

/// One line of the table.
#[derive(Default)]
pub struct Case {
    pub rate: Rounds,
    pub cpu_us: Rounds,
}

impl Case {
    pub fn run(&mut self, server: &Server, requests: &Requests, seconds: u64) -> u64 {
        let sample = requests.send(server, seconds);
        self.rate.push(sample.rate);
        self.cpu_us.push(sample.cpu_us);
        sample.answers
    }

    pub fn row(&self, what: &str, baseline: Option<&Rounds>, aim: &str) {
        let ratio = baseline.map_or_else(String::new, |baseline| self.rate.ratio_to(baseline).show(2));
        println!("| {what} | {} | {} | {ratio} | {aim} |", self.rate.show(0), self.cpu_us.show(1));
    }
}

/// Runs them in turns of a second: a shared machine is another one a few seconds later.
fn side_by_side(cases: [(&mut Case, &Server, &Requests); 2], seconds: u64) {
    let mut turns = [Case::default(), Case::default()];
    for _ in 0..seconds {
        for ((_, server, requests), turn) in cases.iter().zip(&mut turns) {
            turn.run(server, requests, 1);
        }
    }
    for ((case, _, _), turn) in cases.into_iter().zip(turns) {
        case.rate.push(turn.rate.mean());
        case.cpu_us.push(turn.cpu_us.mean());
    }
}

fn verifications(runtime: &tokio::runtime::Runtime, directory: &Path, postgres: &str, kind: Kind, scale: Scale) {
    let places: Vec<_> = scale
        .sizes
        .iter()
        .map(|size| {
            let name = format!("proven_{size}");
            runtime.block_on(async {
                let database = kind.database(directory, postgres, &name).await;
                let credentials = seed::proven(&database, directory, &name, *size).await;
                (*size, database, credentials)
            })
        })
        .collect();
    let constant = server::constant();
    // The first on an SQLite file remembers; the second reads each row.
    let hot: Vec<Server> = places.iter().map(|(_, database, _)| server::tokensmith(database, &[])).collect();
    let cold: Vec<Server> = places.iter().map(|(_, database, _)| server::tokensmith(database, &[NO_CACHE])).collect();
    let (middle, database, credentials) = &places[1];
    let reading = server::reading(database);

    let wrong = Requests::auth(&seed::wrong(directory, "wrong", credentials), *middle).refused();
    let unknown = || Secret::generate(&SystemEntropy).reveal().to_string();
    let unknown = Requests::auth(&seed::unknown(directory, "unknown", 10_000, unknown), 10_000).refused();
    // As long as a secret, with a checksum that is wrong.
    let junk = || format!("PT{:032x}{:016x}", SystemEntropy.uuid().as_u128(), SystemEntropy.uuid().as_u128() as u64);
    let junk = Requests::auth(&seed::unknown(directory, "junk", 10_000, junk), 10_000).refused();

    let mut bare = Case::default();
    let mut read = Case::default();
    let mut hots: [Case; 3] = Default::default();
    let mut colds: [Case; 3] = Default::default();
    let [mut wrong_hot, mut wrong_cold, mut unknowns, mut junks]: [Case; 4] = Default::default();
    let hot_requests: Vec<Requests> =
        places.iter().map(|(_, _, credentials)| Requests::auth(credentials, HOT)).collect();
    for (server, requests) in hot.iter().zip(&hot_requests) {
        // What is not in the cache yet is no part of it.
        requests.send(server, 1);
    }
    for round in 0..scale.rounds {
        let cold_requests: Vec<Requests> = places
            .iter()
            .map(|(size, _, credentials)| {
                let take = (*size).min(100_000);
                Requests::auth(credentials, take).after(round * (size - take) / scale.rounds)
            })
            .collect();
        let [few_hot, middle_hot, many_hot] = &mut hots;
        let [few_cold, middle_cold, many_cold] = &mut colds;
        let constants = &Requests::auth(credentials, HOT);
        let reads = &Requests::auth(credentials, *middle);
        side_by_side([(&mut bare, &constant, constants), (middle_hot, &hot[1], &hot_requests[1])], scale.seconds);
        side_by_side([(few_hot, &hot[0], &hot_requests[0]), (many_hot, &hot[2], &hot_requests[2])], scale.seconds);
        side_by_side([(&mut read, &reading, reads), (middle_cold, &cold[1], &cold_requests[1])], scale.seconds);
        side_by_side(
            [(few_cold, &cold[0], &cold_requests[0]), (many_cold, &cold[2], &cold_requests[2])],
            scale.seconds,
        );
        wrong_hot.run(&hot[1], &Requests { take: HOT, ..wrong.clone() }, scale.seconds);
        wrong_cold.run(&cold[1], &wrong, scale.seconds);
        unknowns.run(&cold[1], &unknown, scale.seconds);
        junks.run(&cold[1], &junk, scale.seconds);
    }

    println!("| **{kind:?}** | | | | |");
    bare.row("bare handler, a constant", None, "");
    let remembers = kind == Kind::Sqlite;
    hots[1].row(
        if remembers {
            "`/auth`, 1,000 hot tokens, of the constant"
        } else {
            "`/auth`, 1,000 known tokens, each read, of the constant"
        },
        Some(&bare.rate),
        if remembers { "0.85" } else { "" },
    );
    read.row("bare handler, one indexed read", None, "");
    if !remembers {
        hots[1].row("`/auth`, 1,000 known tokens, each read, of the reading handler", Some(&read.rate), "");
    }
    colds[1].row("`/auth`, cold, with a proof, of the reading handler", Some(&read.rate), "0.8");
    wrong_cold.row("wrong secret, right selector, of the cold one", Some(&colds[1].rate), "0.5");
    wrong_hot.row("the same, of a hot token, of the cold one", Some(&colds[1].rate), "0.5");
    unknowns.row("unknown selector, of the cold one", Some(&colds[1].rate), "0.5");
    junks.row("junk, of the cold one", Some(&colds[1].rate), "0.5");
    let (many, few) = (places[2].0, places[0].0);
    hots[2].row(&format!("hot, {many} stored, of {few}"), Some(&hots[0].rate), "0.95");
    colds[2].row(&format!("cold, {many} stored, of {few}"), Some(&colds[0].rate), "0.75");
    // By way of an answer that the cache gives, which it does not on Postgres yet: there it takes minutes more.
    if remembers {
        memory(&places[2], scale);
    }
}

/// Every stored token once, at a server with its default cache.
fn memory((size, database, credentials): &(usize, String, std::path::PathBuf), scale: Scale) {
    const PART: usize = 100_000;
    let server = server::tokensmith(database, &[]);
    let before = server.resident_mib();
    for skip in (0..*size).step_by(PART) {
        let part = Requests::auth(credentials, PART.min(*size)).after(skip);
        let mut answered = 0;
        // wrk begins anew each time, so a round must be long enough for the whole part.
        let mut seconds = scale.seconds * 2;
        while answered < part.take.min(*size) as u64 {
            answered = part.send(&server, seconds).answers;
            seconds *= 2;
        }
    }
    let after = server.resident_mib();
    println!(
        "| memory after {size} tokens were verified, default cache (64 MiB) | {after:.0} MiB, {before:.0} before | | | bounded |"
    );
}
