//! The sources of a configuration, laid over each other, and what an error needs to know of them.

use config::{Config as Layers, ConfigError as LayerError, Environment, File, FileFormat, Map, Value, ValueKind};

use super::{ConfigError, DEFAULT, Overrides, values::Setting};
use crate::domain::Catalogue;

/// Every variable of ours begins so.
const PREFIX: &str = "TOKENSMITH_";

/// Variables of ours that are no configuration: the flag's own, and those of the tests.
const NOT_OURS: [&str; 2] = ["TOKENSMITH_CONFIG", "TOKENSMITH_TEST_"];

/// Keys that may be read from a file that a variable names.
const SECRETS: [&str; 2] = ["server.key", "database.url"];

/// All layers, with every key known to exist.
pub(super) struct Sources(Layers);

impl Sources {
    pub(super) fn read(overrides: &Overrides) -> Result<Self, ConfigError> {
        let mut layers = Layers::builder().add_source(File::from_str(DEFAULT, FileFormat::Toml));
        if let Some(path) = &overrides.file {
            let text = std::fs::read_to_string(path)
                .map_err(|error| ConfigError::Source(format!("cannot read {}: {error}", path.display())))?;
            // Parsed here once for its own sake: the layers would not name the file in the error.
            text.parse::<toml::Table>()
                .map_err(|error| ConfigError::Source(format!("{} is no TOML: {}", path.display(), error.message())))?;
            layers = layers.add_source(Named(path.display().to_string(), File::from_str(&text, FileFormat::Toml)));
        }
        layers = layers
            .add_source(Named("the environment".to_owned(), pairs(environment(&overrides.environment)?)))
            .add_source(Named("the flag --set".to_owned(), pairs(overrides.flags.iter().cloned().collect())));
        let layers = layers.build().map_err(unreadable)?;
        let defaults =
            Layers::builder().add_source(File::from_str(DEFAULT, FileFormat::Toml)).build().map_err(unreadable)?;
        refuse_unknown_keys(&layers, &defaults)?;
        Ok(Self(layers))
    }

    /// A value.
    pub(super) fn get<S: Setting>(&self, key: &str) -> Result<S, ConfigError> {
        let value = self.value(key);
        let text = value.clone().into_string().ok();
        text.and_then(|text| S::read(&text)).ok_or_else(|| wrong(key, &value, S::EXPECTED, S::IS_SECRET))
    }

    /// A whole number within bounds.
    pub(super) fn number<N: TryFrom<u64>>(&self, key: &str, least: u64, most: u64) -> Result<N, ConfigError> {
        let value = self.value(key);
        let expected = || format!("a whole number from {least} to {most}");
        let number: Option<u64> = value.clone().into_string().ok().and_then(|text| text.parse().ok());
        number
            .filter(|number| (least..=most).contains(number))
            .and_then(|number| N::try_from(number).ok())
            .ok_or_else(|| wrong(key, &value, &expected(), false))
    }

    /// A list: an array, or text with commas.
    pub(super) fn list<S: Setting>(&self, key: &str) -> Result<Vec<S>, ConfigError> {
        let texts = self.texts(key, S::EXPECTED)?;
        let value = self.value(key);
        texts.iter().map(|text| S::read(text).ok_or_else(|| wrong(key, &value, S::EXPECTED, false))).collect()
    }

    /// The catalogue of permissions.
    pub(super) fn catalogue(&self, key: &str) -> Result<Catalogue, ConfigError> {
        let names = self.texts(key, "a list of permission names")?;
        Catalogue::new(names)
            .map_err(|error| wrong(key, &self.value(key), &format!("a list of permission names, but {error}"), false))
    }

    /// A refusal of a value that is fine by itself.
    pub(super) fn refuse(&self, key: &str, expected: &str) -> ConfigError {
        wrong(key, &self.value(key), expected, false)
    }

    fn texts(&self, key: &str, expected: &str) -> Result<Vec<String>, ConfigError> {
        let value = self.value(key);
        match &value.kind {
            ValueKind::Array(values) => values
                .iter()
                .map(|item| match &item.kind {
                    ValueKind::String(text) => Ok(text.clone()),
                    _ => Err(wrong(key, &value, expected, false)),
                })
                .collect(),
            ValueKind::String(text) if text.trim().is_empty() => Ok(Vec::new()),
            ValueKind::String(text) => Ok(text.split(',').map(|item| item.trim().to_owned()).collect()),
            _ => Err(wrong(key, &value, expected, false)),
        }
    }

    fn value(&self, key: &str) -> Value {
        // Looked up by hand: the crate's own look-up forgets where a value came from.
        let table = |value: Value| value.into_table().unwrap_or_default();
        let (section, key) = key.split_once('.').unwrap_or((key, ""));
        let value = table(self.0.cache.clone()).remove(section).and_then(|keys| table(keys).remove(key));
        value.unwrap_or_else(|| Value::new(None, ValueKind::Nil))
    }
}

/// A source whose values remember where they stood.
#[derive(Clone, Debug)]
struct Named<S>(String, S);

impl<S: config::Source + Clone + std::fmt::Debug + Send + Sync + 'static> config::Source for Named<S> {
    fn clone_into_box(&self) -> Box<dyn config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, LayerError> {
        Ok(self.1.collect()?.into_iter().map(|(key, value)| (key, named(&self.0, value))).collect())
    }
}

fn named(origin: &String, value: Value) -> Value {
    let kind = match value.kind {
        ValueKind::Table(table) => {
            ValueKind::Table(table.into_iter().map(|(key, value)| (key, named(origin, value))).collect())
        }
        other => other,
    };
    Value::new(Some(origin), kind)
}

/// `section__key` pairs as a source; the values are text.
fn pairs(pairs: Map<String, String>) -> Environment {
    Environment::default().separator("__").source(Some(pairs))
}

/// Our part of the environment, without the prefix; files are read.
fn environment(variables: &[(String, String)]) -> Result<Map<String, String>, ConfigError> {
    let mut found = Map::new();
    for (variable, value) in variables {
        let Some(rest) = variable.strip_prefix(PREFIX) else { continue };
        if NOT_OURS.iter().any(|not_ours| variable.starts_with(not_ours)) {
            continue;
        }
        let key = rest.to_lowercase().replace("__", ".");
        if !key.contains('.') {
            return Err(ConfigError::UnknownKey {
                key: variable.clone(),
                origin: "the environment".to_owned(),
                suggestion: format!("; section and key are joined by two underscores, as in {PREFIX}SERVER__BIND"),
            });
        }
        match key.strip_suffix("_file").filter(|secret| SECRETS.contains(secret)) {
            None => drop(found.insert(rest.to_lowercase(), value.clone())),
            Some(secret) => {
                let plain = variable.strip_suffix("_FILE").unwrap_or(variable);
                if variables.iter().any(|(other, _)| other == plain) {
                    return Err(ConfigError::Source(format!(
                        "the environment: {variable} and {plain} are both set; set one of them"
                    )));
                }
                let text = std::fs::read_to_string(value).map_err(|error| {
                    ConfigError::Source(format!(
                        "the environment: {variable} names {value:?}, which cannot be read: {error}"
                    ))
                })?;
                found.insert(secret.replace('.', "__"), text.trim_end_matches(['\r', '\n']).to_owned());
            }
        }
    }
    Ok(found)
}

/// Every key is in the defaults; what is not there does not exist.
fn refuse_unknown_keys(layers: &Layers, defaults: &Layers) -> Result<(), ConfigError> {
    let sections = |layers: &Layers| -> Result<Map<String, Value>, ConfigError> {
        layers.cache.clone().into_table().map_err(unreadable)
    };
    let defaults = sections(defaults)?;
    let known: Vec<String> = defaults
        .iter()
        .flat_map(|(section, keys)| {
            let keys = keys.clone().into_table().unwrap_or_default();
            keys.into_keys().map(move |key| format!("{section}.{key}"))
        })
        .collect();
    for (section, value) in sections(layers)? {
        let origin = origin(&value);
        let ValueKind::Table(keys) = value.kind else {
            return Err(unknown(&section, origin, &known));
        };
        if keys.is_empty() && !defaults.contains_key(&section) {
            return Err(unknown(&section, origin, &known));
        }
        for (key, value) in keys {
            let key = format!("{section}.{key}");
            if !known.contains(&key) {
                return Err(unknown(&key, self::origin(&value), &known));
            }
        }
    }
    Ok(())
}

fn unknown(key: &str, origin: String, known: &[String]) -> ConfigError {
    let nearest = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(key, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let suggestion = nearest.map_or_else(
        || "; 'tokensmith config check' prints all keys".to_owned(),
        |(_, nearest)| format!("; did you mean {nearest}?"),
    );
    ConfigError::UnknownKey { key: key.to_owned(), origin, suggestion }
}

fn wrong(key: &str, value: &Value, expected: &str, is_secret: bool) -> ConfigError {
    let shown = match &value.kind {
        _ if is_secret => "not shown, because it may hold a secret".to_owned(),
        ValueKind::String(text) => format!("{text:?}"),
        other => other.to_string(),
    };
    ConfigError::Value { key: key.to_owned(), value: shown, origin: origin(value), expected: expected.to_owned() }
}

fn origin(value: &Value) -> String {
    value.origin().unwrap_or("the defaults").to_owned()
}

#[expect(clippy::needless_pass_by_value, reason = "it is a map_err")]
fn unreadable(error: LayerError) -> ConfigError {
    ConfigError::Source(format!("the configuration cannot be read: {error}"))
}
