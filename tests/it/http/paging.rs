//! Paging: every row once, forwards and back, whatever comes and goes meanwhile; and page tokens that fit their own
//! list alone.

use std::collections::BTreeSet;

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use super::assert_refused;
use crate::support::{App, Backend, COMPATIBILITY, Project};

/// What one list is called.
struct List {
    path: String,
    rows: &'static str,
    id: &'static str,
    next: fn(&Value) -> Option<String>,
    previous: fn(&Value) -> Option<String>,
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn lists() -> Vec<List> {
    let rest = |path: &str| List {
        path: path.to_owned(),
        rows: "data",
        id: "id",
        next: |body| text(&body["links"]["next"]),
        previous: |body| text(&body["links"]["prev"]),
    };
    vec![
        rest("/api/project/tokens?page_size=3"),
        rest("/api/projects?page_size=3"),
        List {
            path: format!("{COMPATIBILITY}/Accounts?PageSize=3"),
            rows: "accounts",
            id: "sid",
            next: |body| text(&body["next_page_uri"]),
            previous: |body| text(&body["previous_page_uri"]),
        },
    ]
}

impl List {
    fn ids(&self, body: &Value) -> Vec<String> {
        body[self.rows].as_array().unwrap().iter().map(|row| text(&row[self.id]).unwrap()).collect()
    }
}

/// Makes rows for all lists; three share each moment.
async fn fill(app: &App, root: &Project, rows: usize) {
    for i in 0..rows {
        if i % 3 == 0 {
            app.clock.advance(1);
        }
        app.issue(root, &["chat"]).await;
        app.subproject(&format!("Child {i}")).await;
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn each_list_is_read_whole_forwards_and_back(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    fill(&app, &root, 8).await;

    for list in lists() {
        let mut forwards = Vec::new();
        let mut path = list.path.clone();
        let (mut pages, mut last) = (0, Value::Null);
        loop {
            let body = app.fetch(&path, &root).await.json();
            forwards.extend(list.ids(&body));
            assert_eq!((list.previous)(&body).is_some(), pages > 0, "{path}");
            pages += 1;
            last.clone_from(&body);
            let Some(next) = (list.next)(&body) else { break };
            path = next;
        }
        assert_eq!((pages, forwards.len()), (3, 9), "{}: a full last page has no next", list.path);
        assert_eq!(forwards.iter().collect::<BTreeSet<_>>().len(), 9);

        let mut back = list.ids(&last);
        while let Some(previous) = (list.previous)(&last) {
            last = app.fetch(&previous, &root).await.json();
            assert!((list.next)(&last).is_some());
            back.splice(0..0, list.ids(&last));
        }
        assert_eq!(back, forwards, "{}", list.path);
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_every_row_that_was_there_all_along_exactly_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let (mut stay, mut leave) = (BTreeSet::from([root.token_id.clone()]), Vec::new());
    for i in 0..30 {
        app.clock.advance(1);
        let (id, _) = app.issue(&root, &["chat"]).await;
        if i % 3 == 0 {
            leave.push(id);
        } else {
            stay.insert(id);
        }
    }

    let mut seen = Vec::new();
    let mut next = Some("/api/project/tokens?page_size=4".to_owned());
    while let Some(path) = next {
        let body = app.fetch(&path, &root).await.json();
        seen.extend(body["data"].as_array().unwrap().iter().map(|row| text(&row["id"]).unwrap()));
        next = text(&body["links"]["next"]);
        // Meanwhile, between any two pages: the row that the next page begins behind goes, and newer ones come.
        app.issue(&root, &["fax"]).await;
        if let Some(last) = seen.last().filter(|last| leave.contains(last)) {
            app.authorized(Method::DELETE, &root.token(last), &root).send().await.unwrap();
        } else if let Some(id) = leave.pop() {
            app.authorized(Method::DELETE, &root.token(&id), &root).send().await.unwrap();
        }
    }

    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "no row twice");
    let missed: Vec<_> = stay.iter().filter(|id| !seen.contains(id)).collect();
    assert!(missed.is_empty(), "{missed:?}");
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_page_token_fits_its_own_list_filter_and_caller_alone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let stranger = app.project("Stranger", None).await;
    fill(&app, &root, 4).await;
    fill(&app, &stranger, 4).await;

    let page = app.fetch("/api/project/tokens?page_size=2", &root).await.json();
    let next = text(&page["links"]["next"]).unwrap();
    let token = next.split("page_token=").nth(1).unwrap();
    let accounts = format!("{COMPATIBILITY}/Accounts");
    assert!(token.starts_with("PA"));
    assert_eq!(app.fetch(&next, &root).await.status, 200);

    for (path, caller) in [
        (next.clone(), &stranger),
        (format!("/api/projects?page_token={token}"), &root),
        (format!("/api/project/tokens?name=issued&page_token={token}"), &root),
        (format!("/api/project/tokens?page_token={token}00"), &root),
        (format!("/api/project/tokens?page_token={}", token.to_uppercase()), &root),
        ("/api/project/tokens?page_token=".to_owned(), &root),
        ("/api/project/tokens?page_token=&page_number=1".to_owned(), &root),
    ] {
        let answer = app.fetch(&path, caller).await;
        let body = answer.json();
        assert_eq!(answer.status, 422, "{path}: {body}");
        assert_eq!(body["errors"][0]["code"], "page_token_is_invalid", "{path}");
        assert_eq!(body["errors"][0]["attribute"], "page_token", "{path}");
    }
    assert_refused(&app.fetch(&format!("{accounts}?PageToken={token}"), &root).await, 400, 54453, "another endpoint's");
    for list in ["/api/project/tokens", "/api/projects"] {
        let answer = app.fetch(&format!("{list}?page_number=1"), &root).await;
        let errors = answer.json()["errors"].take();
        assert_eq!((answer.status, errors.as_array().unwrap().len()), (422, 1), "{list}");
        assert_eq!(errors[0]["code"], "page_token_required", "{list}");
        assert_eq!(errors[0]["attribute"], "page_token", "{list}");
        assert_eq!(errors[0]["url"], "/docs#error-page_token_required", "{list}");
        assert_eq!(app.fetch(&format!("{list}?page_number=0"), &root).await.status, 200, "{list}");
    }
    assert_refused(&app.fetch(&format!("{accounts}?Page=1"), &root).await, 400, 54453, "no token");
    for size in ["0", "1001", "-1", "x", ""] {
        let answer = app.fetch(&format!("/api/projects?page_size={size}"), &root).await;
        let error = json!({ "status": answer.status, "code": answer.json()["errors"][0]["code"] });
        assert_eq!(error, json!({ "status": 422, "code": "invalid_parameter" }), "{size}");
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_rest_list_refuses_parameters_that_it_does_not_know(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    fill(&app, &root, 2).await;
    let secret = root.secret.clone();
    let tokens = "name, subproject_id, page_size, page_number, page_token";
    let projects = "name, page_size, page_number, page_token";

    for (list, known) in [("/api/project/tokens", tokens), ("/api/projects", projects)] {
        // Each with the names that are said, in their order.
        for (query, named) in [
            ("hint=PT0a1b2c3d".to_owned(), vec!["hint".to_owned()]),
            ("Name=x".to_owned(), vec!["Name".to_owned()]),
            ("name[]=x".to_owned(), vec!["name[]".to_owned()]),
            ("page_size=2&x=1&y=2&x=3".to_owned(), vec!["x".to_owned(), "y".to_owned()]),
            ("=x".to_owned(), vec![String::new()]),
            ("hint".to_owned(), vec!["hint".to_owned()]),
            ("%22%0A=1".to_owned(), vec!["\"\n".to_owned()]),
            ("%F0%9F%94%91".repeat(70), vec!["\u{1f511}".repeat(64)]),
            (secret.clone(), vec!["[secret]".to_owned()]),
            ((0..20).map(|n| format!("p{n}=&")).collect(), (0..8).map(|n| format!("p{n}")).collect()),
        ] {
            let answer = app.fetch(&format!("{list}?{query}"), &root).await;

            let body = answer.json();
            assert_eq!(answer.status, 422, "{query}: {body}");
            assert!(!answer.text.contains(&secret), "{query}");
            let errors = body["errors"].as_array().unwrap();
            let attributes: Vec<_> = errors.iter().map(|error| text(&error["attribute"]).unwrap()).collect();
            assert_eq!(attributes, named, "{query}");
            for error in errors {
                assert_eq!(error["code"], "unknown_parameter", "{query}");
                assert!(error["message"].as_str().unwrap().ends_with(&format!("use one of {known}")), "{error}");
            }
        }
        let answer = app.fetch(&format!("{list}?hint=PT&page_size=0&page_token=x"), &root).await.json();
        let codes: Vec<_> = answer["errors"].as_array().unwrap().iter().map(|error| error["code"].clone()).collect();
        assert_eq!(codes, ["invalid_parameter", "page_token_is_invalid", "unknown_parameter"], "every fault is said");
        for query in ["", "?", "?&&", "?page_size=1&"] {
            assert_eq!(app.fetch(&format!("{list}{query}"), &root).await.status, 200, "{query}");
        }
    }
    app.stop().await;
}
