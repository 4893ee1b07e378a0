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
