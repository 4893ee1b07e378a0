//! Clients that are made from Twilio's, and Twilio's own, through the plain base `/2010-04-01` and more than one page.

use std::{process::Command, time::Duration};

use reqwest::Client;
use rstest::rstest;
use tempfile::TempDir;

use super::{client, node_modules, proxy, python, sources, witness};
use crate::support::{Backend, Binary, Certificates, Operator, Project, program};

const CUSTOMERS: usize = 120;

/// Makes the subprojects that the clients page through.
async fn customers(server: &Binary, project: &Project) {
    let client = Client::builder().no_proxy().build().unwrap();
    for n in 0..CUSTOMERS {
        let made = client
            .post(server.url("/2010-04-01/Accounts"))
            .basic_auth(project.id, Some(&project.secret))
            .form(&[("FriendlyName", format!("Customer {n}"))]);
        assert_eq!(made.send().await.unwrap().status(), 201);
    }
}

/// Runs a client's program behind a proxy without a rewrite rule.
async fn run(backend: Backend, prefix: &str, program: impl FnOnce(&TempDir, &Project) -> Command) {
    let operator = Operator::migrated(backend).await;
    let project = operator.project("Ours");
    let server = operator.serve();
    customers(&server, &project).await;
    let certificates = Certificates::new();
    let proxy = proxy(&server, &certificates);
    let directory = TempDir::new().unwrap();

    let mut command = program(&directory, &project);
    command
        .env("NODE_EXTRA_CA_CERTS", certificates.authority())
        .env("REQUESTS_CA_BUNDLE", certificates.authority())
        .env("SIGNALWIRE_SPACE_URL", proxy.address())
        .env("CUSTOMERS", CUSTOMERS.to_string());
    let witnessed = witness(Duration::from_secs(120), &mut command);

    assert!(witnessed.len() > 5, "{witnessed:?}");
    assert!(witnessed.iter().all(|line| line.starts_with(prefix)), "{witnessed:?}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn clients_for_node_need_no_rewrite_rule(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values("@signalwire/compatibility-api", "@signalwire/node", "twilio")] package: &str,
) {
    let (node, modules) = (program("node", "nodejs"), node_modules());
    run(backend, "node: ", |directory, project| {
        let mut command = client(&node, directory, project);
        command.env("NODE_PATH", modules).env("CLIENT", package).arg(sources("node").join("twilio.cjs"));
        command
    })
    .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn clients_for_python_need_no_rewrite_rule(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values("signalwire", "twilio")] package: &str,
) {
    let python = python(package);
    run(backend, "python: ", |directory, project| {
        let mut command = client(&python, directory, project);
        // Else it leaves compiled files beside the sources.
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("CLIENT", package).arg(sources("twilio").join("accounts.py"));
        command
    })
    .await;
}
