//! A write of the test's own, which all others wait for.

use sqlx::{ConnectOptions, Connection, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{Backend, Database};

/// Holds what every write of a project takes first.
pub enum Holder {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Holder {
    pub async fn of(database: &Database, backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => {
                let mut connection = SqliteConnectOptions::new().filename(database.path()).connect().await.unwrap();
                sqlx::raw_sql("begin immediate").execute(&mut connection).await.unwrap();
                Self::Sqlite(connection)
            }
            Backend::Postgres => {
                let mut connection = database.postgres().await;
                sqlx::raw_sql("begin; select 1 from projects for update").execute(&mut connection).await.unwrap();
                Self::Postgres(connection)
            }
        }
    }

    pub async fn let_go(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await.unwrap(),
            Self::Postgres(connection) => connection.close().await.unwrap(),
        }
    }
}
