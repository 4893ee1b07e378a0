//! The server's key: made beside an SQLite file, asked for on Postgres, and told to nobody.

use std::{fs, os::unix::fs::PermissionsExt};

use rstest::rstest;

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

    fs::set_permissions(&keys[0], fs::Permissions::from_mode(0o640)).unwrap();
    let said = operator.run(&["serve", "--bind", "127.0.0.1:0"]).refused();
    assert!(said.contains("can be read by others") && said.contains("chmod 600"), "{said}");
    fs::set_permissions(&keys[0], fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&keys[0], "x").unwrap();
    let said = operator.run(&["serve", "--bind", "127.0.0.1:0"]).refused();
    assert!(said.contains("64 hexadecimal digits"), "{said}");
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
