//! Holds generated documents to what they are generated from. `TOKENSMITH_TEST_BLESS=1` writes them anew.

use std::{fmt::Write, fs, path::Path};

/// `docs/configuration.md`, from the comments and values of the defaults.
fn configuration() -> String {
    let mut text = String::from(
        "<!-- Made from config/default.toml by tests/it/docs.rs: edit that, then run TOKENSMITH_TEST_BLESS=1 cargo test docs. -->\n\n# Configuration\n",
    );
    let mut section = String::new();
    let mut comment: Vec<&str> = Vec::new();
    let mut lines = tokensmith::config::DEFAULT.lines();
    while let Some(line) = lines.next() {
        if let Some(said) = line.strip_prefix('#') {
            comment.push(said.strip_prefix(' ').unwrap_or(said));
        } else if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
            write!(text, "\n## {section}\n").unwrap();
            comment.clear();
        } else if let Some((key, value)) = line.split_once(" = ") {
            let mut value = value.to_owned();
            while value.starts_with('[') && !value.ends_with(']') {
                value += lines.next().unwrap().trim();
            }
            let value = value.replace(",]", "]").replace(",", ", ").replace(",  ", ", ");
            let variable = format!("TOKENSMITH_{}__{}", section.to_uppercase(), key.to_uppercase());
            write!(text, "\n### `{section}.{key}`\n\n{}\n\n", comment.join("\n")).unwrap();
            writeln!(text, "Default `{value}`; environment `{variable}`.").unwrap();
            comment.clear();
        } else if line.is_empty() && section.is_empty() && !comment.is_empty() {
            // The head of the file: what is indented is a list or an example.
            write!(text, "\n```text\n{}\n```\n", comment.join("\n")).unwrap();
            comment.clear();
        }
    }
    text
}

#[test]
fn the_configurations_manual_is_made_from_the_defaults() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let made = configuration();

    if std::env::var_os("TOKENSMITH_TEST_BLESS").is_some() {
        fs::write(&path, &made).unwrap();
    }

    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "docs/configuration.md is not made from config/default.toml: see its first line");
}

/// The codes of SignalWire's published lists and documents that mean the same here.
const PUBLISHED: [&str; 17] = [
    "10003",
    "10004",
    "20002",
    "20003",
    "20404",
    "20429",
    "20504",
    "54453",
    "54454",
    "missing_required_parameter",
    "invalid_parameter",
    "invalid_auth_token_permissions",
    "invalid_subproject_id",
    "page_token_is_invalid",
    "page_token_required",
    "nested_subprojects_not_allowed",
    "only_subprojects_can_be_deleted",
];

#[test]
fn a_code_that_signalwire_does_not_have_is_listed() {
    let page = include_str!("../../src/http/docs/page.html");
    let listed = include_str!("../../docs/signalwire.md");

    let codes: Vec<&str> = page.split("<dt id=\"error-").skip(1).map(|rest| rest.split_once('"').unwrap().0).collect();

    assert!(codes.len() > 20, "{codes:?}");
    for code in codes.iter().filter(|code| !PUBLISHED.contains(code)) {
        let row = |code: &str| listed.contains(&format!("\n| {code} |")) || listed.contains(&format!("\n| `{code}` |"));
        assert!(row(code), "docs/signalwire.md does not list {code}");
    }
}
