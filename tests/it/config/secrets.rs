//! Secrets: from files, and never printed.

use rstest::rstest;
use tempfile::TempDir;

use super::{KEY, bare, keys, variable, with_file, with_flag, with_variable};
use crate::support::{run, tokensmith};

#[rstest]
#[case("postgres://me:hunter2@db.example:6432/tokens?sslmode=require", "postgres://me@db.example:6432/tokens")]
#[case("postgresql://me@db.example/tokens?password=hunter2&host=/run/pg", "postgres://me@/run/pg/tokens")]
#[case("postgres://me:hunter2%2F@db.example/tokens", "postgres://me@db.example:5432/tokens")]
fn the_password_of_the_database_is_not_printed(#[case] url: &str, #[case] shown: &str) {
    let printed = with_variable("TOKENSMITH_DATABASE__URL", url).done();

    assert_eq!(keys(&printed)["database.url"], shown.into());
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn the_key_of_the_server_is_not_printed() {
    let printed = with_variable("TOKENSMITH_SERVER__KEY", KEY).done();

    assert_eq!(keys(&printed)["server.key"], "[secret]".into());
    assert!(!printed.contains(&KEY[8..16]), "{printed}");
}

#[rstest]
#[case("server.key", "hunter2", "empty, or 64 hexadecimal digits")]
#[case("server.key", "hunter2hunter2hunter2hunter2hunter2hunter2hunter2hunter2hunter2x", "64 hexadecimal digits")]
#[case("server.previous_keys", "hunter2", "a list of keys of 64 hexadecimal digits")]
#[case("database.url", "mysql://me:hunter2@db.example/tokens", "postgres://USER:PASSWORD@HOST/DATABASE")]
#[case("database.url", "postgres://me:hunter2@db.example:port/tokens", "postgres://USER:PASSWORD@HOST/DATABASE")]
#[case(
    "database.url",
    "postgres://me:hunter2@db.example/tokens?sslmode=maybe",
    "postgres://USER:PASSWORD@HOST/DATABASE"
)]
#[case(
    "database.url",
    "postgres://me:x@hunter2/y@db.example/tokens",
    "in a password write @ as %40, : as %3A, / as %2F"
)]
#[case("database.url", "postgres://me:12/hunter2@db.example/tokens", "write @ as %40")]
#[case("database.url", "postgres://me:12#hunter2@db.example/tokens", "# as %23")]
#[case("database.url", "postgres://me:12?hunter2=1@db.example/tokens", "? as %3F")]
#[case("database.url", "sqlite://hunter2?mode=rwc", "without a part after '?'")]
#[case("database.url", "sqlite::memory:", "sqlite://PATH")]
#[case("database.url", "", "sqlite://PATH")]
#[case("server.public_url", "https://me:hunter2@t.example", "without user")]
fn a_wrong_secret_is_not_repeated(#[case] key: &str, #[case] value: &str, #[case] expected: &str) {
    let (section, name) = key.split_once('.').unwrap();
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("secret");
    std::fs::write(&file, value).unwrap();

    let mut said = vec![
        with_file(&format!("[{section}]\n{name} = {value:?}\n")),
        with_variable(&variable(key), value),
        with_flag(&format!("{key}={value}")),
    ];
    if key != "server.public_url" {
        said.push(with_variable(&format!("{}_FILE", variable(key)), file.to_str().unwrap()));
    }
    for ran in said {
        let complaint = ran.misused();

        assert!(complaint.contains(&format!(": {key} is ")), "{complaint}");
        assert!(complaint.contains(expected), "{complaint}");
        assert!(!complaint.contains("hunter2"), "{complaint}");
    }
}

#[rstest]
#[case("key = 1234567890", "server.key is ")]
#[case("key = ['hunter2']", "server.key is ")]
#[case("key = { hunter2 = 'hunter2' }", "unknown key server.key.")]
fn a_secret_of_another_type_is_not_repeated(#[case] text: &str, #[case] told: &str) {
    let complaint = with_file(&format!("[server]\n{text}\n")).misused();

    assert!(complaint.contains(told), "{complaint}");
    assert!(!complaint.contains("1234567890") && !complaint.contains("'hunter2'"), "{complaint}");
}

#[rstest]
#[case("", "")]
#[case("\n", "")]
#[case(KEY, "[secret]")]
#[case(&format!("{KEY}\n"), "[secret]")]
#[case(&format!("{KEY}\r\n"), "[secret]")]
fn a_secret_is_read_from_the_file_that_a_variable_names(#[case] content: &str, #[case] shown: &str) {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("key"), content).unwrap();

    let printed = run(bare(directory.path()).env("TOKENSMITH_SERVER__KEY_FILE", "key")).done();

    assert_eq!(keys(&printed)["server.key"], shown.into());
}

#[test]
fn the_address_of_the_database_is_read_from_a_file_and_used() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("url"), "sqlite://from-file.db\n").unwrap();

    run(tokensmith(directory.path()).env("TOKENSMITH_DATABASE__URL_FILE", "url").arg("migrate")).done();

    assert!(directory.path().join("from-file.db").is_file());
}

#[test]
fn a_secret_said_twice_or_in_no_file_is_refused() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("key"), KEY).unwrap();
    std::fs::write(directory.path().join("binary"), b"\xff").unwrap();

    for plain in [KEY, ""] {
        let mut command = bare(directory.path());
        command.env("TOKENSMITH_SERVER__KEY", plain).env("TOKENSMITH_SERVER__KEY_FILE", "key");
        assert_eq!(
            run(&mut command).misused(),
            "error: the environment: TOKENSMITH_SERVER__KEY_FILE and TOKENSMITH_SERVER__KEY are both set; set one of them\n"
        );
    }
    for (file, reason) in
        [("nowhere", "No such file"), (".", "Is a directory"), ("binary", "UTF-8"), ("", "No such file")]
    {
        let complaint = run(bare(directory.path()).env("TOKENSMITH_DATABASE__URL_FILE", file)).misused();

        let told = "TOKENSMITH_DATABASE__URL_FILE does not name a file that can be read: ";
        assert!(complaint.contains(told), "{complaint}");
        assert!(complaint.contains(reason), "{complaint}");
    }
}
