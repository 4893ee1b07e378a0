//! A tester that knows only our OpenAPI document: it asks what the document allows and what it forbids, and holds every
//! answer to it.

use std::{fs, time::Duration};

use rstest::rstest;
use tempfile::TempDir;

use super::{client, python, sources, witness};
use crate::support::{Backend, Operator};

const CONFIGURATION: &str = "schemathesis.toml";

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_what_the_openapi_document_says(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let python = python("schemathesis");
    let operator = Operator::migrated(backend).await;
    let project = operator.project("Ours");
    let server = operator.serve();
    let directory = TempDir::new().unwrap();
    fs::copy(sources("schemathesis").join(CONFIGURATION), directory.path().join(CONFIGURATION)).unwrap();
    fs::write(directory.path().join("project.dict"), format!("\"{}\"\n", project.id)).unwrap();

    let mut command = client(&python, &directory, &project);
    command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCHEMATHESIS_HOOKS", sources("schemathesis").join("hooks.py"))
        .env("OWN_TOKEN_ID", &project.token_id)
        .args(["-m", "schemathesis.cli", "--config-file", CONFIGURATION, "run", "--no-color"])
        .arg(server.url("/openapi.json"));
    let said = witness(Duration::from_secs(300), &mut command);

    assert!(said.iter().any(|line| line.contains("passed")), "{said:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openapi_document_is_valid_openapi_3_1() {
    let python = python("schemathesis");
    let operator = Operator::migrated(Backend::Sqlite).await;
    let project = operator.project("Ours");
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("openapi.json"), operator.run(&["openapi"]).done()).unwrap();

    let mut command = client(&python, &directory, &project);
    let said = witness(Duration::from_secs(60), command.args(["-m", "openapi_spec_validator", "openapi.json"]));

    assert_eq!(said, ["openapi.json: OK"]);
}
