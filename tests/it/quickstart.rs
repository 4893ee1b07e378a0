//! Runs the commands of the documents, as a newcomer pastes them.

use std::{fs, net::TcpListener, process::Command};

use rstest::rstest;
use tempfile::TempDir;

use crate::support::{Backend, Database, tokensmith};

const QUICKSTART: &str = include_str!("../../docs/quickstart.md");

/// The shell blocks of a document, without those that say what a test must not do.
fn commands(document: &str) -> String {
    let mut commands = String::new();
    let mut inside = false;
    for line in document.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            _ if inside => {
                commands.push_str(line);
                commands.push('\n');
            }
            _ => {}
        }
    }
    commands
}

/// Lets a script fail where a command succeeds that must not: `set -e` passes over what begins with `!`.
fn strict(script: &str) -> String {
    let strict = |line: &str| match line.trim_start().strip_prefix("! ") {
        Some(command) => format!("if {command}; then echo 'should have failed: {command}' >&2; exit 1; fi\n"),
        None => format!("{line}\n"),
    };
    script.lines().map(strict).collect()
}

/// Runs a script with the binary on its path, in a directory of its own, on a port that was free a moment ago.
fn run(script: &str, directory: &TempDir) -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let script = format!("set -euo pipefail; trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{}", strict(script))
        .replace("127.0.0.1:8080", &address);
    let binary = tokensmith(directory.path());
    let folder = std::path::Path::new(binary.get_program()).parent().unwrap().to_owned();
    let path = std::env::var("PATH").unwrap();

    let mut bash = Command::new("bash");
    for (key, value) in binary.get_envs() {
        match value {
            Some(value) => bash.env(key, value),
            None => bash.env_remove(key),
        };
    }
    let output = bash
        .args(["-c", &script])
        .current_dir(directory.path())
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("TOKENSMITH_SERVER__BIND", &address)
        .output()
        .expect("bash is there");

    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}\n{said}\n{complained}", output.status);
    said
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_quickstart_does_what_it_says(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let directory = TempDir::new().unwrap();
    let database = Database::bare(backend).await;
    let mut script = commands(QUICKSTART);
    if backend == Backend::Postgres {
        let postgres =
            format!("{}\ntokensmith keygen server.key\nexport TOKENSMITH_SERVER__KEY_FILE=server.key", database.url());
        script = script.replace("sqlite://$PWD/tokensmith.db", &postgres);
    }

    let said = run(&script, &directory);

    assert_eq!(
        QUICKSTART.matches("```sh no-test").count(),
        2,
        "what is not run: the build, and the Postgres of the reader"
    );
    assert!(said.contains("My platform") && said.contains("A customer"), "{said}");
    assert!(said.contains(r#""token":"redacted""#), "{said}");
    assert!(said.contains("permissions  chat"), "{said}");
    let log = fs::read_to_string(directory.path().join("demo/serve.log")).unwrap();
    assert!(log.contains("stopped"), "{log}");
}
