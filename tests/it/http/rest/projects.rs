//! The project calls of the REST API.

use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use tokensmith::{
    domain::ProjectId,
    service::{Key, Keys, Sealer},
};

use super::{NOW, assert_failed, assert_said, without};
use crate::support::{Answer, App, Backend, Options, Project};

const PROJECTS: &str = "/api/projects";

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_subproject_lives_from_its_signing_key_to_its_end(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();

    let body = json!({ "name": " Staging ", "protect_fax_media": true });
    let made = app.send(Method::POST, PROJECTS, &root, body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let key = made.json()["signing_key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("PSK_") && key.len() == 36, "{key}");
    let expected = json!({
        "id": id,
        "name": "Staging",
        "parent_project_id": root.id,
        "subproject": true,
        "region_preference": "us",
        "protect_recordings": false,
        "protect_message_media": false,
        "protect_fax_media": true,
        "force_https_requests": false,
        "created_at": NOW,
        "updated_at": NOW,
    });
    assert_eq!(without(&made.json(), &["signing_key"]), expected);
    assert_eq!(unsealed(&app, &id).await, key);

    let path = format!("{PROJECTS}/{id}");
    assert_eq!(app.fetch(&path, &root).await.json(), expected);
    let changed = app.send(Method::PATCH, &path, &root, json!({ "force_https_requests": true })).await;
    assert_eq!(changed.status, 200);
    assert_eq!((&changed.json()["force_https_requests"], &changed.json()["name"]), (&json!(true), &json!("Staging")));
    assert_eq!(app.send(Method::PATCH, &path, &root, json!({})).await.json(), changed.json());

    let rotate = format!("{path}/signing-key/rotate");
    let rotated = Answer::to(app.authorized(Method::POST, &rotate, &root)).await;
    let new = rotated.json()["signing_key"].as_str().unwrap().to_owned();
    assert_eq!(rotated.status, 200);
    assert_ne!(new, key);
    assert_eq!(unsealed(&app, &id).await, new);

    let body = json!({ "name": "n", "permissions": ["management"], "subproject_id": id });
    let issued = app.send(Method::POST, "/api/project/tokens", &root, body).await.json();
    let (subproject, secret) = (ProjectId::parse(&id).unwrap(), issued["token"].as_str().unwrap());
    assert!(app.manages(subproject, secret).await);
    let gone = Answer::to(app.authorized(Method::DELETE, &path, &root)).await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    assert!(!app.manages(subproject, secret).await, "its tokens die with it");
    assert_said(&Answer::to(app.authorized(Method::DELETE, &path, &root)).await, 404, "deleted twice");
    assert_said(&app.fetch(&path, &root).await, 404, "gone");
    app.stop().await;
}

/// The signing key as it rests in the database.
async fn unsealed(app: &App, id: &str) -> String {
    let project = ProjectId::parse(id).unwrap();
    let sealed = app.database.signing_key(project).await.unwrap();
    let sealer = Sealer::new(&Keys::new(Some(Key::new([7; 32])), Vec::new()));
    sealer.open(project, &sealed).unwrap().reveal().to_string()
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_subprojects_token_acts_on_its_own_project_alone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let child = app.subproject("Child").await;
    let own = format!("{PROJECTS}/{}", child.id);

    let nested = app.send(Method::POST, PROJECTS, &child, json!({ "name": "Grandchild" })).await;
    assert_failed(&nested, &[("nested_subprojects_not_allowed", None)], "a subproject of a subproject");
    for (caller, path) in [(&child, own.clone()), (&root, format!("{PROJECTS}/{}", root.id))] {
        let answer = Answer::to(app.authorized(Method::DELETE, &path, caller)).await;
        assert_failed(&answer, &[("only_subprojects_can_be_deleted", None)], &path);
    }
    assert_eq!(app.send(Method::PATCH, &own, &child, json!({ "name": "Mine" })).await.json()["name"], "Mine");
    let rotated = Answer::to(app.authorized(Method::POST, &format!("{own}/signing-key/rotate"), &child)).await;
    assert_eq!(rotated.status, 200);
    let listed = app.fetch(PROJECTS, &child).await.json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    assert_eq!(listed["data"][0]["id"], child.id.to_string());
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn every_field_that_failed_has_an_entry(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let before = app.database.rows().await;

    for (body, expected) in [
        (json!({}), vec![("missing_required_parameter", "name")]),
        (json!({ "name": "" }), vec![("invalid_parameter", "name")]),
        (json!({ "name": "x".repeat(251) }), vec![("invalid_parameter", "name")]),
        (
            json!({ "name": [], "protect_recordings": "true", "protect_message_media": null, "force_https_requests": 1 }),
            vec![
                ("invalid_parameter", "name"),
                ("invalid_parameter", "protect_recordings"),
                ("invalid_parameter", "protect_message_media"),
                ("invalid_parameter", "force_https_requests"),
            ],
        ),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|(code, field)| (code, Some(field))).collect();
        assert_failed(&app.send(Method::POST, PROJECTS, &root, body.clone()).await, &expected, &body.to_string());
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_absolute_where_someone_who_knows_has_said_the_address() {
    let first = |answer: &Answer| answer.json()["links"]["first"].as_str().unwrap().to_owned();
    let forwarded = |app: &App, project: &Project, host: &'static str| {
        let request = app.authorized(Method::GET, PROJECTS, project);
        Answer::to(request.header("x-forwarded-proto", "https").header("x-forwarded-host", host))
    };
    let path = "/api/projects?page_number=0&page_size=50";

    let plain = App::start(Backend::Sqlite).await;
    assert_eq!(first(&forwarded(&plain, &plain.root, "evil.example").await), path);

    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let proxied = App::start_with(Backend::Sqlite, Options { trusted_proxies, ..Options::default() }).await;
    let said = first(&forwarded(&proxied, &proxied.root, "api.example.com:8443").await);
    assert_eq!(said, format!("https://api.example.com:8443{path}"));
    for host in ["a.example, b.example", "user@a.example", "a.example/x", ""] {
        assert_eq!(first(&forwarded(&proxied, &proxied.root, host).await), path, "{host}");
    }

    let public_url = "https://tokens.example.com".to_owned();
    let named = App::start_with(Backend::Sqlite, Options { public_url, ..Options::default() }).await;
    let said = first(&forwarded(&named, &named.root, "evil.example").await);
    assert_eq!(said, format!("https://tokens.example.com{path}"));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_project_with_all_its_subprojects_says_so(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start_with(backend, Options { subprojects_per_project: 1, ..Options::default() }).await;
    let root = app.root.clone();
    let child = app.subproject("The one").await;

    let full = app.send(Method::POST, PROJECTS, &root, json!({ "name": "One too many" })).await;
    let nested = app.send(Method::POST, PROJECTS, &child, json!({ "name": "Grandchild" })).await;
    let renamed =
        app.send(Method::PATCH, &format!("{PROJECTS}/{}", child.id), &root, json!({ "name": "Renamed" })).await;

    assert_failed(&full, &[("subproject_limit_reached", None)], "full");
    assert_failed(&nested, &[("nested_subprojects_not_allowed", None)], "nested");
    assert_eq!(renamed.status, 200);
    assert_eq!(app.database.count("select count(*) from projects").await, 2);
    app.stop().await;
}
