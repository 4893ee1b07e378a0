//! The types of single values. Each is read from text, and says which values are right.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use ipnet::IpNet;
use serde::{Serialize, Serializer};
use tracing_subscriber::EnvFilter;
use zeroize::Zeroizing;

use crate::domain::Catalogue;

/// A value that a key can have.
pub(super) trait Setting: Sized {
    /// The values that are right, as in "must be …".
    const EXPECTED: &'static str;
    /// Whether an error must not repeat the value.
    const IS_SECRET: bool = false;

    fn read(text: &str) -> Option<Self>;
}

impl Setting for bool {
    const EXPECTED: &'static str = "true or false";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// A time span of at least a millisecond.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Duration(std::time::Duration);

impl Duration {
    /// The span.
    pub const fn get(self) -> std::time::Duration {
        self.0
    }
}

impl Setting for Duration {
    const EXPECTED: &'static str = "a time with its unit, from 1ms to 1h, such as \"2s\" or \"500ms\"";

    fn read(text: &str) -> Option<Self> {
        let span = humantime::parse_duration(text).ok()?;
        let bounds = std::time::Duration::from_millis(1)..=std::time::Duration::from_hours(1);
        bounds.contains(&span).then_some(Self(span))
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

/// A time span that may be none at all.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pause(std::time::Duration);

impl Pause {
    /// The span.
    pub const fn get(self) -> std::time::Duration {
        self.0
    }
}

impl Setting for Pause {
    const EXPECTED: &'static str = "a time with its unit, from 0s to 1h, such as \"10s\"";

    fn read(text: &str) -> Option<Self> {
        let span = humantime::parse_duration(text).ok()?;
        (span <= std::time::Duration::from_hours(1)).then_some(Self(span))
    }
}

impl fmt::Debug for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Pause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

/// An address to listen on.
pub(super) struct Bind(pub(super) SocketAddr);

impl Setting for Bind {
    const EXPECTED: &'static str = "an IP address and a port such as 127.0.0.1:8080";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

/// The value of a key that is kept for a later version: nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotYet;

impl Setting for NotYet {
    const EXPECTED: &'static str = "empty: this version serves no metrics, so remove the value";

    fn read(text: &str) -> Option<Self> {
        text.is_empty().then_some(Self)
    }
}

impl Serialize for NotYet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("")
    }
}

/// An address clients use, without a slash at the end.
pub(super) struct PublicUrl(pub(super) String);

impl Setting for PublicUrl {
    const EXPECTED: &'static str =
        "empty, or an http or https URL without user, query and fragment, such as https://tokens.example.com";

    fn read(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self(String::new()));
        }
        let url = url::Url::parse(text).ok()?;
        let is_plain = matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        is_plain.then(|| Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

/// A network, or one address of it.
pub(super) struct Network(pub(super) IpNet);

impl Setting for Network {
    const EXPECTED: &'static str = "a list of IP addresses or networks such as 10.0.0.0/8";

    fn read(text: &str) -> Option<Self> {
        IpNet::from_str(text).ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)).map(Self)
    }
}

/// The server's key, where there is one. Prints as `[secret]`, or empty.
#[derive(Clone)]
pub struct ServerKey(Option<Zeroizing<[u8; 32]>>);

impl ServerKey {
    /// The key's bytes.
    pub fn bytes(&self) -> Option<&[u8; 32]> {
        self.0.as_deref()
    }

    /// Reads 64 hexadecimal digits, or nothing; `None` for every other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::read(text)
    }

    fn shown(&self) -> &'static str {
        if self.0.is_some() { "[secret]" } else { "" }
    }
}

impl Setting for ServerKey {
    const EXPECTED: &'static str = "empty, or 64 hexadecimal digits";
    const IS_SECRET: bool = true;

    fn read(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self(None));
        }
        let mut key = Zeroizing::new([0; 32]);
        let decoded = base16ct::mixed::decode(text, &mut *key).ok()?;
        (decoded.len() == 32).then_some(Self(Some(key)))
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl Serialize for ServerKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.shown())
    }
}

/// A key that was the server's. Prints as `[secret]`.
#[derive(Clone)]
pub struct PreviousKey(ServerKey);

impl PreviousKey {
    /// The key's bytes.
    pub fn bytes(&self) -> Option<&[u8; 32]> {
        self.0.bytes()
    }
}

impl Setting for PreviousKey {
    const EXPECTED: &'static str = "a list of keys of 64 hexadecimal digits";
    const IS_SECRET: bool = true;

    fn read(text: &str) -> Option<Self> {
        ServerKey::read(text).filter(|key| key.0.is_some()).map(Self)
    }
}

impl fmt::Debug for PreviousKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for PreviousKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// What one hash costs, where no numbers are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HashingProfile {
    /// What OWASP recommends for passwords that people choose.
    Owasp,
    /// What is enough for secrets of 112 random bits.
    RandomSecret,
}

impl HashingProfile {
    /// Memory in KiB, iterations and lanes.
    pub(super) const fn cost(self) -> (u32, u32, u32) {
        match self {
            Self::Owasp => (19_456, 2, 1),
            Self::RandomSecret => (4096, 1, 1),
        }
    }
}

impl Setting for HashingProfile {
    const EXPECTED: &'static str = "\"owasp\" or \"random-secret\"";

    fn read(text: &str) -> Option<Self> {
        match text {
            "owasp" => Some(Self::Owasp),
            "random-secret" => Some(Self::RandomSecret),
            _ => None,
        }
    }
}

/// What answers say of where a project would rather be served from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct RegionPreference(String);

impl RegionPreference {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for RegionPreference {
    const EXPECTED: &'static str = "1 to 64 visible ASCII characters such as \"us\"";

    fn read(text: &str) -> Option<Self> {
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        ((1..=64).contains(&text.len()) && is_visible).then(|| Self(text.to_owned()))
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Setting for LogFormat {
    const EXPECTED: &'static str = "\"text\" or \"json\"";

    fn read(text: &str) -> Option<Self> {
        match text {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Which log lines are written: directives of tracing-subscriber's `EnvFilter`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct LogLevel(String);

impl LogLevel {
    /// The directives.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for LogLevel {
    const EXPECTED: &'static str = "error, warn, info, debug or trace, or directives such as \"info,tokensmith=debug\"";

    fn read(text: &str) -> Option<Self> {
        let is_level = |word: &str| word.parse::<tracing::Level>().is_ok() || word == "off";
        // A lone word that is no level would be taken for the name of a crate, and silence the log.
        let is_known = text.split(',').all(|part| part.contains('=') || is_level(part.trim()));
        (is_known && EnvFilter::try_new(text).is_ok()).then(|| Self(text.to_owned()))
    }
}

pub(super) fn catalogue_as_list<S: Serializer>(catalogue: &Catalogue, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(catalogue.names())
}
