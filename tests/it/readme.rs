//! Runs README's own lines, as a newcomer pastes them, and compares what they print with what README shows.

use std::{
    fmt::Write,
    process::{Command, Stdio},
};

use rstest::rstest;
use tempfile::TempDir;

use crate::support::{Backend, Binary, Database, Screen, masked, tokensmith};

const README: &str = include_str!("../../README.md");

/// The end of what `--bootstrap` prints on a terminal: the line that sets the secret.
const SECRET_LINE: &str = "MANAGEMENT_SECRET=";

/// Printed between the outputs of two blocks.
const MARK: &str = "-- next block --";

/// A block of code: its language, and its lines.
struct Block<'r> {
    language: &'r str,
    text: &'r str,
}

/// The blocks between two headings.
fn blocks(from: &str, to: &str) -> Vec<Block<'static>> {
    let start = README.find(from).unwrap_or_else(|| panic!("README has no {from:?}"));
    let end = README.find(to).unwrap_or_else(|| panic!("README has no {to:?}"));
    let parts = README[start..end].split("```").skip(1).step_by(2);
    parts
        .map(|part| {
            let (language, text) = part.split_once('\n').unwrap();
            Block { language, text }
        })
        .collect()
}

/// README shows the beginning of a secret and an ellipsis; the rest is different each time. Headers come in any order.
fn comparable(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.trim().lines() {
        let line = masked(line.trim_end());
        let name = line.split(':').next().unwrap();
        if name.eq_ignore_ascii_case("date") {
            continue;
        }
        let line = without_digits_behind(&line, "\"iat\":");
        let line = line.replace("<hint>…", "<secret>");
        lines.push(line);
    }
    if lines.first().is_some_and(|line| line.starts_with("HTTP/")) {
        lines.sort_unstable();
    }
    lines
}

fn without_digits_behind(line: &str, name: &str) -> String {
    match line.split_once(name) {
        Some((before, behind)) => format!("{before}{name}{}", behind.trim_start_matches(|c: char| c.is_ascii_digit())),
        None => line.to_owned(),
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_to_a_revoked_token_with_the_readme(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let directory = TempDir::new().unwrap();
    // It ends with the test.
    let database = Database::bare(backend).await;
    let start = match backend {
        Backend::Sqlite => blocks("## Run it\n", "## Make a token")[0].text.to_owned(),
        Backend::Postgres => {
            let block = &blocks("## Run it on Postgres", "## Run it in containers")[1];
            let shown = "postgres://tokensmith:change-me@localhost/tokensmith";
            assert!(block.text.contains(shown), "{}", block.text);
            block.text.replace(shown, &format!("'{}'", database.url()))
        }
    };
    assert!(start.trim_end().ends_with("-- serve --bootstrap"), "{start}");
    let start = start.replace("cargo run --release -- serve", "exec tokensmith serve");
    let start = start.replace("cargo run --release --", "tokensmith") + " \"$@\"";
    let (mut screen, terminal) = Screen::with_terminal();

    // The arguments that the harness adds stand behind those of bash.
    let script = format!("set -eu\n{}", start.replace("--bootstrap\n", "--bootstrap"));
    let mut command = in_place(&directory);
    command.args(["-c", &script, "bash"]);
    let binary = Binary::serve_to(command, Stdio::from(terminal));
    while !screen.text.lines().any(|line| line.starts_with(SECRET_LINE)) || !screen.text.ends_with('\n') {
        screen.read_more();
    }
    let lines: Vec<&str> = screen.text.lines().filter(|line| !line.is_empty()).collect();
    let to_copy = lines[lines.len() - 2..].join("\n");

    let steps = blocks("## Make a token", "## Put it behind a proxy");
    let mut script = format!("{to_copy}\n");
    let mut shown = Vec::new();
    for (block, next) in steps.iter().zip(steps.iter().skip(1).map(Some).chain([None])) {
        if block.language != "sh" {
            continue;
        }
        writeln!(script, "{}\necho '{MARK}'", block.text.trim_end()).unwrap();
        shown.push(next.filter(|next| next.language != "sh").map_or("", |next| next.text));
    }
    let script = script.replace("127.0.0.1:8080", &binary.address);
    let output = in_place(&directory).args(["-c", &script]).stdin(Stdio::null()).output().unwrap();

    let printed = String::from_utf8(output.stdout).unwrap();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{complained}");
    let printed: Vec<&str> = printed.split(&format!("{MARK}\n")).collect();
    assert_eq!(printed.len(), shown.len() + 1, "{complained}");
    for (printed, shown) in printed.iter().zip(&shown) {
        assert_eq!(comparable(printed), comparable(shown), "{complained}");
    }
    // What it is about: issued, accepted, refused for what it lacks, and refused once it is revoked.
    let statuses: Vec<&str> = printed.iter().filter_map(|text| text.strip_prefix("HTTP/1.1 ")?.get(..3)).collect();
    assert_eq!(statuses, ["200", "403", "204", "401"]);
    if backend == Backend::Sqlite {
        let on_screen = blocks("## Run it\n", "## Make a token")[1].text;
        assert_eq!(comparable(&screen.text.replace(&binary.address, "127.0.0.1:8080")), comparable(on_screen));
    }
    binary.stop();
}

/// bash in the directory, with the binary on its path.
fn in_place(directory: &TempDir) -> Command {
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
    bash.current_dir(directory.path()).env("PATH", format!("{}:{path}", folder.display())).env("NO_PROXY", "*");
    bash
}
