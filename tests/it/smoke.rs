//! The shortest way through the house, on both databases.

use reqwest::Method;
use rstest::rstest;

use crate::support::{App, Backend};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_issued_used_and_revoked(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();

    let (id, secret) = app.issue(&root, &["management"]).await;
    assert!(app.manages(root.id, &secret).await);

    let path = format!("/Accounts/{}/tokens/{id}", root.id);
    let deleted = app.compatibility(Method::DELETE, &root, &path).send().await.unwrap();
    assert_eq!(deleted.status(), 204);
    assert!(!app.manages(root.id, &secret).await);
    app.stop().await;
}
