//! The address of the store.

use std::{fmt, path::PathBuf, str::FromStr};

use percent_encoding::percent_decode_str;
use serde::{Serialize, Serializer};
use sqlx::postgres::PgConnectOptions;

/// Where the store is. Prints without a password and without parameters, which may hold one.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// One file.
    Sqlite(PathBuf),
    /// A Postgres server.
    Postgres(Box<PgConnectOptions>),
}

impl DatabaseUrl {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")) {
            // Parts of such a password would count as the host, the port or the database, and be printed.
            if seems_cut(rest) {
                return None;
            }
            return PgConnectOptions::from_str(text).ok().map(|options| Self::Postgres(Box::new(options)));
        }
        let path = text.strip_prefix("sqlite:")?;
        let path = path.strip_prefix("//").unwrap_or(path);
        let path = percent_decode_str(path).decode_utf8().ok()?;
        // A database in memory would forget every token at the end, and each connection would have its own.
        let is_file = !path.is_empty() && !path.contains([':', '?', '\0']) && !path.ends_with('/');
        is_file.then(|| Self::Sqlite(PathBuf::from(path.into_owned())))
    }
}

/// Whether the text behind the scheme holds `#`, or `@` in the path or in a parameter that cannot hold one: where a
/// password holds `/`, `?` or `#`, the user and the host seem to end there.
fn seems_cut(rest: &str) -> bool {
    const MAY_HOLD_ONE: [&str; 3] = ["user", "password", "application_name"];
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (path, parameters) = rest[end..].split_once('?').unwrap_or((&rest[end..], ""));
    let is_strange = |parameter: &str| {
        let name = parameter.split('=').next().unwrap_or_default();
        parameter.contains('@') && !MAY_HOLD_ONE.contains(&name)
    };
    rest.contains('#') || path.contains('@') || parameters.split('&').any(is_strange)
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(options) => {
                let database = options.get_database().unwrap_or_default();
                let user = options.get_username();
                match options.get_socket() {
                    Some(socket) => write!(f, "postgres://{user}@{}/{database}", socket.display()),
                    None => write!(f, "postgres://{user}@{}:{}/{database}", options.get_host(), options.get_port()),
                }
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_read_and_shown_without_a_password() {
        for (text, shown) in [
            ("sqlite://data/tokensmith.db", "sqlite://data/tokensmith.db"),
            ("sqlite:///var/lib/t.db", "sqlite:///var/lib/t.db"),
            ("sqlite:t.db", "sqlite://t.db"),
            ("postgres://me:hunter2@db.example:6432/tokens?sslmode=require", "postgres://me@db.example:6432/tokens"),
            ("postgresql://me@localhost/tokens?host=/run/pg&password=hunter2", "postgres://me@/run/pg/tokens"),
        ] {
            let url = DatabaseUrl::parse(text).unwrap();

            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
        }
    }

    #[test]
    fn a_password_that_would_be_cut_is_refused_and_an_encoded_one_is_not() {
        for password in ["12/x@y", "12?x", "12#x", "x@y/z", "x@y?z", "x@y?z=1", "x@y#z", "12?x=1"] {
            let url = format!("postgres://me:{password}@db.example/tokens");

            assert!(DatabaseUrl::parse(&url).is_none(), "{url}");
        }
        for password in ["x%40y", "x%2Fy%3Fz%23", "x@y", "x:y"] {
            let url =
                DatabaseUrl::parse(&format!("postgres://me:{password}@db.example/tokens?sslmode=require")).unwrap();

            assert_eq!(url.to_string(), "postgres://me@db.example:5432/tokens");
        }
        assert!(DatabaseUrl::parse("postgres://localhost/tokens?user=me&password=x@y").is_some());
    }

    #[test]
    fn what_forgets_or_is_unclear_is_refused() {
        for text in
            ["", "sqlite::memory:", "sqlite://", "sqlite://t.db?mode=rwc", "mysql://x/y", "t.db", "sqlite://dir/"]
        {
            assert!(DatabaseUrl::parse(text).is_none(), "{text}");
        }
    }
}
