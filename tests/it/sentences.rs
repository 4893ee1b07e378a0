//! `scripts/sentences`, which measures how long the sentences of the documents are.

use std::{fs, path::Path, process::Command, time::Duration};

use tempfile::TempDir;

use crate::support::{Ran, program, run_within};

/// Measures a page of that text.
fn measure(text: &str) -> Ran {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("page.md"), text).unwrap();
    let mut command = Command::new(program("python3", "python3"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/sentences")).arg("page.md");
    run_within(Duration::from_secs(30), command.current_dir(directory.path()), b"")
}

/// So many words, and a full stop.
fn sentence(words: usize) -> String {
    format!("W{}.", " word".repeat(words - 1))
}

#[test]
fn the_average_and_the_longest_sentences_are_printed() {
    let ran = measure(&format!("{} {}\n\n- {}\n", sentence(10), sentence(20), sentence(30)));

    insta::assert_snapshot!(ran.done().replace(" word", ""), @"
     20.0  page.md (3 sentences)

    The 10 longest sentences:
       30  page.md:3: W.
       20  page.md:1: W.
       10  page.md:1: W.
    ");
}

#[test]
fn a_page_of_long_sentences_is_refused_by_name() {
    let ran = measure(&sentence(21));

    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("on average: page.md."), "{}", ran.stderr);
}

#[test]
fn code_tables_headings_and_links_are_no_sentences() {
    let long = "word ".repeat(50);
    let page = format!(
        "<!-- {long} -->\n\n# {long}\n\n```sh\n{long}\n```\n\n    {long}\n\n| {long} |\n|---|\n\n\
         See [the page](https://example.com/{long}) and `{long}`.\n"
    )
    .replace(&format!("https://example.com/{long}"), "https://example.com/a-b?c");

    let said = measure(&page).done();

    assert!(said.starts_with("  5.0  page.md (1 sentences)\n"), "{said}");
}
