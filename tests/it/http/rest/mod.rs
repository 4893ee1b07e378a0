//! The REST API: every route with every wrong credential, tree and method, and nothing beside them.

mod projects;
mod tokens;

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use super::{METHODS, NOBODY, allow, assert_common, credentials::wrong_credentials, routes::Routes, takes, with_head};
use crate::support::{Answer, App, Backend, Project};

/// What the fixed clock says.
const NOW: &str = "2026-11-24T04:34:44.000000Z";

/// Below `/api/project`.
pub(super) const TOKENS: Routes =
    &[("/tokens", &[Method::GET, Method::POST]), ("/tokens/{token}", &[Method::GET, Method::PATCH, Method::DELETE])];

/// Below `/api/projects`.
pub(super) const PROJECTS: Routes = &[
    ("", &[Method::GET, Method::POST]),
    ("/{project}", &[Method::GET, Method::PATCH, Method::DELETE]),
    ("/{project}/signing-key/rotate", &[Method::POST]),
];

/// An error in words, whole.
#[track_caller]
pub(super) fn assert_said(answer: &Answer, status: u16, case: &str) {
    assert_eq!(answer.status, status, "{case}: {}", answer.text);
    assert_common(answer, case);
    let body = answer.json();
    let reason = reqwest::StatusCode::from_u16(status).unwrap().canonical_reason().unwrap();
    assert_eq!(body["error"], reason, "{case}");
    assert_eq!(body["request_id"], answer.header("x-request-id").unwrap(), "{case}");
    let keys: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["error", "message", "request_id"], "{case}");
}

/// Fields that failed: code and attribute of each.
#[track_caller]
fn assert_failed(answer: &Answer, expected: &[(&str, Option<&str>)], case: &str) {
    assert_eq!(answer.status, 422, "{case}: {}", answer.text);
    assert_common(answer, case);
    let body = answer.json();
    let errors = body["errors"].as_array().unwrap();
    assert_eq!(body.as_object().unwrap().len(), 1, "{case}");
    let said: Vec<(&str, Option<&str>)> =
        errors.iter().map(|error| (error["code"].as_str().unwrap(), error["attribute"].as_str())).collect();
    assert_eq!(said, expected, "{case}");
    for error in errors {
        assert_eq!(error["type"], "validation_error", "{case}");
        assert_eq!(error["url"], format!("/docs#error-{}", error["code"].as_str().unwrap()), "{case}");
        assert!(!error["message"].as_str().unwrap().is_empty(), "{case}");
        assert_eq!(error.as_object().unwrap().len(), 5, "{case}");
    }
}

fn routes(project: &Project) -> Vec<(String, &'static [Method])> {
    let fill = |base: &str, path: &str| {
        format!("{base}{path}").replace("{project}", &project.id.to_string()).replace("{token}", &project.token_id)
    };
    let tokens = TOKENS.iter().map(|(path, methods)| (fill("/api/project", path), *methods));
    let projects = PROJECTS.iter().map(|(path, methods)| (fill("/api/projects", path), *methods));
    tokens.chain(projects).collect()
}

fn without(body: &Value, fields: &[&str]) -> Value {
    let mut body = body.clone();
    for field in fields {
        assert!(body.as_object_mut().unwrap().remove(*field).is_some(), "{field}");
    }
    body
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn every_route_refuses_every_credential_that_does_not_prove_management(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let child = app.subproject("Child").await;
    let stranger = app.project("Stranger", None).await;
    let credentials = wrong_credentials(&app, &root, &child, &stranger).await;
    let before = app.database.rows().await;

    let calls = routes(&root).into_iter().chain([("/api/project/nothing".to_owned(), &METHODS[..1])]);
    for (path, methods) in calls {
        for method in methods {
            for (case, authorization) in &credentials {
                let mut request = app.request(method.clone(), &path).json(&json!({}));
                if let Some(authorization) = authorization {
                    request = request.header("authorization", authorization);
                }
                let answer = Answer::to(request).await;

                assert_said(&answer, 401, &format!("{method} {path} with {case}"));
            }
        }
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_outside_the_callers_tree_is_404_whether_it_exists_or_not(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let child = app.subproject("Child").await;
    let sibling = app.subproject("Sibling").await;
    let stranger = app.project("Stranger", None).await;
    let strangers_child = app.project("Stranger's child", Some(stranger.id)).await;
    let id = tokensmith::domain::ProjectId::parse(NOBODY).unwrap();
    let nobody = Project { id, token_id: NOBODY.to_owned(), ..root.clone() };
    let before = app.database.rows().await;

    for (caller, others) in [
        (&root, vec![&stranger, &strangers_child, &nobody]),
        (&child, vec![&root, &sibling, &stranger, &strangers_child, &nobody]),
    ] {
        for other in others {
            for (path, methods) in routes(other).into_iter().filter(|(path, _)| path.contains('-')) {
                for method in methods {
                    let answer = app.send(method.clone(), &path, caller, json!({})).await;

                    assert_said(&answer, 404, &format!("{method} {path}"));
                }
            }
        }
    }
    for id in ["x", "{0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d}", "0a1b2c3d4e5f4a6b8c7d9e0f1a2b3c4d"] {
        for path in [format!("/api/project/tokens/{id}"), format!("/api/projects/{id}")] {
            assert_said(&app.fetch(&path, &root).await, 404, &path);
        }
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_method_is_405_with_allow_and_nothing_else_is_served(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let before = app.database.rows().await;

    for (path, allowed) in routes(&root) {
        for method in METHODS.iter().filter(|method| !takes(allowed, method) && **method != Method::HEAD) {
            let answer = Answer::to(app.authorized(method.clone(), &path, &root)).await;

            assert_said(&answer, 405, &format!("{method} {path}"));
            assert_eq!(allow(&answer), with_head(allowed), "{method} {path}");
        }
        for other in [format!("{path}/"), format!("{path}.json")] {
            let answer = app.send(allowed[0].clone(), &other, &root, json!({})).await;

            assert_said(&answer, 404, &other);
        }
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_json_object_is_400_and_one_that_is_no_json_415(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let before = app.database.rows().await;

    for (path, method) in [
        ("/api/project/tokens".to_owned(), Method::POST),
        (format!("/api/project/tokens/{}", root.token_id), Method::PATCH),
        ("/api/projects".to_owned(), Method::POST),
        (format!("/api/projects/{}", root.id), Method::PATCH),
    ] {
        let send = |kind: &'static str, body: &'static str| {
            Answer::to(app.authorized(method.clone(), &path, &root).header("content-type", kind).body(body))
        };
        for body in ["", "[]", "[[]]", "[] []", "null", "7", "{", "{\"name\":\"a\",\"name\":\"b\"}"] {
            // PHP's empty array is an update that changes nothing: see updates.rs.
            if body == "[]" && method == Method::PATCH {
                continue;
            }
            assert_said(&send("application/json", body).await, 400, body);
        }
        for kind in ["application/x-www-form-urlencoded", "text/plain", "application/jsonx"] {
            assert_said(&send(kind, "{}").await, 415, kind);
        }
        let long = app.authorized(method.clone(), &path, &root).json(&json!({ "name": "x".repeat(70_000) }));
        assert_said(&Answer::to(long).await, 413, &path);
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}
