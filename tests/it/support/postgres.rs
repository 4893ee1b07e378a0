//! The throw-away Postgres of this test run. `scripts/test` starts it and names it in the environment; under a
//! plain `cargo test` the same script is started from here, and ends when this process does.

use std::sync::OnceLock;

use sqlx::{
    ConnectOptions, Connection, Executor,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::Cluster;

const URL: &str = "TOKENSMITH_TEST_POSTGRES_URL";

/// Never dropped: the script's stdin stays open for as long as this process lives; when it closes, the script ends the cluster.
static CLUSTER: OnceLock<(String, Option<Cluster>)> = OnceLock::new();

/// The address of the cluster's own database, with the right to make others.
pub fn url() -> &'static str {
    let (url, _) = CLUSTER.get_or_init(|| match std::env::var(URL) {
        Ok(url) => (url, None),
        Err(_) => {
            let cluster = Cluster::start();
            (cluster.url.clone(), Some(cluster))
        }
    });
    url
}

/// Runs one statement in the cluster's own database.
pub async fn execute(statement: String) {
    let mut connection = options(None).connect().await.expect("the test cluster is up");
    connection.execute(sqlx::AssertSqlSafe(statement)).await.expect("the statement is right");
    connection.close().await.unwrap();
}

/// How to connect to a database of the cluster.
pub fn options(database: Option<&str>) -> PgConnectOptions {
    // A developer's PGSSLMODE must not ask TLS of a socket.
    let options = url().parse::<PgConnectOptions>().unwrap().ssl_mode(PgSslMode::Disable);
    match database {
        Some(database) => options.database(database),
        None => options,
    }
}

/// The address of a database of the cluster, as an operator would write it.
pub fn url_of(database: &str) -> String {
    let mut url = url::Url::parse(url()).unwrap();
    url.set_path(database);
    url.into()
}
