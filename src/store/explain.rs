//! What a database's error says to people: its own words, without the place in Postgres' source, and what to do about it.

use std::{error::Error as StdError, fmt};

/// A database's error.
#[derive(Debug)]
pub struct Explained(sqlx::Error);

impl From<sqlx::Error> for Explained {
    fn from(error: sqlx::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            // sqlx adds "at line 334", a line of the server's own source: https://github.com/launchbadge/sqlx/pull/4118
            sqlx::Error::Database(error) if error.code().is_some_and(|code| code.len() == SQLSTATE) => {
                write!(f, "error returned from database: {}", error.message())
            }
            error => error.fmt(f),
        }
    }
}

impl StdError for Explained {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

/// How long a code of Postgres is. Those of SQLite are shorter.
const SQLSTATE: usize = 5;

/// What the operator can do about a failure that lasts until somebody does something; `None` where there is no such
/// advice.
pub fn advice(error: &(dyn StdError + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(advice) = error.downcast_ref::<Explained>().and_then(|Explained(error)| advice_on(error)) {
            return Some(advice);
        }
        cause = error.source();
    }
    None
}

fn advice_on(error: &sqlx::Error) -> Option<&'static str> {
    match error {
        sqlx::Error::Database(error) => error.code().and_then(|code| advice_on_code(&code)),
        sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            Some("start the Postgres server, or correct the host and port in database.url")
        }
        _ => None,
    }
}

fn advice_on_code(code: &str) -> Option<&'static str> {
    match code {
        // insufficient_privilege
        "42501" => Some(
            "grant the role of database.url what it needs: the database or its schema for 'tokensmith migrate', and \
             select, insert, update and delete on all of its tables for everything else",
        ),
        // invalid_password, invalid_authorization_specification
        "28P01" | "28000" => Some("correct the user and the password in database.url"),
        // invalid_catalog_name
        "3D000" => Some("make the database with 'createdb', or correct its name in database.url"),
        _ if code.len() == SQLSTATE => None,
        _ => advice_on_sqlite(code.parse::<u32>().ok()? & 0xff),
    }
}

fn advice_on_sqlite(primary_code: u32) -> Option<&'static str> {
    const PERM: u32 = 3;
    const READONLY: u32 = 8;
    const CANTOPEN: u32 = 14;
    match primary_code {
        PERM | READONLY | CANTOPEN => Some(
            "this user must be able to read and write the database file and its directory: run the command as the user \
             that runs the server, or correct the owner of both",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_given_only_on_what_lasts() {
        for lasting in ["42501", "28P01", "28000", "3D000", "3", "8", "1032", "14", "526"] {
            assert!(advice_on_code(lasting).is_some(), "{lasting}");
        }
        for passing in ["40001", "57014", "53300", "42P01", "5", "261", "13", "10", "", "x"] {
            assert_eq!(advice_on_code(passing), None, "{passing}");
        }
    }

    #[test]
    fn advice_is_found_behind_other_errors() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let outer = crate::store::migrate::MigrateError::from(sqlx::Error::Io(refused));

        assert!(advice(&outer).is_some_and(|advice| advice.contains("start the Postgres server")));
        assert_eq!(advice(&fmt::Error), None);
    }
}
