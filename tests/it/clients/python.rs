//! SignalWire's Python SDK against the plain listener: it speaks plain HTTP to a loopback address.

use std::time::Duration;

use rstest::rstest;
use tempfile::TempDir;

use super::{client, python, sources, witness};
use crate::support::{Backend, Operator};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_official_python_sdk_cannot_tell_the_difference(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values("tokens", "projects", "errors")] program: &str,
) {
    let python = python("python");
    let operator = Operator::migrated(backend).await;
    let project = operator.project("Ours");
    let server = operator.serve();
    let directory = TempDir::new().unwrap();

    let mut command = client(&python, &directory, &project);
    // Else it leaves compiled files beside the sources.
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("SIGNALWIRE_SPACE", &server.address);
    let witnessed = witness(Duration::from_secs(120), command.arg(sources("python").join(format!("{program}.py"))));

    assert!(witnessed.len() > 5, "{witnessed:?}");
    assert!(witnessed.iter().all(|line| line.starts_with("python: ")), "{witnessed:?}");
}
