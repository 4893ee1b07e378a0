//! What argon2 limits: tokens without a proof, and issuing.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokensmith::service::Cost;

use super::{Case, Expected, Kind, Requests, Rounds, Scale, cores, seed, server, store};

/// The profiles, and what they cost: `src/config/values.rs`.
const PROFILES: [(&str, u32, u32); 2] = [("owasp", 19_456, 2), ("random-secret", 4_096, 1)];

pub fn bench(runtime: &tokio::runtime::Runtime, directory: &Path, postgres: &str, kind: Kind, scale: Scale) {
    println!("| **{kind:?}, argon2 on {} cores** | | | | |", cores());
    for (profile, memory_kib, iterations) in PROFILES {
        let cost = Cost { memory_kib, iterations, parallelism: 1 };
        // So many that no round comes to a token for the second time, when it has its proof.
        let each = scale.unproven * scale.seconds as usize * if profile == "owasp" { 1 } else { 10 } / 10;
        let name = format!("unproven_{}", profile.replace('-', "_"));
        let (database, unproven, caller) = runtime.block_on(async {
            let database = kind.database(directory, postgres, &name).await;
            let unproven = seed::unproven(&database, directory, &name, each * scale.rounds, cost).await;
            let caller = store::caller(&database, directory, &name, cost).await;
            (database, unproven, caller)
        });
        let server = server::tokensmith(&database, &[&format!("hashing.profile={profile}")]);
        // Enough to keep every slot busy while others wait for their rows and commits, and few enough that what a round
        // cuts off is little beside what it counts.
        let connections = if profile == "owasp" { 2 } else { 8 } * cores();
        let few = |requests: Requests| Requests { connections, ..requests };
        let issue = few(Requests {
            path: "/api/project/tokens",
            body: Some(r#"{"name":"bench","permissions":["calling"]}"#),
            expected: Expected::Success,
            ..Requests::auth(&caller, 1)
        });

        let [mut bare, mut inserts] = [Rounds::default(), Rounds::default()];
        let [mut cold, mut issues] = [Case::default(), Case::default()];
        for round in 0..scale.rounds {
            bare.push(bare_argon2(&cost, scale.seconds));
            let first_uses = few(Requests::auth(&unproven, each).after(round * each));
            let answers = cold.run(&server, &first_uses, scale.seconds);
            assert!(answers <= each as u64, "{answers} answers, but {each} tokens");
            issues.run(&server, &issue, scale.seconds);
            if profile == "random-secret" {
                inserts.push(runtime.block_on(store::bare_inserts(&database, scale.seconds)));
            }
        }

        println!("| bare argon2id loop, `{profile}` | {} | | | |", bare.show(0));
        let aim = if profile == "owasp" { "0.95" } else { "" };
        cold.row(&format!("`/auth`, cold, without a proof, `{profile}`, of the loop"), Some(&bare), aim);
        if profile == "owasp" {
            issues.row("issue, `owasp`, of the loop", Some(&bare), "0.95");
        } else {
            println!("| bare durable inserts | {} | | | |", inserts.show(0));
            let slower = bare.least_of(&inserts);
            issues.row("issue, `random-secret`, of the slower of the two", Some(&slower), "0.7");
        }
    }
}

/// argon2id and nothing else, on kept memory, on every core; hashes a second.
fn bare_argon2(cost: &Cost, seconds: u64) -> f64 {
    let stop = AtomicBool::new(false);
    let done = AtomicU64::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores() {
            scope.spawn(|| {
                let params = Params::new(cost.memory_kib, cost.iterations, 1, None).unwrap();
                let mut memory = vec![Block::new(); params.block_count()];
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
                let mut output = [0; 32];
                while !stop.load(Ordering::Relaxed) {
                    argon2.hash_password_into_with_memory(&[7; 50], &[9; 16], &mut output, &mut memory).unwrap();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(Duration::from_secs(seconds));
        stop.store(true, Ordering::Relaxed);
    });
    done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}
