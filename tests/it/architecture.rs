//! Holds the code to `docs/architecture.md`: which room may import which, and what only one room may know.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// What each room may import of this crate, besides itself. Rooms without a line may import everything.
const ARROWS: [(&str, &[&str]); 10] = [
    ("error", &[]),
    ("clock", &[]),
    ("entropy", &[]),
    ("turns", &[]),
    ("domain", &["clock", "entropy", "error"]),
    ("config", &["domain"]),
    ("telemetry", &["config"]),
    ("store", &["clock", "domain", "error", "turns"]),
    ("service", &["clock", "domain", "entropy", "error", "store", "turns"]),
    ("http", &["clock", "domain", "error", "service"]),
];

/// Crates that only some rooms may know.
const CRATES: [(&str, &[&str]); 8] = [
    ("actix_web", &["http"]),
    ("actix_http", &["http"]),
    ("actix_service", &["http"]),
    ("sqlx", &["store", "config"]),
    ("refinery", &["store"]),
    ("argon2", &["service"]),
    ("tokio", &["store", "service", "http", "cli", "turns"]),
    ("clap", &["cli"]),
];

/// What the store does that changes the answer of a verification, or takes it away.
const CHANGES: [&str; 3] = ["delete_project", "delete_token", "update_token"];

/// All else that it does: it reads, it makes what nobody remembers, or it changes what no grant holds.
const CHANGES_NOTHING: [&str; 26] = [
    "bootstrap",
    "close",
    "count_holdings",
    "create_project",
    "find_any_token",
    "find_catalogue",
    "find_caller",
    "find_holder",
    "find_only_root",
    "find_project",
    "find_projects_beginning",
    "find_sealed_key",
    "find_token",
    "find_tokens_beginning",
    "insert_token",
    "is_empty",
    "keep_proofs",
    "list_projects",
    "list_tokens",
    "list_tree",
    "mark",
    "ready",
    "replace_catalogue",
    "replace_hash",
    "replace_signing_key",
    "update_project",
];

/// A file longer than this is two rooms.
const LONGEST: usize = 400;

fn sources() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(&root).unwrap().to_owned(), fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

fn room(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The code without comments, and without the unit tests, which stand last and may borrow from anywhere.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// The rooms that a text names after `crate::`, alone or in braces.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for after in code.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            None => found.push(word(after)),
            Some(list) => {
                // Only names at the top of the braces are rooms; what is nested is inside one of them.
                let mut depth = 0;
                let mut name = String::new();
                for c in list.chars() {
                    match c {
                        '}' if depth == 0 => break,
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 0 => found.push(word(std::mem::take(&mut name).trim())),
                        _ if depth == 0 => name.push(c),
                        _ => {}
                    }
                }
                found.push(word(name.trim()));
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn a_room_imports_only_rooms_nearer_the_ground() {
    let mut seen = 0;
    for (path, text) in sources() {
        let room = room(&path);
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else { continue };
        for import in imports(&code(&text)) {
            seen += 1;
            assert!(
                import == room || allowed.contains(&import.as_str()),
                "{} imports {import}, against the arrows of docs/architecture.md",
                path.display()
            );
        }
    }
    assert!(seen > 50, "the test reads imports");
}

#[test]
fn a_crate_is_known_only_where_it_belongs() {
    for (path, text) in sources() {
        let code = code(&text);
        for (name, rooms) in CRATES {
            let knows = code.contains(&format!("{name}::")) || code.contains(&format!("use {name}"));
            let config_may = path.ends_with("config/database_url.rs") || name != "sqlx" || room(&path) != "config";
            assert!(
                !knows || (rooms.contains(&room(&path).as_str()) && config_may),
                "{} knows {name}, which belongs to {rooms:?}",
                path.display()
            );
        }
    }
}

#[test]
fn only_the_command_line_opens_a_store() {
    for (path, text) in sources() {
        if matches!(room(&path).as_str(), "cli" | "store") {
            continue;
        }
        for concrete in ["postgres", "sqlite", "migrate", "SqlStore"] {
            assert!(
                !code(&text).contains(&format!("store::{concrete}")) && !imports_from_store(&text, concrete),
                "{} opens a concrete store",
                path.display()
            );
        }
    }
}

fn imports_from_store(text: &str, name: &str) -> bool {
    text.split("store::{")
        .skip(1)
        .any(|list| list.split('}').next().unwrap().split(',').any(|import| import.trim() == name))
}

#[test]
fn what_a_verification_answers_is_changed_by_one_way_alone() {
    let traits = sources().remove(Path::new("store/mod.rs")).unwrap();
    let operations: Vec<String> = code(&traits).split("async fn ").skip(1).map(word).collect();
    assert_eq!(operations.len(), CHANGES.len() + CHANGES_NOTHING.len());
    for operation in &operations {
        let is_known = CHANGES.contains(&operation.as_str()) || CHANGES_NOTHING.contains(&operation.as_str());
        assert!(is_known, "does {operation} change what a verification answers? then it goes by Service::change");
    }
    for (path, text) in sources().into_iter().filter(|(path, _)| room(path) != "store") {
        let code = code(&text);
        for operation in CHANGES {
            let is_called = code.contains(&format!("store.{operation}("));
            // What is handed to `change` owns its store.
            let is_handed_on = code.contains("self.change(") && !code.contains(&format!("self.store.{operation}("));
            assert!(!is_called || is_handed_on, "{} calls {operation} past Service::change", path.display());
        }
    }
}

#[test]
fn sql_that_is_no_literal_stands_in_the_migrations_alone() {
    for (path, text) in sources() {
        assert!(
            path.ends_with("store/migrate.rs") || !text.contains("AssertSqlSafe"),
            "{} makes SQL from text",
            path.display()
        );
    }
}

#[test]
fn a_file_fits_a_few_screens() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines: look for two rooms in it", path.display());
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        assert!(!is_rust || text.starts_with("//!"), "{} does not say what it is for", path.display());
    }
}

#[test]
fn the_map_names_every_room() {
    let map = include_str!("../../docs/architecture.md");
    for (path, _) in sources() {
        let room = room(&path);
        let named = [format!("`src/{room}/`"), format!("`src/{room}.rs`")].iter().any(|name| map.contains(name));
        assert!(named || matches!(room.as_str(), "main" | "lib"), "docs/architecture.md does not name {room}");
    }
}

#[test]
fn imports_are_read_in_every_form() {
    let text = "use crate::{\n a::B,\n c::{D, E},\n f,\n};\nuse crate::g::H;\nlet x = crate::i::j();";

    assert_eq!(imports(text), ["a", "c", "f", "g", "i"]);
}
