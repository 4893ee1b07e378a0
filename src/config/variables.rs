//! The environment's part of a configuration: which variables are ours, which are somebody else's, and what was meant by
//! one that is no key.

use config::Map;

use super::{ConfigError, sources::known_keys};

/// Every variable of ours begins so.
const PREFIX: &str = "TOKENSMITH_";

/// What errors call it.
pub(super) const ENVIRONMENT: &str = "the environment";

/// Keys that may be read from a file that a variable names.
const SECRETS: [&str; 3] = ["server.key", "server.previous_keys", "database.url"];

/// What people write for a key that has another name.
const SYNONYMS: [(&str, &str); 19] = [
    ("addr", "server.bind"),
    ("address", "server.bind"),
    ("config_file", "config"),
    ("database", "database.url"),
    ("database_path", "database.url"),
    ("db", "database.url"),
    ("db_path", "database.url"),
    ("db_url", "database.url"),
    ("dsn", "database.url"),
    ("host", "server.bind"),
    ("listen", "server.bind"),
    ("log", "log.level"),
    ("loglevel", "log.level"),
    ("permissions", "permissions.catalogue"),
    ("port", "server.bind"),
    ("postgres_url", "database.url"),
    ("secret", "server.key"),
    ("secret_key", "server.key"),
    ("url", "server.public_url"),
];

/// Our part of the environment as `section__key`, without the prefix; files are read.
pub(super) fn read(variables: &[(String, String)]) -> Result<Map<String, String>, ConfigError> {
    let mut found = Map::new();
    for (variable, value) in variables {
        let Some(rest) = variable.strip_prefix(PREFIX) else { continue };
        if is_no_key(rest, value) {
            continue;
        }
        let key = rest.to_lowercase().replace("__", ".");
        if !key.contains('.') {
            return Err(ConfigError::UnknownKey {
                key: variable.clone(),
                origin: ENVIRONMENT.to_owned(),
                suggestion: suggest(&key),
            });
        }
        match key.strip_suffix("_file").filter(|secret| SECRETS.contains(secret)) {
            None => drop(found.insert(rest.to_lowercase(), value.clone())),
            Some(secret) => {
                let plain = &variable[..variable.len() - "_FILE".len()];
                if variables.iter().any(|(other, _)| other.eq_ignore_ascii_case(plain)) {
                    return Err(ConfigError::Source(format!(
                        "the environment: {variable} and {plain} are both set; set one of them"
                    )));
                }
                let text = std::fs::read_to_string(value).map_err(|error| {
                    ConfigError::Source(format!(
                        "the environment: {variable} does not name a file that can be read: {error}"
                    ))
                })?;
                found.insert(secret.replace('.', "__"), text.trim_end_matches(['\r', '\n']).to_owned());
            }
        }
    }
    Ok(found)
}

/// Whether a variable with our prefix is not a key: the flag's own, those of the tests and benches, and those that
/// Kubernetes puts into every pod beside a service whose name begins like ours.
fn is_no_key(rest: &str, value: &str) -> bool {
    rest == "CONFIG" || rest.starts_with("TEST_") || rest.starts_with("BENCH_") || is_of_a_service(rest, value)
}

/// `SERVICE_HOST`, `SERVICE_PORT`, `SERVICE_PORT_HTTP`, `PORT` with an address like `tcp://10.0.0.1:80` as its value, and
/// `PORT_80_TCP` with what may follow it; all of them also behind more of the service's name.
fn is_of_a_service(rest: &str, value: &str) -> bool {
    let ends = |end: &str| rest == end || rest.ends_with(&format!("_{end}"));
    let holds = |part: &str| rest.starts_with(part) || rest.contains(&format!("_{part}"));
    let is_address = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let is_of_a_port = rest.split("PORT_").skip(1).any(|after| {
        let mut words = after.split('_');
        let is_number = words.next().is_some_and(|word| word.parse::<u16>().is_ok());
        is_number && words.next().is_some_and(|word| matches!(word, "TCP" | "UDP" | "SCTP"))
    });
    ends("SERVICE_HOST")
        || ends("SERVICE_PORT")
        || holds("SERVICE_PORT_")
        || is_of_a_port
        || (ends("PORT") && is_address)
}

/// What was meant by a variable whose name, in lower case and without the prefix, has no section.
fn suggest(name: &str) -> String {
    let (name, end) = match name.strip_suffix("_file") {
        Some(name) if name != "config" => (name, "_FILE"),
        _ => (name, ""),
    };
    let known = known_keys();
    let synonym =
        SYNONYMS.iter().find(|(synonym, _)| *synonym == name.trim_matches('_')).map(|(_, key)| (*key).to_owned());
    let meant = synonym.or_else(|| nearest(name, &known));
    match meant.as_deref() {
        Some("config") => format!("; did you mean {PREFIX}CONFIG?"),
        Some(key) if end.is_empty() || SECRETS.contains(&key) => {
            let variable = key.replace('.', "__").to_uppercase();
            format!("; did you mean {PREFIX}{variable}{end}? Two underscores join section and key")
        }
        _ => format!(
            "; write {PREFIX}SECTION__KEY, such as {PREFIX}SERVER__BIND; 'tokensmith config check' prints all keys"
        ),
    }
}

/// The key that is most like it, with its section or without.
fn nearest(name: &str, known: &[String]) -> Option<String> {
    const ENOUGH: f64 = 0.85;
    let likeness = |key: &str| {
        let (_, end) = key.split_once('.').unwrap_or(("", key));
        strsim::jaro_winkler(name, &key.replace('.', "_")).max(strsim::jaro_winkler(name, end))
    };
    known
        .iter()
        .map(|key| (likeness(key), key))
        .filter(|(likeness, _)| *likeness > ENOUGH)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, key)| key.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_of_a_kubernetes_service_are_told_from_ours() {
        for (rest, value) in [
            ("SERVICE_HOST", "10.0.0.1"),
            ("SERVICE_PORT", "80"),
            ("SERVICE_PORT_HTTP", "80"),
            ("HTTP_SERVICE_HOST", "10.0.0.1"),
            ("DATABASE_SERVICE_PORT_5432", "5432"),
            ("PORT", "tcp://10.0.0.1:80"),
            ("HTTP_PORT", "udp://10.0.0.1:80"),
            ("PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("PORT_80_TCP_PROTO", "tcp"),
            ("HTTP_PORT_80_TCP_ADDR", "10.0.0.1"),
        ] {
            assert!(is_of_a_service(rest, value), "{rest}");
        }
        for (rest, value) in
            [("PORT", "8080"), ("PORT_80", "x"), ("HOST", "10.0.0.1"), ("PORT_X_TCP", "x"), ("SERVER_BIND", "tcp://x")]
        {
            assert!(!is_of_a_service(rest, value), "{rest}");
        }
    }

    #[test]
    fn every_synonym_means_a_key_that_exists() {
        let known = known_keys();
        for (synonym, key) in SYNONYMS {
            assert!(key == "config" || known.iter().any(|known| known == key), "{synonym}");
        }
    }
}
