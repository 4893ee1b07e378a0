//! The configuration, with the real binary: four layers, each value judged, secrets hidden.

mod layers;
mod secrets;
mod unknown;
mod values;

use std::{collections::BTreeMap, path::Path};

use tempfile::TempDir;
use toml::{Table, Value};

use crate::support::{Ran, run, tokensmith};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// What a test says to `config check`, layer by layer.
#[derive(Default)]
struct Said<'a> {
    file: Option<&'a str>,
    environment: Vec<(String, String)>,
    flags: Vec<String>,
}

impl Said<'_> {
    fn check(&self) -> Ran {
        let directory = TempDir::new().unwrap();
        let mut command = bare(directory.path());
        if let Some(text) = self.file {
            std::fs::write(directory.path().join("t.toml"), text).unwrap();
            command.args(["--config", "t.toml"]);
        }
        command.envs(self.environment.iter().cloned());
        for flag in &self.flags {
            command.args(["--set", flag]);
        }
        run(&mut command)
    }
}

/// `config check`, without what the harness sets for cheap hashes.
fn bare(directory: &Path) -> std::process::Command {
    let mut command = tokensmith(directory);
    command.env_remove("TOKENSMITH_HASHING__MEMORY_KIB").env_remove("TOKENSMITH_HASHING__ITERATIONS");
    command.args(["config", "check"]);
    command
}

fn variable(key: &str) -> String {
    format!("TOKENSMITH_{}", key.replace('.', "__").to_uppercase())
}

fn with_variable(variable: &str, value: &str) -> Ran {
    Said { environment: vec![(variable.to_owned(), value.to_owned())], ..Said::default() }.check()
}

fn with_flag(flag: &str) -> Ran {
    Said { flags: vec![flag.to_owned()], ..Said::default() }.check()
}

fn with_file(text: &str) -> Ran {
    Said { file: Some(text), ..Said::default() }.check()
}

/// Every key with its value.
fn keys(text: &str) -> BTreeMap<String, Value> {
    let sections: Table = text.parse().unwrap();
    sections
        .into_iter()
        .flat_map(|(section, keys)| {
            let Value::Table(keys) = keys else { panic!("{section} is no section") };
            keys.into_iter().map(move |(key, value)| (format!("{section}.{key}"), value))
        })
        .collect()
}
