//! The configuration, with the real binary: four layers, each value judged, secrets hidden.

use std::{collections::BTreeMap, ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use rstest::rstest;
use tempfile::TempDir;
use toml::{Table, Value};

use crate::support::{Ran, run, tokensmith};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// What a test says to `config check`, layer by layer.
#[derive(Default)]
struct Said<'a> {
    file: Option<&'a str>,
    environment: Vec<(String, String)>,
    flags: Vec<String>,
}

impl Said<'_> {
    fn check(&self) -> Ran {
        let directory = TempDir::new().unwrap();
        let mut command = bare(directory.path());
        if let Some(text) = self.file {
            std::fs::write(directory.path().join("t.toml"), text).unwrap();
            command.args(["--config", "t.toml"]);
        }
        command.envs(self.environment.iter().cloned());
        for flag in &self.flags {
            command.args(["--set", flag]);
        }
        run(&mut command)
    }
}

/// `config check`, without what the harness sets for cheap hashes.
fn bare(directory: &Path) -> std::process::Command {
    let mut command = tokensmith(directory);
    command.env_remove("TOKENSMITH_HASHING__MEMORY_KIB").env_remove("TOKENSMITH_HASHING__ITERATIONS");
    command.args(["config", "check"]);
    command
}

fn variable(key: &str) -> String {
    format!("TOKENSMITH_{}", key.replace('.', "__").to_uppercase())
}

fn with_variable(variable: &str, value: &str) -> Ran {
    Said { environment: vec![(variable.to_owned(), value.to_owned())], ..Said::default() }.check()
}

fn with_flag(flag: &str) -> Ran {
    Said { flags: vec![flag.to_owned()], ..Said::default() }.check()
}

fn with_file(text: &str) -> Ran {
    Said { file: Some(text), ..Said::default() }.check()
}

/// Every key with its value.
fn keys(text: &str) -> BTreeMap<String, Value> {
    let sections: Table = text.parse().unwrap();
    sections
        .into_iter()
        .flat_map(|(section, keys)| {
            let Value::Table(keys) = keys else { panic!("{section} is no section") };
            keys.into_iter().map(move |(key, value)| (format!("{section}.{key}"), value))
        })
        .collect()
}

/// Another value for every key: as it is written in a file, as it is written elsewhere, and as it is printed.
const OTHERS: [(&str, &str, &str, &str); 26] = [
    ("server.bind", "'[::1]:81'", "[::1]:81", "'[::1]:81'"),
    ("server.insecure_bind", "true", "true", "true"),
    ("server.public_url", "'https://t.example/'", "https://t.example/", "'https://t.example'"),
    ("server.trusted_proxies", "['10.0.0.0/8', '::1']", "10.0.0.0/8, ::1", "['10.0.0.0/8', '::1/128']"),
    ("server.workers", "3", "3", "3"),
    ("server.header_timeout", "'6s'", "6s", "'6s'"),
    ("server.body_timeout", "'1500ms'", "1500ms", "'1s 500ms'"),
    ("server.keep_alive", "'2m'", "2m", "'2m'"),
    ("server.max_connections", "6", "6", "6"),
    ("server.shutdown_timeout", "'1h'", "1h", "'1h'"),
    ("server.key", "'000102030405060708090A0B0C0D0E0F101112131415161718191a1b1c1d1e1f'", KEY, "'[secret]'"),
    ("metrics.bind", "'0.0.0.0:9090'", "0.0.0.0:9090", "'0.0.0.0:9090'"),
    ("database.url", "'sqlite:///var/t.db'", "sqlite:///var/t.db", "'sqlite:///var/t.db'"),
    ("database.acquire_timeout", "'1ms'", "1ms", "'1ms'"),
    ("database.max_connections", "7", "7", "7"),
    ("database.readers", "8", "8", "8"),
    ("hashing.memory_kib", "1024", "1024", "1024"),
    ("hashing.iterations", "3", "3", "3"),
    ("hashing.parallelism", "2", "2", "2"),
    ("hashing.queue", "9", "9", "9"),
    (
        "permissions.catalogue",
        "['swim', 'run.fast', 'introspection']",
        "swim,run.fast,introspection",
        "['swim', 'run.fast', 'introspection', 'management']",
    ),
    ("limits.tokens_per_project", "10", "10", "10"),
    ("limits.body_bytes", "2048", "2048", "2048"),
    ("log.format", "'json'", "json", "'json'"),
    ("log.level", "'info,tokensmith=debug'", "info,tokensmith=debug", "'info,tokensmith=debug'"),
    ("log.level", "'off'", "off", "'off'"),
];

#[test]
fn the_defaults_are_the_manual_and_are_printed_as_they_stand() {
    let manual = keys(tokensmith::config::DEFAULT);

    let mut printed = keys(&Said::default().check().done());

    // It prints what takes effect: times in their largest units, and a permission that is always known.
    assert_eq!(printed.insert("server.keep_alive".to_owned(), "75s".into()), Some("1m 15s".into()));
    let Some(Value::Array(catalogue)) = printed.get_mut("permissions.catalogue") else { panic!("no list") };
    assert_eq!(catalogue.pop(), Some("introspection".into()));
    assert_eq!(printed, manual);
}

#[test]
fn what_is_printed_can_be_read_back() {
    let printed = Said::default().check().done();

    assert_eq!(with_file(&printed).done(), printed);
}

#[test]
fn every_key_of_the_manual_is_tried() {
    let tried: std::collections::BTreeSet<&str> = OTHERS.iter().map(|(key, ..)| *key).collect();

    assert!(keys(tokensmith::config::DEFAULT).keys().eq(tried.iter()));
}

#[test]
fn every_key_is_read_from_each_layer() {
    let defaults = keys(&Said::default().check().done());
    for (key, in_file, elsewhere, printed) in OTHERS {
        let (section, name) = key.split_once('.').unwrap();
        let printed: Table = format!("x = {printed}").parse().unwrap();
        let mut expected = defaults.clone();
        expected.insert(key.to_owned(), printed["x"].clone());

        let file = with_file(&format!("[{section}]\n{name} = {in_file}\n")).done();
        let environment = with_variable(&variable(key), elsewhere).done();
        let flag = with_flag(&format!("{key}={elsewhere}")).done();

        assert_eq!(keys(&file), expected, "{key}");
        assert_eq!(keys(&environment), expected, "{key}");
        assert_eq!(keys(&flag), expected, "{key}");
    }
}

#[test]
fn a_later_layer_wins_key_by_key() {
    let said = Said {
        file: Some("[server]\nworkers = 1\nmax_connections = 1\nkeep_alive = '1s'\n[hashing]\nqueue = 1\n"),
        environment: vec![(variable("server.workers"), "2".into()), (variable("server.max_connections"), "2".into())],
        flags: vec!["server.workers=3".into()],
    };

    let printed = keys(&said.check().done());

    assert_eq!(printed["server.workers"], 3.into());
    assert_eq!(printed["server.max_connections"], 2.into());
    assert_eq!(printed["server.keep_alive"], "1s".into());
    assert_eq!(printed["hashing.queue"], 1.into());
    assert_eq!(printed["server.header_timeout"], "5s".into());
}

#[test]
fn the_last_flag_wins_and_the_file_may_be_named_by_the_environment_or_after_the_command() {
    let directory = TempDir::new().unwrap();
    for (name, workers) in [("env.toml", 4), ("flag.toml", 5)] {
        std::fs::write(directory.path().join(name), format!("server.workers = {workers}")).unwrap();
    }
    let workers = |command: &mut std::process::Command| keys(&run(command).done())["server.workers"].clone();

    let named = workers(bare(directory.path()).env("TOKENSMITH_CONFIG", "env.toml"));
    let overridden =
        workers(bare(directory.path()).env("TOKENSMITH_CONFIG", "env.toml").args(["--config", "flag.toml"]));
    let last = workers(bare(directory.path()).args(["--set", "server.workers=6", "--set", "server.workers=7"]));

    assert_eq!((named, overridden, last), (4.into(), 5.into(), 7.into()));
}

#[test]
fn the_bind_flag_of_serve_wins_and_is_judged() {
    let directory = TempDir::new().unwrap();
    let serve = |arguments: &[&str]| run(tokensmith(directory.path()).args(["serve"]).args(arguments)).misused();

    for complaint in
        [serve(&["--bind", "0.0.0.0:0"]), serve(&["--bind", "0.0.0.0:0", "--set", "server.bind=127.0.0.1:0"])]
    {
        assert!(complaint.starts_with("error: the command line: server.bind is \"0.0.0.0:0\", but must be a loopback"));
        assert!(complaint.contains("server.insecure_bind = true"), "{complaint}");
    }
    assert!(serve(&["--bind", "localhost:80"]).contains("an IP address and a port such as 127.0.0.1:8080"));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[rstest]
#[case("0.0.0.0:80")]
#[case("192.0.2.1:80")]
#[case("[::]:80")]
#[case("[::ffff:127.0.0.1]:80")]
fn what_others_can_reach_must_be_asked_for(#[case] bind: &str) {
    let complaint = with_flag(&format!("server.bind={bind}")).misused();
    let asked_for = Said {
        file: Some("[server]\ninsecure_bind = true\n"),
        flags: vec![format!("server.bind={bind}")],
        ..Said::default()
    };

    assert!(complaint.contains("server.insecure_bind = true"), "{complaint}");
    asked_for.check().done();
}

#[test]
fn every_address_of_the_loopback_network_is_fine() {
    for bind in ["127.0.0.1:80", "127.9.9.9:80", "[::1]:80"] {
        with_flag(&format!("server.bind={bind}")).done();
    }
}

#[rstest]
#[case("server.bind", &["8080", "localhost:8080", ":8080", "127.0.0.1", "127.0.0.1:65536", "", " 127.0.0.1:80"], "an IP address and a port such as 127.0.0.1:8080")]
#[case("server.insecure_bind", &["yes", "1", "", "TRUE"], "true or false")]
#[case("server.public_url", &["t.example", "ftp://t.example", "https://t.example?x", "https://t.example#x", "https://"], "an http or https URL without user, query and fragment")]
#[case("server.trusted_proxies", &["proxy", "10.0.0.0/33", "10.0.0.1,,10.0.0.2", "10.0.0.1 10.0.0.2"], "a list of IP addresses or networks such as 10.0.0.0/8")]
#[case("server.workers", &["-1", "1025", "two", "1.5", "", "0x2", "99999999999999999999"], "a whole number from 0 to 1024")]
#[case("server.header_timeout", &["5", "5 parsecs", "", "-1s", "0s", "61m", "999us"], "a time with its unit, from 1ms to 1h, such as \"2s\" or \"500ms\"")]
#[case("server.body_timeout", &["10"], "a time with its unit")]
#[case("server.keep_alive", &["75"], "a time with its unit")]
#[case("server.max_connections", &["0", "1000001"], "a whole number from 1 to 1000000")]
#[case("server.shutdown_timeout", &["soon"], "a time with its unit")]
#[case("metrics.bind", &["off", "9090"], "an IP address and a port such as 127.0.0.1:9090, or empty")]
#[case("database.acquire_timeout", &["2"], "a time with its unit")]
#[case("database.max_connections", &["0", "10001"], "a whole number from 1 to 10000")]
#[case("database.readers", &["0", "65"], "a whole number from 1 to 64")]
#[case("hashing.memory_kib", &["7", "262145", "19 MiB"], "a whole number from 8 to 262144")]
#[case("hashing.iterations", &["0", "17"], "a whole number from 1 to 16")]
#[case("hashing.parallelism", &["0", "17"], "a whole number from 1 to 16")]
#[case("hashing.queue", &["0", "100001"], "a whole number from 1 to 100000")]
#[case("permissions.catalogue", &["Swim", "swim,swim", "swim,", "7up", "a b"], "a list of permission names, but ")]
#[case("limits.tokens_per_project", &["0", "1000000001"], "a whole number from 1 to 1000000000")]
#[case("limits.body_bytes", &["1023", "16777217", "64k"], "a whole number from 1024 to 16777216")]
#[case("log.format", &["pretty", "", "JSON"], "\"text\" or \"json\"")]
#[case("log.level", &["loud", "", "tokensmith", "tokensmith=loud", "info,swim"], "error, warn, info, debug or trace")]
fn a_wrong_value_stops_with_key_value_and_what_would_do(
    #[case] key: &str,
    #[case] values: &[&str],
    #[case] expected: &str,
) {
    let (section, name) = key.split_once('.').unwrap();
    for value in values {
        let told = format!("{key} is {value:?}, but must be ");
        for (ran, origin) in [
            (with_file(&format!("[{section}]\n{name} = {value:?}\n")), "t.toml"),
            (with_variable(&variable(key), value), "the environment"),
            (with_flag(&format!("{key}={value}")), "the command line"),
        ] {
            let complaint = ran.misused();
            assert!(complaint.starts_with(&format!("error: {origin}: {told}")), "{complaint}");
            assert!(complaint.contains(expected), "{complaint}");
        }
    }
}

#[rstest]
#[case("server.bind = 80", "server.bind is 80, but must be an IP address and a port")]
#[case("server.bind = true", "server.bind is true, but must be")]
#[case("server.bind = ['127.0.0.1:80']", "server.bind is ")]
#[case("server.insecure_bind = 1", "server.insecure_bind is 1, but must be true or false")]
#[case("server.workers = 1.5", "server.workers is 1.5, but must be a whole number")]
#[case("server.workers = -1", "server.workers is -1, but must be a whole number")]
#[case("server.workers = true", "server.workers is true, but must be a whole number")]
#[case("server.keep_alive = 75", "server.keep_alive is 75, but must be a time with its unit")]
#[case("server.trusted_proxies = [1]", "but must be a list of IP addresses")]
#[case("server.trusted_proxies = 1", "server.trusted_proxies is 1, but must be a list of IP addresses")]
#[case("permissions.catalogue = [['swim']]", "but must be a list of permission names")]
#[case("permissions.catalogue = 1979-05-27", "but must be a list of permission names")]
#[case(
    "hashing.parallelism = 4\nhashing.memory_kib = 31",
    "hashing.memory_kib is 31, but must be at least 8 for each lane"
)]
fn a_value_of_another_type_is_wrong_too(#[case] text: &str, #[case] told: &str) {
    let complaint = with_file(text).misused();

    assert!(complaint.starts_with("error: t.toml: "), "{complaint}");
    assert!(complaint.contains(told), "{complaint}");
}

#[test]
fn too_many_permissions_are_refused_with_the_most() {
    let names: Vec<String> = (0..129).map(|number| format!("p{number}")).collect();

    let complaint = with_flag(&format!("permissions.catalogue={}", names.join(","))).misused();
    with_flag(&format!("permissions.catalogue={}", names[..128].join(","))).done();

    assert!(complaint.contains("129 names are listed; list at most 128"), "{complaint}");
}

#[test]
fn an_empty_catalogue_still_knows_what_is_always_known() {
    let expected = Value::from(vec!["management", "introspection"]);

    assert_eq!(keys(&with_file("permissions.catalogue = []").done())["permissions.catalogue"], expected);
    assert_eq!(keys(&with_flag("permissions.catalogue=").done())["permissions.catalogue"], expected);
}

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
#[case("TOKENSMITH_SERVER_BIND", "unknown key TOKENSMITH_SERVER_BIND; section and key are joined by two underscores")]
#[case("TOKENSMITH_DATABASE_URL", "as in TOKENSMITH_SERVER__BIND")]
#[case("TOKENSMITH_", "unknown key TOKENSMITH_;")]
#[case("TOKENSMITH_SERVER__", "unknown key server;")]
#[case("TOKENSMITH___BIND", "unknown key ")]
#[case("TOKENSMITH_CONFIG_FILE", "unknown key TOKENSMITH_CONFIG_FILE;")]
#[case("TOKENSMITH_CONFIG__FILE", "unknown key config.file;")]
#[case("TOKENSMITH_TEST", "unknown key TOKENSMITH_TEST;")]
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
fn variables_of_the_tests_and_of_others_are_passed_over() {
    let environment = [
        ("TOKENSMITH_TEST_POSTGRES_URL", "x"),
        ("TOKENSMITH_TEST_ANYTHING__ELSE", "x"),
        ("TOKENSMITHY", "x"),
        ("tokensmith_server__bind", "x"),
        ("SERVER__BIND", "x"),
    ];
    let environment = environment.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();

    let printed = Said { environment, ..Said::default() }.check().done();

    assert_eq!(printed, Said::default().check().done());
}

#[test]
fn a_variable_that_is_no_utf8_is_named() {
    let directory = TempDir::new().unwrap();

    let value =
        run(bare(directory.path()).env("TOKENSMITH_SERVER__PUBLIC_URL", OsStr::from_bytes(b"http://\xff"))).misused();
    let key = run(bare(directory.path()).env(OsStr::from_bytes(b"TOKENSMITH_SERVER__\xff"), "x")).misused();
    run(bare(directory.path()).env("UNRELATED", OsStr::from_bytes(b"\xff"))).done();

    assert_eq!(value, "error: the environment variable TOKENSMITH_SERVER__PUBLIC_URL is no UTF-8\n");
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
#[case("[server]\nworkers = 1\n[server\n", "t.toml, line 3, is no TOML")]
#[case("server", "t.toml, line 1, is no TOML")]
#[case("[server]\n\nworkers = 1\nworkers = 2", "t.toml, line 4, is no TOML")]
#[case("[server]\nkey = \"hunter2\n", "t.toml, line 2, is no TOML")]
#[case("[server]\nkey = hunter2\n", "t.toml, line 2, is no TOML")]
#[case("[server]\nkey = \"hunter2\\q\"\n", "t.toml, line 2, is no TOML")]
#[case("[server]\nkey = 'x' hunter2\n", "t.toml, line 2, is no TOML")]
#[case("[server]\nkey = 7hunter2\n", "t.toml, line 2, is no TOML")]
fn a_file_that_is_no_toml_is_named_with_the_line_and_not_shown(#[case] text: &str, #[case] told: &str) {
    let complaint = with_file(text).misused();

    assert!(complaint.contains(told), "{complaint}");
    assert!(!complaint.contains("hunter2"), "{complaint}");
}

#[rstest]
#[case("")]
#[case("# nothing\n")]
#[case("[server]\n[log]\n")]
#[case("\u{feff}")]
fn a_file_of_nothing_changes_nothing(#[case] text: &str) {
    assert_eq!(with_file(text).done(), Said::default().check().done());
}

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
#[case("database.url", "mysql://me:hunter2@db.example/tokens", "postgres://USER:PASSWORD@HOST/DATABASE")]
#[case("database.url", "postgres://me:hunter2@db.example:port/tokens", "postgres://USER:PASSWORD@HOST/DATABASE")]
#[case(
    "database.url",
    "postgres://me:hunter2@db.example/tokens?sslmode=maybe",
    "postgres://USER:PASSWORD@HOST/DATABASE"
)]
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

        let told = format!("TOKENSMITH_DATABASE__URL_FILE names {file:?}, which cannot be read: ");
        assert!(complaint.contains(&told), "{complaint}");
        assert!(complaint.contains(reason), "{complaint}");
    }
}

#[test]
fn every_command_judges_the_configuration_first() {
    let directory = TempDir::new().unwrap();
    let id = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d";
    for arguments in [
        &["serve"][..],
        &["migrate"],
        &["project", "create", "x"],
        &["token", "create", "--project", id, "--name", "x", "-p", "chat"],
        &["token", "revoke", id],
        &["token", "verify"],
        &["config", "check"],
        &["healthcheck"],
    ] {
        let complaint = run(tokensmith(directory.path()).args(arguments).args(["--set", "server.bnd=1"])).misused();

        assert!(complaint.contains("unknown key server.bnd"), "{complaint}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
