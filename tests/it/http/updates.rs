//! What updates and creations share, whatever they are of.

use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use super::assert_refused;
use crate::support::{Answer, App, Backend, COMPATIBILITY, Options};

/// PHP writes its empty array as `[]`, also where it means an empty object.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_update_with_an_empty_list_changes_nothing(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let child = app.subproject("Child").await;
    let before = app.database.rows().await;

    for path in [
        format!("/api/project/tokens/{}", root.token_id),
        format!("/api/projects/{}", child.id),
        root.token(&root.token_id),
        format!("{}.json", root.token(&child.token_id)),
    ] {
        for body in ["[]", " [\r\n\t] "] {
            let sent = |body: &'static str| {
                let request = app.authorized(Method::PATCH, &path, &root).header("content-type", "application/json");
                Answer::to(request.body(body))
            };
            let (list, object) = (sent(body).await, sent("{}").await);

            assert_eq!((list.status, list.text), (200, object.text), "{path} {body:?}");
        }
    }
    // An account's update must say a name.
    let account = app.authorized(Method::POST, &format!("{COMPATIBILITY}/Accounts/{}", child.id), &root);
    let answer = Answer::to(account.header("content-type", "application/json").body("[]")).await;
    assert_refused(&answer, 422, 20002, "an account without a name");

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

/// RFC 9110, section 15.3.2.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_created_has_a_location(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let public_url = "https://tokens.example.com/behind".to_owned();
    for base in ["", public_url.as_str()] {
        let mut app = App::start_with(backend, Options { public_url: base.to_owned(), ..Options::default() }).await;
        let root = app.root.clone();

        let project = app.send(Method::POST, "/api/projects", &root, json!({ "name": "Made" })).await;
        let path = format!("/api/projects/{}", project.json()["id"].as_str().unwrap());
        assert_eq!((project.status, project.header("location")), (201, Some(format!("{base}{path}").as_str())));
        assert_eq!(app.fetch(&path, &root).await.json()["name"], "Made");

        // Addresses of the compatibility API are paths.
        for accounts in ["/Accounts", "/Accounts.json"].map(|path| format!("{COMPATIBILITY}{path}")) {
            let account = app.send(Method::POST, &accounts, &root, json!({ "FriendlyName": "Made" })).await;
            let body = account.json();
            assert_eq!((account.status, account.header("location")), (201, body["uri"].as_str()));
            assert_eq!(app.fetch(body["uri"].as_str().unwrap(), &root).await.json()["sid"], body["sid"]);
        }
        app.stop().await;
    }
}
