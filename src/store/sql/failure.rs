//! What a failed statement means: a refusal of ours, a store that is away, or a fault.

use tokio::time::error::Elapsed;

use crate::{error::Error, store::explain::Explained};

/// Why a block of statements did not reach its commit. Nothing of it stays.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The domain's answer.
    Refused(Error),
    /// The database's.
    Sql(sqlx::Error),
    /// The time was up.
    Late(Elapsed),
    /// The time was up before there was a connection, and the database answered others meanwhile.
    Busy,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Elapsed> for Failure {
    fn from(elapsed: Elapsed) -> Self {
        Self::Late(elapsed)
    }
}

impl Failure {
    /// The failure in the words of the crate, for those who must speak them.
    pub(crate) fn into_sqlx(self) -> sqlx::Error {
        match self {
            Self::Sql(error) => error,
            refused => sqlx::Error::Configuration(refused.into_error().into()),
        }
    }

    /// The failure in the domain's words.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Refused(error) => error,
            Self::Late(elapsed) => Error::StoreAway(elapsed.into()),
            Self::Busy => Error::Overloaded,
            Self::Sql(error) => match meaning(&error) {
                Meaning::Conflict | Meaning::Broken | Meaning::Away => Error::StoreAway(Explained::from(error).into()),
                Meaning::Fault => Error::Internal(Explained::from(error).into()),
            },
        }
    }
}

/// How often one operation may be begun again, and for what.
#[derive(Debug)]
pub(crate) struct Tries {
    conflicts: u32,
    broken: u32,
}

impl Tries {
    /// For an operation on a pool of so many connections: after a restart of the server all of them may have
    /// broken unnoticed, and each try takes one of them out of the pool.
    pub(crate) fn on_a_pool_of(connections: u32) -> Self {
        const CONFLICTS: u32 = 8;
        Self { conflicts: CONFLICTS, broken: connections }
    }

    /// Whether to try again after this failure: a few times after a conflict with another transaction, and until
    /// the pool holds only new connections after one that had broken.
    pub(crate) fn again(&mut self, failure: &Failure) -> bool {
        let Failure::Sql(error) = failure else { return false };
        let left = match meaning(error) {
            Meaning::Conflict => &mut self.conflicts,
            Meaning::Broken => &mut self.broken,
            Meaning::Away | Meaning::Fault => return false,
        };
        let again = *left > 0;
        *left = left.saturating_sub(1);
        again
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Another transaction was in the way; the whole one may be run again.
    Conflict,
    /// The connection was gone.
    Broken,
    /// The store cannot do it now.
    Away,
    /// It should not have happened.
    Fault,
}

fn meaning(error: &sqlx::Error) -> Meaning {
    match error {
        sqlx::Error::Database(database) => match database.code() {
            Some(code) if code.len() == 5 => meaning_of_sqlstate(&code),
            Some(code) => code.parse().map_or(Meaning::Fault, meaning_of_sqlite),
            None => Meaning::Fault,
        },
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            Meaning::Broken
        }
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::BeginFailed => Meaning::Away,
        // The crate's enum is open; what is left is about statements and rows, and what it may grow is unknown.
        _ => Meaning::Fault,
    }
}

/// PostgreSQL's appendix A, "PostgreSQL Error Codes".
fn meaning_of_sqlstate(code: &str) -> Meaning {
    match code {
        // serialization_failure, deadlock_detected
        "40001" | "40P01" => Meaning::Conflict,
        // admin_shutdown, crash_shutdown, cannot_connect_now, idle_session_timeout,
        // idle_in_transaction_session_timeout, transaction_timeout
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" => Meaning::Broken,
        // query_canceled (statement_timeout), lock_not_available, read_only_sql_transaction (a demoted primary)
        "57014" | "55P03" | "25006" => Meaning::Away,
        // connection_exception; insufficient_resources, which is disk, memory and connections
        _ if code.starts_with("08") => Meaning::Broken,
        _ if code.starts_with("53") => Meaning::Away,
        _ => Meaning::Fault,
    }
}

/// SQLite's "Result and Error Codes"; the lowest byte of an extended code is its primary one.
fn meaning_of_sqlite(code: u32) -> Meaning {
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    const READONLY: u32 = 8;
    const IOERR: u32 = 10;
    const FULL: u32 = 13;
    const CANTOPEN: u32 = 14;
    match code & 0xff {
        BUSY | LOCKED | READONLY | IOERR | FULL | CANTOPEN => Meaning::Away,
        _ => Meaning::Fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_their_manuals_say() {
        assert_eq!(meaning_of_sqlstate("40P01"), Meaning::Conflict);
        assert_eq!(meaning_of_sqlstate("57P01"), Meaning::Broken);
        assert_eq!(meaning_of_sqlstate("57P05"), Meaning::Broken);
        assert_eq!(meaning_of_sqlstate("53300"), Meaning::Away);
        assert_eq!(meaning_of_sqlstate("42P01"), Meaning::Fault);
        assert_eq!(meaning_of_sqlite(5), Meaning::Away);
        assert_eq!(meaning_of_sqlite(1032), Meaning::Away);
        assert_eq!(meaning_of_sqlite(2067), Meaning::Fault);
    }

    #[test]
    fn as_many_broken_connections_are_passed_over_as_the_pool_can_hold() {
        let mut tries = Tries::on_a_pool_of(2);
        let broken = Failure::Sql(sqlx::Error::WorkerCrashed);

        assert!(tries.again(&broken));
        assert!(tries.again(&broken));
        assert!(!tries.again(&broken));
        assert!(!tries.again(&Failure::Refused(Error::TokenNotFound)));
    }
}
