//! Unknown keys, and sources that cannot be read.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use rstest::rstest;
use tempfile::TempDir;

use super::{bare, with_file, with_flag, with_variable};
use crate::support::run;

#[rstest]
#[case("[server]\nbnd = 1", "unknown key server.bnd; did you mean server.bind?")]
#[case("[server]\nBind = '127.0.0.1:80'", "unknown key server.Bind; did you mean server.bind?")]
#[case("[serv]\nbind = 1", "unknown key serv.bind; did you mean server.bind?")]
#[case("bind = '127.0.0.1:80'", "unknown key bind; did you mean server.bind?")]
#[case("[swim]", "unknown key swim; 'tokensmith config check' prints all keys")]
#[case("swim = 1", "unknown key swim; 'tokensmith config check' prints all keys")]
#[case("server = 1", "unknown key server;")]
#[case("server = []", "unknown key server;")]
#[case("[[server]]\nbind = 1", "unknown key server;")]
#[case("[server.bind]\nip = '127.0.0.1'", "unknown key server.bind.ip; did you mean server.bind?")]
#[case("[server.bind]", "unknown key server.bind")]
#[case("[server.a.b.c]", "unknown key server.a")]
#[case("[\"\"]\n\"\" = 1", "unknown key .")]
fn an_unknown_key_in_the_file_is_named_with_the_nearest_that_exists(#[case] text: &str, #[case] told: &str) {
    let complaint = with_file(text).misused();

    assert!(complaint.starts_with("error: t.toml: "), "{complaint}");
    assert!(complaint.contains(told), "{complaint}");
}

#[rstest]
#[case("TOKENSMITH_SERVER__BND", "unknown key server.bnd; did you mean server.bind?")]
#[case("TOKENSMITH_SERVER__BIND_FILE", "unknown key server.bind_file; did you mean server.bind?")]
#[case("TOKENSMITH_SERVER__BIND__PORT", "unknown key server.bind.port; did you mean server.bind?")]
#[case(
    "TOKENSMITH_SERVER_BIND",
    "unknown key TOKENSMITH_SERVER_BIND; did you mean TOKENSMITH_SERVER__BIND? Two underscores"
)]
#[case("TOKENSMITH_DATABASE_URL", "did you mean TOKENSMITH_DATABASE__URL?")]
#[case("TOKENSMITH_DATABASE_URL_FILE", "did you mean TOKENSMITH_DATABASE__URL_FILE?")]
#[case("TOKENSMITH_BIND", "did you mean TOKENSMITH_SERVER__BIND?")]
#[case("TOKENSMITH_PORT", "did you mean TOKENSMITH_SERVER__BIND?")]
#[case("TOKENSMITH_KEY", "did you mean TOKENSMITH_SERVER__KEY?")]
#[case("TOKENSMITH_KEY_FILE", "did you mean TOKENSMITH_SERVER__KEY_FILE?")]
#[case("TOKENSMITH_DB_URL", "did you mean TOKENSMITH_DATABASE__URL?")]
#[case("TOKENSMITH_LOG_LEVEL", "did you mean TOKENSMITH_LOG__LEVEL?")]
#[case("TOKENSMITH_PUBLIC_URL", "did you mean TOKENSMITH_SERVER__PUBLIC_URL?")]
#[case("TOKENSMITH_SWIM", "write TOKENSMITH_SECTION__KEY, such as TOKENSMITH_SERVER__BIND; 'tokensmith config check'")]
#[case("TOKENSMITH_", "write TOKENSMITH_SECTION__KEY")]
#[case("TOKENSMITH_BIND_FILE", "write TOKENSMITH_SECTION__KEY")]
#[case("TOKENSMITH_SERVER__", "unknown key server;")]
#[case("TOKENSMITH___BIND", "unknown key ")]
#[case("TOKENSMITH_CONFIG_FILE", "unknown key TOKENSMITH_CONFIG_FILE; did you mean TOKENSMITH_CONFIG?")]
#[case("TOKENSMITH_CONFIG__FILE", "unknown key config.file;")]
fn an_unknown_variable_is_named_and_its_value_is_not(#[case] variable: &str, #[case] told: &str) {
    let complaint = with_variable(variable, "hunter2").misused();

    assert!(complaint.starts_with("error: the environment: "), "{complaint}");
    assert!(complaint.contains(told), "{complaint}");
    assert!(!complaint.contains("hunter2"), "{complaint}");
}

#[rstest]
#[case("server.bnd=1", "unknown key server.bnd; did you mean server.bind?")]
#[case("bind=127.0.0.1:80", "unknown key bind; did you mean server.bind?")]
#[case("server.bind.port=1", "unknown key server.bind.port; did you mean server.bind?")]
#[case("server..bind=1", "unknown key ")]
#[case(".bind=1", "unknown key ")]
#[case("server.=1", "unknown key ")]
fn an_unknown_flag_is_named(#[case] flag: &str, #[case] told: &str) {
    let complaint = with_flag(flag).misused();

    assert!(complaint.starts_with("error: the command line: "), "{complaint}");
    assert!(complaint.contains(told), "{complaint}");
}

#[test]
fn a_variable_that_is_no_utf8_is_named() {
    let directory = TempDir::new().unwrap();

    let value =
        run(bare(directory.path()).env("TOKENSMITH_SERVER__PUBLIC_URL", OsStr::from_bytes(b"http://\xff"))).misused();
    let key = run(bare(directory.path()).env(OsStr::from_bytes(b"TOKENSMITH_SERVER__\xff"), "x")).misused();
    run(bare(directory.path()).env("UNRELATED", OsStr::from_bytes(b"\xff"))).done();

    assert_eq!(value, "error: the environment variable TOKENSMITH_SERVER__PUBLIC_URL is not valid UTF-8\n");
    assert!(key.contains("TOKENSMITH_SERVER__"), "{key}");
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_reason() {
    let directory = TempDir::new().unwrap();
    std::fs::create_dir(directory.path().join("folder")).unwrap();
    std::fs::write(directory.path().join("binary.toml"), b"\xff\xfe").unwrap();

    for (file, reason) in [
        ("nowhere.toml", "cannot read nowhere.toml: No such file"),
        ("folder", "cannot read folder: Is a directory"),
        ("binary.toml", "cannot read binary.toml: stream did not contain valid UTF-8"),
    ] {
        let complaint = run(bare(directory.path()).args(["--config", file])).misused();

        assert!(complaint.contains(reason), "{complaint}");
    }
}

#[rstest]
#[case("[server]\nworkers = 1\n[server\n", "t.toml, line 3, is not valid TOML")]
#[case("server", "t.toml, line 1, is not valid TOML")]
#[case("[server]\n\nworkers = 1\nworkers = 2", "t.toml, line 4, is not valid TOML")]
#[case("[server]\nkey = \"hunter2\n", "t.toml, line 2, is not valid TOML")]
#[case("[server]\nkey = hunter2\n", "t.toml, line 2, is not valid TOML")]
#[case("[server]\nkey = \"hunter2\\q\"\n", "t.toml, line 2, is not valid TOML")]
#[case("[server]\nkey = 'x' hunter2\n", "t.toml, line 2, is not valid TOML")]
#[case("[server]\nkey = 7hunter2\n", "t.toml, line 2, is not valid TOML")]
fn a_file_that_is_no_toml_is_named_with_the_line_and_not_shown(#[case] text: &str, #[case] told: &str) {
    let complaint = with_file(text).misused();

    assert!(complaint.contains(told), "{complaint}");
    assert!(!complaint.contains("hunter2"), "{complaint}");
}
