//! Wrong values: each stops the start with the key, the value, where it stood and what would do.

use rstest::rstest;
use tempfile::TempDir;
use toml::Value;

use super::{Said, keys, variable, with_file, with_flag, with_variable};
use crate::support::{run, tokensmith};

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
#[case("server.drain", &["soon", "1", "-1s", "2h"], "a time with its unit, from 0s to 1h")]
#[case("server.shutdown_timeout", &["soon"], "a time with its unit")]
#[case("metrics.bind", &["off", "9090", "127.0.0.1:9090"], "empty: this version serves no metrics, so remove the value")]
#[case("database.acquire_timeout", &["2"], "a time with its unit")]
#[case("database.max_connections", &["0", "10001"], "a whole number from 1 to 10000")]
#[case("database.readers", &["0", "65"], "a whole number from 1 to 64")]
#[case("cache.max_bytes", &["0", "65535", "64M"], "a whole number from 65536 to 1099511627776")]
#[case("hashing.profile", &["", "OWASP", "random"], "\"owasp\" or \"random-secret\"")]
#[case("hashing.memory_kib", &["7", "262145", "19 MiB"], "a whole number from 8 to 262144, or 0 for the number of hashing.profile")]
#[case("hashing.iterations", &["-1", "17"], "a whole number from 1 to 16, or 0")]
#[case("hashing.parallelism", &["-1", "17"], "a whole number from 1 to 16, or 0")]
#[case("hashing.queue", &["0", "100001"], "a whole number from 1 to 100000")]
#[case("permissions.catalogue", &["Swim", "swim,swim", "swim,", "7up", "a b"], "a list of permission names, but ")]
#[case("limits.subprojects_per_project", &["0", "-1", "many", "1000000001"], "a whole number from 1 to 1000000000")]
#[case("limits.tokens_per_project", &["0", "1000000001"], "a whole number from 1 to 1000000000")]
#[case("limits.body_bytes", &["1023", "16777217", "64k"], "a whole number from 1024 to 16777216")]
#[case("signalwire.region_preference", &["", "us east", "\u{fc}s", "us\n", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"], "1 to 64 visible ASCII characters")]
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
