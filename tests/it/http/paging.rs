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
        ("/api/project/tokens?page_number=1".to_owned(), &root),
    ] {
        let answer = app.fetch(&path, caller).await;
        let body = answer.json();
        assert_eq!(answer.status, 422, "{path}: {body}");
        assert_eq!(body["errors"][0]["code"], "page_token_is_invalid", "{path}");
        assert_eq!(body["errors"][0]["attribute"], "page_token", "{path}");
    }
    assert_refused(&app.fetch(&format!("{accounts}?PageToken={token}"), &root).await, 400, 54453, "another endpoint's");
    for size in ["0", "1001", "-1", "x", ""] {
        let answer = app.fetch(&format!("/api/projects?page_size={size}"), &root).await;
        let error = json!({ "status": answer.status, "code": answer.json()["errors"][0]["code"] });
        assert_eq!(error, json!({ "status": 422, "code": "invalid_parameter" }), "{size}");
    }
    app.stop().await;
}
