//! Configuration: `config/default.toml` < file < environment < flags. `sources.rs` lays them over each other and
//! knows the source of each value; here each value is judged, once.

mod database_url;
mod sources;
mod values;
mod variables;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

pub use database_url::DatabaseUrl;
use serde::Serialize;
pub use values::{
    Duration, HashingProfile, LogFormat, LogLevel, NotYet, Pause, PreviousKey, RegionPreference, ServerKey,
};

use crate::domain::Catalogue;
use sources::Sources;
use values::{Bind, Network, PublicUrl, Setting};

/// The defaults, which are also the manual.
pub const DEFAULT: &str = include_str!("../../config/default.toml");

/// A configuration that can be used as it stands.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "config/default.toml explains each key, section by section")]
pub struct Config {
    pub server: Server,
    pub metrics: Metrics,
    pub database: Database,
    pub cache: Cache,
    pub hashing: Hashing,
    pub permissions: Permissions,
    pub limits: Limits,
    pub signalwire: Signalwire,
    pub log: Log,
}

#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "config/default.toml explains each key")]
pub struct Server {
    pub bind: SocketAddr,
    pub insecure_bind: bool,
    pub public_url: String,
    pub trusted_proxies: Vec<ipnet::IpNet>,
    pub workers: usize,
    pub header_timeout: Duration,
    pub body_timeout: Duration,
    pub keep_alive: Duration,
    pub max_connections: usize,
    pub drain: Pause,
    pub shutdown_timeout: Duration,
    pub key: ServerKey,
    pub previous_keys: Vec<PreviousKey>,
}

#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "config/default.toml explains each key")]
pub struct Metrics {
    pub bind: NotYet,
}

#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "config/default.toml explains each key")]
pub struct Database {
    pub url: DatabaseUrl,
    pub acquire_timeout: Duration,
    pub max_connections: u32,
    pub readers: u32,
}

#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "config/default.toml explains each key")]
pub struct Cache {
    pub max_bytes: u64,
}

#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "config/default.toml explains each key")]
pub struct Hashing {
    pub profile: HashingProfile,
    pub memory_kib: u32,
    pub iterations: u32,
    pub parallelism: u32,
    pub queue: usize,
}

#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "config/default.toml explains each key")]
pub struct Permissions {
    #[serde(serialize_with = "values::catalogue_as_list")]
    pub catalogue: Catalogue,
    /// The source that sets the catalogue; `None` where it is the default.
    #[serde(skip)]
    pub set_by: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "config/default.toml explains each key")]
pub struct Limits {
    pub tokens_per_project: u64,
    pub subprojects_per_project: u64,
    pub body_bytes: usize,
}

#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "config/default.toml explains each key")]
pub struct Signalwire {
    pub region_preference: RegionPreference,
}

#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "config/default.toml explains each key")]
pub struct Log {
    pub format: LogFormat,
    pub level: LogLevel,
    /// Whether the level was asked for, and is not the default.
    #[serde(skip)]
    pub is_level_said: bool,
}

/// Why there is no configuration: what is wrong, the source that says it, and what is right.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key that does not exist.
    #[error("{origin}: unknown key {key}{suggestion}")]
    UnknownKey {
        /// The key.
        key: String,
        /// The source that names it.
        origin: String,
        /// "; did you mean …?", or nothing.
        suggestion: String,
    },
    /// A value that is wrong.
    #[error("{origin}: {key} is {value}, but must be {expected}")]
    Value {
        /// The key.
        key: String,
        /// The value, as the source has it; a secret is not repeated.
        value: String,
        /// The source that sets it.
        origin: String,
        /// What is right.
        expected: String,
    },
    /// A source that cannot be read.
    #[error("{0}")]
    Source(String),
}

/// Where to read a configuration from, beside the defaults.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// A file.
    pub file: Option<PathBuf>,
    /// The environment: all of it. Variables of others are passed over.
    pub environment: Vec<(String, String)>,
    /// `key=value` from flags.
    pub flags: Vec<(String, String)>,
}

impl Config {
    /// Reads and judges a configuration.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(overrides: &Overrides) -> Result<Self, ConfigError> {
        let sources = Sources::read(overrides)?;
        let config = Self {
            server: Server {
                bind: sources.get::<Bind>("server.bind")?.0,
                insecure_bind: sources.get("server.insecure_bind")?,
                public_url: sources.get::<PublicUrl>("server.public_url")?.0,
                trusted_proxies: sources
                    .list::<Network>("server.trusted_proxies")?
                    .into_iter()
                    .map(|network| network.0)
                    .collect(),
                workers: sources.number("server.workers", 0, 1024)?,
                header_timeout: sources.get("server.header_timeout")?,
                body_timeout: sources.get("server.body_timeout")?,
                keep_alive: sources.get("server.keep_alive")?,
                max_connections: sources.number("server.max_connections", 1, 1_000_000)?,
                drain: sources.get("server.drain")?,
                shutdown_timeout: sources.get("server.shutdown_timeout")?,
                key: sources.get("server.key")?,
                previous_keys: sources.list("server.previous_keys")?,
            },
            metrics: Metrics { bind: sources.get("metrics.bind")? },
            database: Database {
                url: sources.get("database.url")?,
                acquire_timeout: sources.get("database.acquire_timeout")?,
                max_connections: sources.number("database.max_connections", 1, 10_000)?,
                readers: sources.number("database.readers", 1, 64)?,
            },
            cache: Cache { max_bytes: sources.number("cache.max_bytes", 1 << 16, 1 << 40)? },
            hashing: Hashing {
                profile: sources.get("hashing.profile")?,
                parallelism: sources.number_or_zero("hashing.parallelism", 1, 16)?,
                memory_kib: sources.number_or_zero("hashing.memory_kib", 8, 262_144)?,
                iterations: sources.number_or_zero("hashing.iterations", 1, 16)?,
                queue: sources.number("hashing.queue", 1, 100_000)?,
            },
            permissions: Permissions {
                catalogue: sources.catalogue("permissions.catalogue")?,
                set_by: sources.set_by("permissions.catalogue"),
            },
            limits: Limits {
                tokens_per_project: sources.number("limits.tokens_per_project", 1, 1_000_000_000)?,
                subprojects_per_project: sources.number("limits.subprojects_per_project", 1, 1_000_000_000)?,
                body_bytes: sources.number("limits.body_bytes", 1024, 16 * 1024 * 1024)?,
            },
            signalwire: Signalwire { region_preference: sources.get("signalwire.region_preference")? },
            log: Log {
                format: sources.get("log.format")?,
                level: sources.get("log.level")?,
                is_level_said: sources.is_said("log.level"),
            },
        };
        config.judge_together(&sources)?;
        Ok(config)
    }

    /// Judges what only several keys together can get wrong.
    fn judge_together(&self, sources: &Sources) -> Result<(), ConfigError> {
        if !self.server.bind.ip().is_loopback() && !self.server.insecure_bind {
            return Err(sources.refuse(
                "server.bind",
                "a loopback address such as 127.0.0.1:8080, with a TLS proxy in front; set server.insecure_bind = true only where something else encrypts the connections, because HTTP Basic sends secrets",
            ));
        }
        let (memory_kib, _, parallelism) = self.hashing.cost();
        if memory_kib < 8 * parallelism {
            return Err(
                sources.refuse("hashing.memory_kib", "at least 8 for each lane of hashing.parallelism, such as 19456")
            );
        }
        Ok(())
    }

    /// The whole configuration as TOML, without its secrets.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("tables of texts, numbers and lists")
    }
}

impl Hashing {
    /// What one hash costs: memory in KiB, iterations and lanes. Where no number is set, it is the profile's.
    pub fn cost(&self) -> (u32, u32, u32) {
        let (memory_kib, iterations, parallelism) = self.profile.cost();
        let or = |set: u32, otherwise: u32| if set == 0 { otherwise } else { set };
        (or(self.memory_kib, memory_kib), or(self.iterations, iterations), or(self.parallelism, parallelism))
    }
}

impl DatabaseUrl {
    /// Whether this is the default, the one file whose directory is made.
    pub fn is_default(&self) -> bool {
        matches!(self, Self::Sqlite(path) if path == Path::new("data/tokensmith.db"))
    }
}

impl Setting for DatabaseUrl {
    const EXPECTED: &'static str = "sqlite://PATH such as sqlite://data/tokensmith.db, without a part after '?', or \
        postgres://USER:PASSWORD@HOST/DATABASE; in a password write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25";
    const IS_SECRET: bool = true;

    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}
