//! What only the operator asks of a store: ids by their beginning, the one root, and what a server was started with.

use rstest::rstest;
use tokensmith::{
    clock::Timestamp,
    domain::{Actor, IdPrefix, Project, ProjectId, Token},
    store::TokenRows,
};

use super::{contract::rows_for, name};
use crate::support::{Backend, Database, catalogue};

const NOW: Timestamp = Timestamp::from_micros(1_795_494_884_000_000);

fn id(text: &str) -> ProjectId {
    ProjectId::parse(text).unwrap()
}

fn prefix(text: &str) -> IdPrefix {
    IdPrefix::parse(text).unwrap()
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn rows_are_found_by_the_beginning_of_their_ids(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let database = Database::migrated(backend).await;
    let store = database.open(catalogue());
    let ids = ["0a1b2c3d-0000-4000-8000-000000000000", "0a1b2c3d-ffff-ffff-ffff-ffffffffffff"];
    for (number, text) in [ids[0], ids[1], "0a1b2c3e-0000-4000-8000-000000000000"].into_iter().enumerate() {
        let project = Project::new(id(text), name(&format!("project {number}")), None, NOW);
        let (token, secret) = rows_for(project.id);
        let token = Token { id: project.id.as_uuid().into(), ..token };
        let rows = TokenRows { token: &token, secret: &secret };
        store.create_project(Actor::Operator, &project, Some(rows), None, 1000).await.unwrap();
    }

    for (begun, found) in [
        ("0a1b2c3d", &ids[..]),
        ("0a1b2c3d-0", &ids[..1]),
        ("0A1B2C3D-FFFF-FFFF-FFFF-FFFFFFFFFFFF", &ids[1..]),
        ("0a1b2c3c", &[]),
    ] {
        let projects = store.find_projects_beginning(prefix(begun), 10).await.unwrap();
        let tokens = store.find_tokens_beginning(prefix(begun), 10).await.unwrap();

        assert_eq!(projects.iter().map(|project| project.id.to_string()).collect::<Vec<_>>(), found, "{begun}");
        assert_eq!(tokens.iter().map(|token| token.id.to_string()).collect::<Vec<_>>(), found, "{begun}");
    }
    assert_eq!(store.find_projects_beginning(prefix("0a1b2c3d"), 1).await.unwrap().len(), 1);
    assert_eq!(store.find_tokens_beginning(prefix("0a1b2c3d"), 1).await.unwrap().len(), 1);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_only_root_is_found_and_of_two_neither(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let database = Database::migrated(backend).await;
    let store = database.open(catalogue());
    let root = id("0a1b2c3d-0000-4000-8000-000000000000");
    let make = async |text: &str, parent| {
        let project = Project::new(id(text), name("x"), parent, NOW);
        store.create_project(Actor::Operator, &project, None, None, 1000).await.unwrap();
    };

    assert_eq!(store.find_only_root().await.unwrap(), None);
    make("0a1b2c3d-0000-4000-8000-000000000000", None).await;
    make("0a1b2c3d-0000-4000-8000-000000000001", Some(root)).await;
    assert_eq!(store.find_only_root().await.unwrap(), Some(root));
    make("0a1b2c3d-0000-4000-8000-000000000002", None).await;
    assert_eq!(store.find_only_root().await.unwrap(), None);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_last_catalogue_is_kept_and_the_one_before_returned(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = Database::migrated(backend).await;
    let store = database.open(catalogue());

    assert_eq!(store.find_catalogue().await.unwrap(), None);
    assert_eq!(store.replace_catalogue("a b", NOW).await.unwrap(), None);
    assert_eq!(store.replace_catalogue("a b", NOW).await.unwrap().as_deref(), Some("a b"));
    assert_eq!(store.replace_catalogue("c", NOW).await.unwrap().as_deref(), Some("a b"));
    assert_eq!(store.find_catalogue().await.unwrap().as_deref(), Some("c"));
    assert_eq!(database.count("select count(*) from settings").await, 1);
}
