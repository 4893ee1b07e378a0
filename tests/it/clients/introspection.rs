//! OAuth libraries that look tokens up, with what they do by default.

use std::time::Duration;

use rstest::rstest;
use tempfile::TempDir;

use super::{client, node_modules, proxy, sources, witness};
use crate::support::{Backend, Certificates, Operator, program};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn oauth_libraries_introspect_with_their_defaults(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
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
    let witnessed = witness(Duration::from_secs(60), command.arg(sources("node").join("introspection.cjs")));

    assert_eq!(witnessed.len(), 7, "{witnessed:?}");
}
