//! Runs every call of docs/api.md and docs/verification.md, and holds its answer to the one that stands there. `TOKENSMITH_TEST_BLESS=1` writes
//! the answers anew.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use rstest::rstest;
use serde_json::Value;

use crate::support::{App, Backend, masked};

/// Runs a block as it stands, and gives back what it printed.
fn run(block: &str, app: &App, variables: &BTreeMap<String, String>) -> String {
    let script = format!("set -euo pipefail; curl() {{ command curl --silent --show-error \"$@\"; }}\n{block}")
        .replace("127.0.0.1:8080", &app.address.to_string());
    let output = Command::new("bash").args(["-c", &script]).envs(variables).env("no_proxy", "*").output().unwrap();
    assert!(output.status.success(), "{block}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The document with the answers that it gets.
fn answered(document: &str, app: &App) -> String {
    let mut variables = BTreeMap::from([
        ("PROJECT".to_owned(), app.root.id.to_string()),
        ("SECRET".to_owned(), app.root.secret.clone()),
    ]);
    let mut written = String::new();
    let mut keep: Option<(&str, &str)> = None;
    let mut said = String::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        written.push_str(line);
        written.push('\n');
        if let Some((_, rest)) = line.split_once("The answer's `") {
            let (field, rest) = rest.split_once("` is `$").unwrap();
            keep = Some((field, rest.split_once('`').unwrap().0));
        }
        match line {
            "```sh" => {
                let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
                let block = block.join("\n");
                said = run(&block, app, &variables);
                written.push_str(&format!("{block}\n```\n"));
                if let Some((field, variable)) = keep.take() {
                    let answer: Value = serde_json::from_str(&said).unwrap();
                    variables.insert(variable.to_owned(), answer[field].as_str().expect(field).to_owned());
                }
            }
            "```json" | "```text" => {
                lines.by_ref().take_while(|line| *line != "```").for_each(drop);
                let answer = masked(said.trim_end());
                written.push_str(&answer);
                written.push_str(if answer.is_empty() { "```\n" } else { "\n```\n" });
            }
            _ => {}
        }
    }
    written
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_the_document_answers_as_it_says(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values("api.md", "verification.md")] document: &str,
) {
    let mut app = App::start(backend).await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(document);
    let kept = fs::read_to_string(&path).unwrap();

    let made = answered(&kept, &app);

    if std::env::var_os("TOKENSMITH_TEST_BLESS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), made, "TOKENSMITH_TEST_BLESS=1 writes the answers anew");
    app.stop().await;
}

#[test]
fn every_call_of_the_openapi_document_stands_in_it() {
    let text = include_str!("../../docs/api.md");
    let document: Value = serde_json::from_str(&tokensmith::http::openapi::json(&crate::support::catalogue())).unwrap();
    let calls = document["paths"].as_object().unwrap().iter();
    let calls: usize =
        calls.filter(|(path, _)| path.starts_with("/api/")).map(|(_, call)| call.as_object().unwrap().len()).sum();

    let shown = text.matches("```sh").count() - text.matches("### What is wrong").count() - 2;

    assert_eq!(shown, calls, "a call has no example, or an example no call");
}
