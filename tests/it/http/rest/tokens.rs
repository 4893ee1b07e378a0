//! The token calls of the REST API.

use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use super::{NOW, assert_failed, assert_said, without};
use crate::support::{Answer, App, Backend};

const TOKENS: &str = "/api/project/tokens";

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_token_lives_from_its_secret_to_its_end(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();

    let body = json!({ "name": " Deploy ", "permissions": ["management", "chat", "chat"], "extra": 1 });
    let issued = app.send(Method::POST, TOKENS, &root, body).await;
    assert_eq!(issued.status, 200, "{}", issued.text);
    let secret = issued.json()["token"].as_str().unwrap().to_owned();
    let id = issued.json()["id"].as_str().unwrap().to_owned();
    let expected = json!({
        "name": "Deploy",
        "permissions": ["chat", "management"],
        "project_id": root.id,
        "hint": &secret[..10],
        "created_at": NOW,
        "updated_at": NOW,
        "created_by": root.token_id,
    });
    assert_eq!(without(&issued.json(), &["id", "token"]), expected);
    assert!(app.manages(root.id, &secret).await);

    let path = format!("{TOKENS}/{id}");
    let shown = app.fetch(&path, &root).await;
    assert_eq!((shown.status, without(&shown.json(), &["id"])), (200, expected.clone()));

    let changed = app.send(Method::PATCH, &path, &root, json!({ "permissions": ["fax"] })).await;
    assert_eq!(changed.status, 200);
    assert_eq!(changed.json()["token"], "redacted");
    assert_eq!((&changed.json()["name"], &changed.json()["permissions"]), (&json!("Deploy"), &json!(["fax"])));
    assert!(!app.manages(root.id, &secret).await);
    let same = app.send(Method::PATCH, &path, &root, json!({})).await;
    assert_eq!((same.status, same.json()), (200, changed.json()));

    let gone = Answer::to(app.authorized(Method::DELETE, &path, &root)).await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    let twice = Answer::to(app.authorized(Method::DELETE, &path, &root)).await;
    assert_said(&twice, 404, "deleted twice");
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn every_field_that_failed_has_an_entry(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let child = app.subproject("Child").await;
    let stranger = app.project("Stranger", None).await;
    let before = app.database.rows().await;

    let name = |code| (code, Some("name"));
    let permissions = ("invalid_auth_token_permissions", Some("permissions"));
    let subproject = ("invalid_subproject_id", Some("subproject_id"));
    let cases = vec![
        (json!({}), vec![name("missing_required_parameter"), permissions]),
        (json!({ "name": " ", "permissions": [] }), vec![name("invalid_parameter"), permissions]),
        (
            json!({ "name": null, "permissions": null, "subproject_id": 7 }),
            vec![
                name("invalid_parameter"),
                ("invalid_parameter", Some("permissions")),
                ("invalid_parameter", Some("subproject_id")),
            ],
        ),
        (
            json!({ "name": 7, "permissions": ["swim"], "subproject_id": "x", "expires_in": 60, "disabled": false }),
            vec![
                name("invalid_parameter"),
                permissions,
                subproject,
                ("invalid_parameter", Some("expires_in")),
                ("invalid_parameter", Some("disabled")),
            ],
        ),
        (
            json!({ "name": ["a"], "permissions": "chat" }),
            vec![name("invalid_parameter"), ("invalid_parameter", Some("permissions"))],
        ),
        (json!({ "name": "a\u{7}b", "permissions": ["chat"] }), vec![name("invalid_parameter")]),
        (json!({ "name": "x".repeat(251), "permissions": ["chat"] }), vec![name("invalid_parameter")]),
        (json!({ "name": "n", "permissions": ["chat"], "subproject_id": stranger.id }), vec![subproject]),
        (json!({ "name": "n", "permissions": ["chat"], "subproject_id": root.id }), vec![subproject]),
    ];
    for (body, expected) in cases {
        let answer = app.send(Method::POST, TOKENS, &root, body.clone()).await;

        assert_failed(&answer, &expected, &body.to_string());
    }
    let path = format!("{TOKENS}/{}", child.token_id);
    for text in [json!(null), json!(""), json!("\t")] {
        let answer = app.send(Method::PATCH, &path, &root, json!({ "name": text, "permissions": [] })).await;
        assert_failed(&answer, &[name("invalid_parameter"), permissions], "a change of nothing valid");
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_root_lists_its_own_tokens_or_those_of_a_subproject_without_secrets(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let child = app.subproject("Child").await;
    let stranger = app.project("Stranger", None).await;
    let (id, _) = app.issue(&child, &["chat"]).await;

    let ids = |answer: &Answer| -> Vec<String> {
        let body = answer.json();
        assert!(body["data"].as_array().unwrap().iter().all(|token| token.get("token").is_none()), "{body}");
        body["data"].as_array().unwrap().iter().map(|token| token["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&app.fetch(TOKENS, &root).await), std::slice::from_ref(&root.token_id));
    let of_child = format!("{TOKENS}?subproject_id={}&name=issued", child.id);
    assert_eq!(ids(&app.fetch(&of_child, &root).await), [id]);
    assert_eq!(ids(&app.fetch(&format!("{TOKENS}?name=Issued"), &child).await), Vec::<String>::new());

    let invalid = [("invalid_subproject_id", Some("subproject_id"))];
    for other in [stranger.id.to_string(), root.id.to_string(), super::NOBODY.to_owned(), "x".to_owned()] {
        assert_failed(&app.fetch(&format!("{TOKENS}?subproject_id={other}"), &root).await, &invalid, &other);
    }
    let foreign = format!("{TOKENS}?page_size=0&subproject_id={}", stranger.id);
    let both = [invalid[0], ("invalid_parameter", Some("page_size"))];
    assert_failed(&app.fetch(&foreign, &root).await, &both, "every parameter that failed");
    assert_failed(&app.fetch(&format!("{TOKENS}?subproject_id=x&page_token=PA"), &root).await, &invalid, "no list");
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_is_full_says_so(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let options = crate::support::Options { tokens_per_project: 1, ..Default::default() };
    let mut app = App::start_with(backend, options).await;
    let root = app.root.clone();

    let answer = app.send(Method::POST, TOKENS, &root, json!({ "name": "n", "permissions": ["chat"] })).await;

    assert_failed(&answer, &[("token_limit_reached", None)], "full");
    app.stop().await;
}
