//! Names that would turn or hide text on a terminal are written out for people, and are as they are in JSON.

use rstest::rstest;

use crate::support::{Backend, Operator};

/// A right-to-left override, a zero width space, a line separator, and a letter that shows nothing.
const HOSTILE: &str = "a\u{202e}b\u{200b}c\u{2028}d\u{3164}e";
const SEEN: &str = "a\\u{202e}b\\u{200b}c\\u{2028}d\\u{3164}e";

fn has_hidden(text: &str) -> bool {
    text.contains(['\u{202e}', '\u{200b}', '\u{2028}', '\u{3164}'])
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_name_is_written_out_for_people(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;
    let project = operator.project(HOSTILE);
    let id = project.id.to_string();
    let create = ["token", "create", "--project", &id, "--name", HOSTILE, "-p", "chat"];
    let issued = operator.run(&create).done();
    let secret = issued.lines().find_map(|line| line.strip_prefix("secret")).unwrap().trim();
    let token = operator.run_with(&["token", "verify", "--field", "token_id"], secret).done().trim_end().to_owned();
    operator.run(&["project", "create", HOSTILE]).done();

    let mut printed = vec![issued.clone(), operator.run_with(&["token", "verify"], secret).done()];
    for arguments in [
        &["project", "show", &id][..],
        &["project", "list"],
        &["project", "rename", &id, HOSTILE],
        &["token", "list", "--project", &id],
        &["token", "show", &token],
        &["token", "update", &token, "--name", HOSTILE],
    ] {
        printed.push(operator.run(arguments).done());
    }
    printed.push(operator.run(&["project", "show", HOSTILE]).misused());
    for text in printed {
        assert!(text.contains(SEEN) && !has_hidden(&text), "{text:?}");
    }

    let json = operator.run(&["project", "show", &id, "--json"]).json();
    assert_eq!(json["name"], HOSTILE);
    assert_eq!(operator.run(&["token", "show", &token, "--field", "name"]).done(), format!("{HOSTILE}\n"));
    let revoked = operator.run(&["token", "revoke", &token]).done();
    assert!(revoked.contains("\\u{202e}") && !has_hidden(&revoked), "{revoked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_is_written_out_in_errors() {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let project = operator.project("Acme").id.to_string();

    for ran in [
        operator.run(&["project", "show", HOSTILE]),
        operator.run(&["token", "create", "--project", &project, "--name", "x", "-p", HOSTILE]),
        operator.run(&["token", "show", HOSTILE]),
        operator.run(&[HOSTILE]),
        operator.run(&["config", "check", "--set", &format!("log.level={HOSTILE}")]),
        operator.run(&["config", "check", "--config", HOSTILE]),
    ] {
        assert_ne!(ran.code, 0);
        assert!(ran.stderr.contains("\\u{202e}") && !has_hidden(&ran.stderr), "{ran:?}");
    }
}
