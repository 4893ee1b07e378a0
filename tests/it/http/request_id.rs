//! X-Request-Id: on every answer; the client's own where it is harmless.

use reqwest::Method;
use rstest::rstest;
use uuid::Uuid;

use crate::support::{Answer, App, Backend, Operator, Options, Project, Raw};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_harmless_id_is_kept_and_every_other_is_replaced_whatever_the_status(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let options = Options { tokens_per_project: 4, ..Options::default() };
    let mut app = App::start_with(backend, options).await;
    let root = app.root.clone();
    let harmless = ["a".to_owned(), "trace/1:a+b=_.-9".to_owned(), "Z".repeat(128), Uuid::from_u128(1).to_string()];
    let harmful = [
        String::new(),
        "a b".to_owned(),
        "a\tb".to_owned(),
        "a\"b".to_owned(),
        "a,b".to_owned(),
        "a;b".to_owned(),
        "{a}".to_owned(),
        "<a>".to_owned(),
        "Z".repeat(129),
        "ä".to_owned(),
    ];

    for status in [200, 204, 400, 401, 404, 405, 413, 422] {
        for id in harmless.iter().chain(&harmful) {
            let answer = Answer::to(request_for(status, &app, &root).await.header("x-request-id", id)).await;

            assert_eq!(answer.status, status, "{id:?}: {}", answer.text);
            assert_id(&answer, harmless.contains(id).then_some(id));
        }
        let answer = Answer::to(request_for(status, &app, &root).await).await;
        assert_id(&answer, None);
        let twice = request_for(status, &app, &root).await.header("x-request-id", "a").header("x-request-id", "b");
        assert_id(&Answer::to(twice).await, None);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ids_of_requests_on_one_connection_are_not_mixed_up() {
    let mut app = App::start(Backend::Sqlite).await;
    let mut raw = Raw::connect(&app).await;

    let mut requests = String::new();
    for i in 0..10 {
        requests.push_str(&format!("GET /livez HTTP/1.1\r\nHost: h\r\nX-Request-Id: r{i}\r\n\r\n"));
    }
    raw.send(requests).await;

    for i in 0..10 {
        let answer = raw.answer().await.unwrap();
        assert_eq!(answer.header("x-request-id"), Some(format!("r{i}").as_str()));
    }
    drop(raw);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_finds_the_log_lines_of_its_request() {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let mut binary = operator.serve();

    for (path, route) in [("/auth", "/auth"), ("/auth/below?x=y", "/auth"), ("/livez", "/livez"), ("/none", "none")] {
        binary.request(Method::GET, path).header("x-request-id", "find-me").send().await.unwrap();

        let line = binary.wait_for("answered");
        assert_eq!((&line["span"]["request.id"], &line["http.route"]), (&"find-me".into(), &route.into()), "{line}");
    }
    binary.stop();
}

fn assert_id(answer: &Answer, kept: Option<&String>) {
    let id = answer.header("x-request-id").unwrap();
    match kept {
        Some(kept) => assert_eq!(id, kept),
        None => assert_eq!(Uuid::try_parse(id).unwrap().to_string(), id),
    }
}

/// A request that is answered so.
async fn request_for(status: u16, app: &App, root: &Project) -> reqwest::RequestBuilder {
    let create = app.authorized(Method::POST, &root.tokens(), root);
    let json =
        |text: &str| create.try_clone().unwrap().header("content-type", "application/json").body(text.to_owned());
    match status {
        200 => app.request(Method::GET, "/livez"),
        204 => {
            let (id, _) = app.issue(root, &["chat"]).await;
            app.authorized(Method::DELETE, &root.token(&id), root)
        }
        400 => json("{"),
        401 => app.request(Method::POST, &root.tokens()),
        404 => app.request(Method::GET, "/nothing"),
        405 => app.request(Method::PUT, "/livez"),
        413 => json(&" ".repeat(65_537)),
        422 => json("{}"),
        other => panic!("no request for {other}"),
    }
}
