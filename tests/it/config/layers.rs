//! Defaults, file, environment, flags: what each says, and which wins.

use rstest::rstest;
use tempfile::TempDir;
use toml::{Table, Value};

use super::{KEY, Said, bare, keys, variable, with_file, with_flag, with_variable};
use crate::support::{run, tokensmith};

/// Another value for every key: as it is written in a file, as it is written elsewhere, and as it is printed.
const OTHERS: [(&str, &str, &str, &str); 32] = [
    ("server.bind", "'[::1]:81'", "[::1]:81", "'[::1]:81'"),
    ("server.insecure_bind", "true", "true", "true"),
    ("server.public_url", "'https://t.example/'", "https://t.example/", "'https://t.example'"),
    ("server.trusted_proxies", "['10.0.0.0/8', '::1']", "10.0.0.0/8, ::1", "['10.0.0.0/8', '::1/128']"),
    ("server.workers", "3", "3", "3"),
    ("server.header_timeout", "'6s'", "6s", "'6s'"),
    ("server.body_timeout", "'1500ms'", "1500ms", "'1s 500ms'"),
    ("server.keep_alive", "'2m'", "2m", "'2m'"),
    ("server.max_connections", "6", "6", "6"),
    ("server.drain", "'1h'", "1h", "'1h'"),
    ("server.shutdown_timeout", "'1h'", "1h", "'1h'"),
    ("server.key", "'000102030405060708090A0B0C0D0E0F101112131415161718191a1b1c1d1e1f'", KEY, "'[secret]'"),
    (
        "server.previous_keys",
        "['000102030405060708090A0B0C0D0E0F101112131415161718191a1b1c1d1e1f']",
        KEY,
        "['[secret]']",
    ),
    // Nothing else is allowed yet.
    ("metrics.bind", "''", "", "''"),
    ("database.url", "'sqlite:///var/t.db'", "sqlite:///var/t.db", "'sqlite:///var/t.db'"),
    ("database.acquire_timeout", "'1ms'", "1ms", "'1ms'"),
    ("database.max_connections", "7", "7", "7"),
    ("database.readers", "8", "8", "8"),
    ("cache.max_bytes", "65536", "65536", "65536"),
    ("hashing.profile", "'random-secret'", "random-secret", "'random-secret'"),
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
    ("limits.subprojects_per_project", "10", "10", "10"),
    ("limits.body_bytes", "2048", "2048", "2048"),
    ("signalwire.region_preference", "'eu-west'", "eu-west", "'eu-west'"),
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
fn variables_of_the_tests_and_of_others_are_passed_over() {
    let environment = [
        ("TOKENSMITH_TEST_POSTGRES_URL", "x"),
        // What Kubernetes puts into every pod beside a service named tokensmith.
        ("TOKENSMITH_SERVICE_HOST", "10.0.0.1"),
        ("TOKENSMITH_PORT", "tcp://10.0.0.1:80"),
        ("TOKENSMITH_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("TOKENSMITH_SERVICE_PORT_HTTP", "80"),
        ("TOKENSMITH_DATABASE_SERVICE_HOST", "10.0.0.1"),
        ("TOKENSMITH_BENCH_BARE", "1"),
        ("TOKENSMITH_TEST_ANYTHING__ELSE", "x"),
        ("TOKENSMITHY", "x"),
        ("tokensmith_server__bind", "x"),
        ("SERVER__BIND", "x"),
    ];
    let environment = environment.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();

    let printed = Said { environment, ..Said::default() }.check().done();

    assert_eq!(printed, Said::default().check().done());
}

#[rstest]
#[case("")]
#[case("# nothing\n")]
#[case("[server]\n[log]\n")]
#[case("\u{feff}")]
fn a_file_of_nothing_changes_nothing(#[case] text: &str) {
    assert_eq!(with_file(text).done(), Said::default().check().done());
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
