//! The server's key: made beside an SQLite file, asked for on Postgres, and told to nobody.

use std::{fs, os::unix::fs::PermissionsExt};

use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Backend, Binary, Database, Operator};

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_serve_makes_a_key_for_its_owner_alone_and_keeps_it() {
    let operator = Operator::new(Backend::Sqlite).await;
    let Database::Sqlite(directory) = &operator.database else { unreachable!() };

    operator.serve().stop();
    let keys: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "key"))
        .collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
    let text = fs::read_to_string(&keys[0]).unwrap();
    assert_eq!(fs::metadata(&keys[0]).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(text.len() == 65 && text.trim_end().bytes().all(|b| b.is_ascii_hexdigit()));
    operator.serve().stop();
    assert_eq!(fs::read_to_string(&keys[0]).unwrap(), text);

    fs::set_permissions(&keys[0], fs::Permissions::from_mode(0o644)).unwrap();
    let said = operator.run(&["serve", "--bind", "127.0.0.1:0"]).refused();
    assert!(said.contains("can be read by others") && said.contains("chmod 600"), "{said}");
    fs::set_permissions(&keys[0], fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&keys[0], "x").unwrap();
    let said = operator.run(&["serve", "--bind", "127.0.0.1:0"]).refused();
    assert!(said.contains("64 hexadecimal digits"), "{said}");
}

#[rstest]
#[case(0o600, false)]
#[case(0o400, false)]
#[case(0o640, true)]
#[case(0o660, true)]
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_its_group_can_read_is_a_warning(#[case] mode: u32, #[case] is_warned_of: bool) {
    let operator = Operator::new(Backend::Sqlite).await;
    operator.serve().stop();
    let key = format!("{}.key", operator.database.path().display());
    fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();

    let (_, log) = operator.serve().stop();

    let said: Vec<_> = log.iter().filter(|line| line.contains("can read the server's key")).collect();
    assert_eq!(!said.is_empty(), is_warned_of, "{said:?}");
    assert!(
        said.iter().all(|line| line.contains(&key) && line.contains("chmod 600") && line.contains("WARN")),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_serve_without_a_key_says_how_to_make_one() {
    let operator = Operator::new(Backend::Postgres).await;
    let mut command = operator.command(&["serve", "--bind", "127.0.0.1:0"]);

    let said = crate::support::run(command.env_remove("TOKENSMITH_SERVER__KEY")).misused();

    assert!(said.contains("tokensmith keygen server.key") && said.contains("TOKENSMITH_SERVER__KEY_FILE"), "{said}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_keygen_has_made_does(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::new(backend).await;
    let printed = operator.run(&["keygen"]).done();
    assert!(printed.trim_end().len() == 64 && printed != operator.run(&["keygen"]).done());

    let made = operator.run(&["keygen", "server.key"]).done();
    assert_eq!(made, "wrote server.key\n");
    let said = operator.run(&["keygen", "server.key"]).refused();
    assert!(said.contains("server.key"), "it overwrites nothing: {said}");
    let mut command = operator.command(&["serve"]);
    command.env_remove("TOKENSMITH_SERVER__KEY").env("TOKENSMITH_SERVER__KEY_FILE", "server.key");
    Binary::serve(command).stop();

    if let Database::Sqlite(directory) = &operator.database {
        let beside = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let beside: Vec<_> = beside.filter(|name| name.to_string_lossy().ends_with(".key")).collect();
        assert_eq!(beside, [""; 0], "a key that is configured is the only one");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_gone_is_not_replaced_in_silence() {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let Database::Sqlite(directory) = &operator.database else { unreachable!() };
    let project = operator.project("Ours");
    let server = operator.serve();
    let made = server
        .request(Method::POST, "/api/projects")
        .basic_auth(project.id, Some(&project.secret))
        .json(&json!({ "name": "Sealed" }))
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 201);
    server.stop();
    let key = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path());
    let key = key.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "key")).unwrap();

    // What needs no key goes on, whatever became of it.
    fs::write(&key, "damaged").unwrap();
    operator.run(&["token", "list", "--project", &project.id.to_string()]).done();
    fs::remove_file(&key).unwrap();
    let said = operator.run(&["serve", "--bind", "127.0.0.1:0"]).refused();
    assert!(said.contains("is gone") && said.contains("tokensmith keygen"), "{said}");
    assert!(!key.exists());

    operator.run(&["keygen", key.to_str().unwrap()]).done();
    let (_, log) = operator.serve().stop();
    assert!(log.iter().any(|line| line.contains("sealed with another server key")), "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_no_file_does_not_hang_the_start() {
    let operator = Operator::new(Backend::Sqlite).await;
    operator.run(&["migrate"]).done();
    let Database::Sqlite(directory) = &operator.database else { unreachable!() };
    let database = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path());
    let database = database.into_iter().find(|path| path.extension().is_some_and(|kind| kind == "db")).unwrap();
    let pipe = format!("{}.key", database.display());
    assert!(std::process::Command::new("mkfifo").args(["-m", "600", &pipe]).status().unwrap().success());

    let said = operator.run(&["serve", "--bind", "127.0.0.1:0"]).refused();

    assert!(said.contains("is not a regular file"), "{said}");
}

#[test]
fn the_secrets_of_the_compose_file_are_completed_and_never_replaced() {
    let clone = TempDir::new().unwrap();
    fs::create_dir(clone.path().join("scripts")).unwrap();
    let script = clone.path().join("scripts/compose-secrets");
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/compose-secrets"), &script).unwrap();
    let run = || {
        let output = std::process::Command::new("bash").arg(&script).output().unwrap();
        let hint = String::from_utf8(output.stderr).unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap(), hint)
    };
    let secret = |name: &str| fs::read_to_string(clone.path().join("secrets").join(name)).unwrap();

    let (_, made, hint) = run();
    assert_eq!(made.lines().count(), 3);
    assert!(hint.contains("password authentication failed"), "what an older volume leads to: {hint}");
    assert!(!hint.contains(secret("postgres_password").as_str()), "{hint}");
    let (password, url, key) = (secret("postgres_password"), secret("database_url"), secret("server_key"));
    assert_eq!(url, format!("postgres://tokensmith:{password}@postgres/tokensmith"));
    assert_eq!((password.len(), key.len()), (48, 64));
    fs::remove_file(clone.path().join("secrets/server_key")).unwrap();
    assert_eq!(run(), (true, "made secrets/server_key\n".to_owned(), String::new()));
    assert_eq!((secret("postgres_password"), secret("database_url")), (password, url));
    assert_ne!(secret("server_key"), key);
    assert_eq!(run(), (true, "secrets/ has all of them already.\n".to_owned(), String::new()));
    fs::remove_file(clone.path().join("secrets/postgres_password")).unwrap();
    assert!(!run().0, "a password that is lost is not drawn anew");
}
