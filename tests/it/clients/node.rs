//! SignalWire's client for its compatibility API. It insists on https, so it comes by way of a reverse proxy.

use std::time::Duration;

use rstest::rstest;
use tempfile::TempDir;

use super::{client, node_modules, proxy, sources, witness};
use crate::support::{Backend, Certificates, Operator, program};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_official_node_client_cannot_tell_the_difference(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values("accounts", "errors")] name: &str,
) {
    let (node, modules) = (program("node", "nodejs"), node_modules());
    let operator = Operator::migrated(backend).await;
    let project = operator.project("Ours");
    let server = operator.serve();
    let certificates = Certificates::new();
    let proxy = proxy(&server, &certificates);
    let directory = TempDir::new().unwrap();

    let mut command = client(&node, &directory, &project);
    command
        .env("NODE_PATH", modules)
        .env("NODE_EXTRA_CA_CERTS", certificates.authority())
        .env("SIGNALWIRE_SPACE_URL", proxy.address());
    let witnessed = witness(Duration::from_secs(120), command.arg(sources("node").join(format!("{name}.cjs"))));

    assert!(witnessed.len() > 5, "{witnessed:?}");
    assert!(witnessed.iter().all(|line| line.starts_with("node: ")), "{witnessed:?}");
}
