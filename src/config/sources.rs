//! The sources of a configuration, laid over each other. Each value remembers its source, for errors.

use config::{Config as Layers, ConfigError as LayerError, Environment, File, FileFormat, Map, Value, ValueKind};

use super::{
    ConfigError, DEFAULT, Overrides,
    values::Setting,
    variables::{self, ENVIRONMENT},
};
use crate::domain::Catalogue;

/// All layers, with every key known to exist.
pub(super) struct Sources(Layers);

impl Sources {
    pub(super) fn read(overrides: &Overrides) -> Result<Self, ConfigError> {
        let known = known_keys();
        let mut layers = Layers::builder().add_source(File::from_str(DEFAULT, FileFormat::Toml));
        if let Some(path) = &overrides.file {
            let file = path.display().to_string();
            let text = std::fs::read_to_string(path)
                .map_err(|error| ConfigError::Source(format!("cannot read {file}: {error}")))?;
            let table: toml::Table = text.parse().map_err(|error| not_toml(&file, &text, &error))?;
            let mut keys = paths("", &table);
            // An empty section that exists.
            keys.retain(|path| !path.ends_with('.') || !known.iter().any(|key| key.starts_with(path)));
            refuse_unknown_keys(&file, &keys, &known)?;
            layers = layers.add_source(Named(file, File::from_str(&text, FileFormat::Toml)));
        }
        let flags = overrides.flags.iter().map(|(key, value)| (key.to_lowercase(), value.clone())).collect();
        for (origin, pairs) in [(ENVIRONMENT, variables::read(&overrides.environment)?), ("the command line", flags)] {
            let keys: Vec<String> = pairs.keys().map(|key| key.replace("__", ".")).collect();
            refuse_unknown_keys(origin, &keys, &known)?;
            let source = Environment::default().separator("__").source(Some(pairs));
            layers = layers.add_source(Named(origin.to_owned(), source));
        }
        let layers = layers.build().map_err(unreadable)?;
        Ok(Self(layers))
    }

    /// A value.
    pub(super) fn get<S: Setting>(&self, key: &str) -> Result<S, ConfigError> {
        let value = self.value(key);
        let text = value.clone().into_string().ok();
        text.and_then(|text| S::read(&text)).ok_or_else(|| wrong(key, &value, S::EXPECTED, S::IS_SECRET))
    }

    /// Whether anything but the defaults says it.
    pub(super) fn is_said(&self, key: &str) -> bool {
        self.value(key).origin().is_some()
    }

    /// A whole number within bounds.
    pub(super) fn number<N: TryFrom<u64>>(&self, key: &str, least: u64, most: u64) -> Result<N, ConfigError> {
        self.number_expecting(key, least, most, "")
    }

    fn number_expecting<N: TryFrom<u64>>(
        &self,
        key: &str,
        least: u64,
        most: u64,
        besides: &str,
    ) -> Result<N, ConfigError> {
        let value = self.value(key);
        let expected = || format!("a whole number from {least} to {most}{besides}");
        let number: Option<u64> = value.clone().into_string().ok().and_then(|text| text.parse().ok());
        number
            .filter(|number| (least..=most).contains(number))
            .and_then(|number| N::try_from(number).ok())
            .ok_or_else(|| wrong(key, &value, &expected(), false))
    }

    /// A whole number within bounds, or zero, which stands for "not set".
    pub(super) fn number_or_zero(&self, key: &str, least: u64, most: u64) -> Result<u32, ConfigError> {
        match self.value(key).into_string().ok().as_deref() {
            Some("0") => Ok(0),
            _ => self.number_expecting(key, least, most, ", or 0 for the number of hashing.profile"),
        }
    }

    /// A list: an array, or text with commas.
    pub(super) fn list<S: Setting>(&self, key: &str) -> Result<Vec<S>, ConfigError> {
        let value = self.value(key);
        let refuse = || wrong(key, &value, S::EXPECTED, S::IS_SECRET);
        let texts = self.texts(key, S::EXPECTED).map_err(|_| refuse())?;
        texts.iter().map(|text| S::read(text).ok_or_else(refuse)).collect()
    }

    /// The catalogue of permissions.
    pub(super) fn catalogue(&self, key: &str) -> Result<Catalogue, ConfigError> {
        let names = self.texts(key, "a list of permission names")?;
        Catalogue::new(names)
            .map_err(|error| wrong(key, &self.value(key), &format!("a list of permission names, but {error}"), false))
    }

    /// The source that sets a value; `None` where it is the default.
    pub(super) fn set_by(&self, key: &str) -> Option<String> {
        self.value(key).origin().map(str::to_owned)
    }

    /// A refusal of a value that is right only by itself.
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

/// A source whose values remember its name.
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

/// Every key that exists: those of the defaults.
pub(super) fn known_keys() -> Vec<String> {
    let defaults: toml::Table = DEFAULT.parse().expect("the tests read it");
    paths("", &defaults)
}

/// The keys of a table with the tables that they stand in, as `section.key`; an empty table ends with a dot.
fn paths(prefix: &str, table: &toml::Table) -> Vec<String> {
    table
        .iter()
        .flat_map(|(key, value)| match value {
            toml::Value::Table(below) if below.is_empty() => vec![format!("{prefix}{key}.")],
            toml::Value::Table(below) => paths(&format!("{prefix}{key}."), below),
            _ => vec![format!("{prefix}{key}")],
        })
        .collect()
}

/// Asked of each layer by itself: laid over each other, tables forget where they came from.
fn refuse_unknown_keys(origin: &str, keys: &[String], known: &[String]) -> Result<(), ConfigError> {
    match keys.iter().find(|path| !known.contains(path)) {
        Some(unknown) => Err(ConfigError::UnknownKey {
            key: unknown.strip_suffix('.').filter(|key| !key.is_empty()).unwrap_or(unknown).to_owned(),
            origin: origin.to_owned(),
            suggestion: suggest(unknown, known),
        }),
        None => Ok(()),
    }
}

fn suggest(key: &str, known: &[String]) -> String {
    // A bare `bind` is like server.bind, whose section was forgotten.
    let likeness = |known: &str| {
        let is_its_end = known.split_once('.').is_some_and(|(_, end)| end == key);
        if is_its_end { 1.0 } else { strsim::jaro_winkler(key, known) }
    };
    known
        .iter()
        .map(|candidate| (likeness(candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(
            || "; 'tokensmith config check' prints all keys".to_owned(),
            |(_, nearest)| format!("; did you mean {nearest}?"),
        )
}

fn wrong(key: &str, value: &Value, expected: &str, is_secret: bool) -> ConfigError {
    let shown = match &value.kind {
        _ if is_secret => "[secret]".to_owned(),
        // It may be a URL with a password, under the wrong key.
        ValueKind::String(text) if text.contains('@') => "[secret]".to_owned(),
        ValueKind::String(text) => format!("{text:?}"),
        other => other.to_string(),
    };
    ConfigError::Value { key: key.to_owned(), value: shown, origin: origin(value), expected: expected.to_owned() }
}

fn origin(value: &Value) -> String {
    value.origin().unwrap_or("the defaults").to_owned()
}

/// Names the line, and leaves out the parser's excerpt of it: it may hold a secret.
fn not_toml(file: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    ConfigError::Source(format!("{file}, line {line}, is not valid TOML: {}", error.message()))
}

#[expect(clippy::needless_pass_by_value, reason = "it is a map_err")]
fn unreadable(error: LayerError) -> ConfigError {
    ConfigError::Source(format!("the configuration cannot be read: {error}"))
}
