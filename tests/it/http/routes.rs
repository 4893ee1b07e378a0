//! Every route, with every kind of wrong credential, wrong tree, wrong method: exactly what is said, in exactly
//! the contract's order.

use reqwest::Method;
use rstest::rstest;

use super::{
    METHODS, NOBODY, allow, assert_common, assert_refused, credentials::wrong_credentials, rest, sorted, takes,
    with_head,
};
use crate::support::{Answer, App, Backend, COMPATIBILITY_BASES, Project};

/// Patterns, and the methods that each takes. HEAD is answered where GET is.
pub(super) type Routes = &'static [(&'static str, &'static [Method])];

/// The routes below both bases of the compatibility API. All need `management`.
const COMPATIBILITY_ROUTES: Routes = &[
    ("/Accounts", &[Method::GET, Method::POST]),
    ("/Accounts/{project}", &[Method::GET, Method::POST]),
    ("/Accounts/{project}/tokens", &[Method::POST]),
    ("/Accounts/{project}/tokens/{token}", &[Method::PATCH, Method::DELETE]),
];

/// The routes that ask for no credential.
const OPEN_ROUTES: Routes = &[
    ("/", &[Method::GET]),
    ("/favicon.ico", &[Method::GET]),
    ("/livez", &[Method::GET]),
    ("/readyz", &[Method::GET]),
    ("/openapi.json", &[Method::GET]),
    ("/docs", &[Method::GET]),
    ("/docs/{file}", &[Method::GET]),
];

/// The route that a credential with either of two permissions opens.
const OAUTH_ROUTES: Routes = &[("/oauth/introspect", &[Method::POST])];

#[test]
fn every_route_of_the_door_stands_in_this_table() {
    let page = include_str!("../../../src/http/mod.rs");
    let table: Vec<(String, Vec<Method>)> = OPEN_ROUTES
        .iter()
        .chain(OAUTH_ROUTES)
        .chain(rest::TOKENS)
        .chain(rest::PROJECTS)
        .chain(COMPATIBILITY_ROUTES)
        .map(|(path, methods)| ((*path).to_owned(), methods.to_vec()))
        .collect();

    let (found, routes) = routes_of(page);

    assert_eq!(found, table, "add the row of a new route to the table above");
    assert_eq!(routes, page.matches(".route(").count(), "a route stands where this test does not find it");
    assert_eq!(page.matches("web::scope(").count(), 3, "a new scope needs a table of its own");
}

#[test]
fn routes_stand_on_no_other_page() {
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/http"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.ends_with("src/http/mod.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for word in
                ["resource(", ".route(", "web::scope(", "#[get(", "#[post(", "#[patch(", "#[delete(", "#[route("]
            {
                assert!(!text.contains(word), "{} holds {word:?}", path.display());
            }
        }
    }
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

    for (method, path) in calls(&root) {
        for (case, authorization) in &credentials {
            let mut request = app.request(method.clone(), &path).json(&serde_json::json!({}));
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            let answer = Answer::to(request).await;

            assert_refused(&answer, 401, 20003, &format!("{method} {path} with {case}"));
        }
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_parents_and_a_subprojects_tokens_do_not_log_in_under_each_others_id(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let child = app.subproject("Child").await;
    let before = app.database.rows().await;

    for project in [&root, &child] {
        for (user, secret) in [(&root, &child.secret), (&child, &root.secret)] {
            for (method, path) in calls(project) {
                let request = app.request(method.clone(), &path).basic_auth(user.id, Some(secret));
                let answer = Answer::to(request).await;

                assert_refused(&answer, 401, 20003, &format!("{method} {path}"));
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
    let nobody = Project { id: tokensmith::domain::ProjectId::parse(NOBODY).unwrap(), ..root.clone() };
    let before = app.database.rows().await;

    // The token ids are right ones for the path's project: the project alone is out of reach.
    let out_of_reach = [
        (&root, vec![&stranger, &strangers_child, &nobody]),
        (&child, vec![&root, &sibling, &stranger, &strangers_child, &nobody]),
    ];
    let mut said = Vec::new();
    for (caller, projects) in out_of_reach {
        for project in projects {
            for (method, path) in calls_at(project) {
                let case = format!("{method} {path}");
                let answer = Answer::to(app.authorized(method, &path, caller).json(&serde_json::json!({}))).await;

                assert_refused(&answer, 404, 20404, &case);
                said.push(answer.text);
            }
        }
    }
    said.dedup();
    assert_eq!(said.len(), 1, "the answer tells what exists: {said:?}");

    // A token of another project under a path within reach.
    for (caller, path) in [
        (&root, root.token(&stranger.token_id)),
        (&root, root.token(&strangers_child.token_id)),
        (&root, root.token(NOBODY)),
        (&root, child.token(&root.token_id)),
        (&root, child.token(&sibling.token_id)),
        (&child, child.token(&root.token_id)),
        (&child, child.token(&sibling.token_id)),
    ] {
        for method in [Method::PATCH, Method::DELETE] {
            let case = format!("{method} {path}");
            let answer = Answer::to(app.authorized(method, &path, caller).json(&serde_json::json!({}))).await;

            assert_refused(&answer, 404, 20404, &case);
        }
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_method_is_405_with_allow_but_401_comes_first(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let before = app.database.rows().await;

    for (pattern, allowed) in COMPATIBILITY_ROUTES {
        for path in forms(pattern, &root) {
            for method in METHODS.iter().filter(|method| !takes(allowed, method)) {
                let case = format!("{method} {path}");
                let unknown = Answer::to(app.request(method.clone(), &path)).await;
                let known = Answer::to(app.authorized(method.clone(), &path, &root)).await;

                if method == Method::HEAD {
                    assert_eq!((unknown.status, known.status), (401, 405), "{case}");
                    assert_common(&unknown, &case);
                    assert_common(&known, &case);
                    assert_eq!((unknown.text.as_str(), known.text.as_str()), ("", ""), "{case}");
                } else {
                    assert_refused(&unknown, 401, 20003, &case);
                    assert_refused(&known, 405, 20004, &case);
                }
                assert_eq!(allow(&known), with_head(allowed), "{case}");
            }
        }
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn each_call_is_served_in_all_three_forms_of_its_path(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let body = serde_json::json!({ "name": "n", "permissions": ["chat"] });

    for base in COMPATIBILITY_BASES {
        for suffix in ["", "/", ".json"] {
            let tokens = format!("{base}/Accounts/{}/tokens", root.id);
            let create = format!("{tokens}{suffix}");
            let created = Answer::to(app.authorized(Method::POST, &create, &root).json(&body)).await;
            assert_eq!(created.status, 200, "{create}");
            assert_common(&created, &create);

            let path = format!("{tokens}/{}{suffix}", created.json()["id"].as_str().unwrap());
            let updated = Answer::to(app.authorized(Method::PATCH, &path, &root).json(&body)).await;
            let deleted = Answer::to(app.authorized(Method::DELETE, &path, &root)).await;
            assert_eq!((updated.status, deleted.status), (200, 204), "{path}");
            assert_common(&updated, &path);
            assert_common(&deleted, &path);
        }
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_served_and_below_the_base_401_comes_first(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let before = app.database.rows().await;

    let below = |base: &str| {
        let tokens = format!("{base}/Accounts/{}/tokens", root.id);
        let token = format!("{tokens}/{}", root.token_id);
        [
            base.to_owned(),
            format!("{base}/"),
            format!("{base}/nothing"),
            format!("{base}/nothing.json"),
            format!("{base}/accounts/{}/tokens", root.id),
            format!("{base}/Accounts/{}/Tokens", root.id),
            format!("{base}/accounts"),
            format!("{base}/Accounts//tokens"),
            format!("{base}//Accounts/{}/tokens", root.id),
            format!("{base}/Accounts/{}/Calls.json", root.id),
            format!("{tokens}//"),
            format!("{tokens}.json/"),
            format!("{tokens}.JSON"),
            format!("{tokens}.xml"),
            format!("{tokens}.json.json"),
            format!("{token}//"),
            format!("{token}/more"),
        ]
    };
    for path in COMPATIBILITY_BASES.into_iter().flat_map(below) {
        for method in METHODS.iter().filter(|method| **method != Method::HEAD) {
            let case = format!("{method} {path}");
            let unknown = Answer::to(app.request(method.clone(), &path)).await;
            let known = Answer::to(app.authorized(method.clone(), &path, &root)).await;

            assert_refused(&unknown, 401, 20003, &case);
            assert_refused(&known, 404, 20404, &case);
        }
    }

    for path in [
        "/api",
        "/api/laml",
        "/api/laml/2010-04-01x/Accounts",
        "/2010-04-01x/Accounts",
        "/2010-04-01.json",
        "/2010-04",
        "/laml/2010-04-01/Accounts",
        "//2010-04-01/Accounts",
        "/docs/",
        "/favicon.ico/",
        "/livez/",
        "/livez.json",
        "//livez",
    ] {
        for method in METHODS.iter().filter(|method| **method != Method::HEAD) {
            let case = format!("{method} {path}");
            let answer = Answer::to(app.request(method.clone(), path).header("x-request-id", "kept")).await;

            assert_eq!(answer.status, 404, "{case}");
            assert_common(&answer, &case);
            assert_eq!(
                answer.text,
                r#"{"error":"Not Found","message":"unknown path; /openapi.json lists the paths of this server","request_id":"kept"}"#,
                "{case}"
            );
        }
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn health_is_told_to_everyone_and_head_answers_where_get_does(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;

    for ((path, _), body) in OPEN_ROUTES[2..4].iter().zip([r#"{"status":"alive"}"#, r#"{"status":"ready"}"#]) {
        for credential in [None, Some("Basic junk")] {
            let request = |method: Method| {
                let request = app.request(method, path);
                if let Some(credential) = credential { request.header("authorization", credential) } else { request }
            };
            let get = Answer::to(request(Method::GET)).await;
            let head = Answer::to(request(Method::HEAD)).await;

            assert_eq!((get.status, get.text.as_str()), (200, body));
            assert_eq!((head.status, head.text.as_str()), (200, ""));
            for answer in [&get, &head] {
                assert_common(answer, path);
                assert_eq!(answer.header("content-type"), Some("application/json"));
                assert_eq!(answer.header("content-length"), Some(body.len().to_string().as_str()));
            }
        }
        for method in METHODS.iter().filter(|method| ![Method::GET, Method::HEAD].contains(method)) {
            let case = format!("{method} {path}");
            let answer = Answer::to(app.request(method.clone(), path)).await;

            assert_eq!(answer.status, 405, "{case}");
            assert_common(&answer, &case);
            assert_eq!(allow(&answer), sorted(&[Method::GET, Method::HEAD]), "{case}");
            assert_eq!(answer.json()["error"], "Method Not Allowed", "{case}");
        }
    }
    app.stop().await;
}

/// The patterns and methods on the page of routes, in its order, and how many routes that were.
fn routes_of(page: &str) -> (Vec<(String, Vec<Method>)>, usize) {
    const START: &str = "resource(\"";
    let mut found = Vec::new();
    let mut routes = 0;
    let starts: Vec<usize> = page.match_indices(START).map(|(at, _)| at + START.len()).collect();
    for (i, start) in starts.iter().enumerate() {
        let end = starts.get(i + 1).map_or(page.len(), |next| next - START.len());
        let text = &page[*start..end];
        let text = &text[..text.find("\n}").unwrap_or(text.len())];
        let (path, rest) = text.split_once('"').unwrap();
        let methods = rest.split(".route(").skip(1).flat_map(|route| {
            routes += 1;
            let name = route.trim_start().trim_start_matches("web::").split('(').next().unwrap();
            vec![name.to_uppercase().parse().unwrap()]
        });
        found.push((path.to_owned(), methods.collect()));
    }
    (found, routes)
}

/// A pattern in all three forms below both bases, at a project and its management token.
fn forms(pattern: &str, project: &Project) -> Vec<String> {
    let path = pattern.replace("{project}", &project.id.to_string()).replace("{token}", &project.token_id);
    let below = |base| ["", "/", ".json"].map(|suffix| format!("{base}{path}{suffix}"));
    COMPATIBILITY_BASES.into_iter().flat_map(below).collect()
}

/// Every call of the compatibility API in every form of its path.
pub(super) fn calls(project: &Project) -> Vec<(Method, String)> {
    let mut calls = Vec::new();
    for (pattern, methods) in COMPATIBILITY_ROUTES {
        for path in forms(pattern, project) {
            calls.extend(methods.iter().map(|method| (method.clone(), path.clone())));
        }
    }
    calls
}

/// Those at a project that the path names.
fn calls_at(project: &Project) -> Vec<(Method, String)> {
    let id = project.id.to_string();
    calls(project).into_iter().filter(|(_, path)| path.contains(&id)).collect()
}
