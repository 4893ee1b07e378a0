//! Clients that say of themselves what only the proxy may say, or ask what only the proxy may ask.

use reqwest::Method;
use rstest::rstest;

use super::{Front, assert_refused, token};
use crate::{
    proxies::TOLD,
    support::{Answer, App, Backend, Options, Raw},
};

/// What a client writes there. No honest value holds it.
const FORGED: &str = "forged";

/// Spellings that one backend or the other takes for that name.
fn spellings(name: &str) -> [String; 5] {
    let camel = name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect::<Vec<_>>().join("-");
    [name.to_owned(), name.to_uppercase(), camel, name.replace('-', "_"), name.replace('-', "_").to_uppercase()]
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_client_says_of_itself_reaches_the_backend(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let front = Front::asking(app.address);
    let (id, authorization) = token(&app, &["calling", "messaging", "video"]).await;
    let mut head = format!("Authorization: {authorization}\r\nConnection: keep-alive, {}\r\n", TOLD.join(", "));
    for name in TOLD.into_iter().chain(["x-required-permission"]) {
        for spelling in spellings(name) {
            head += &format!("{spelling}: {FORGED}\r\n{spelling}: {FORGED}2\r\n");
        }
        head += &format!("{}: {FORGED}\r\n", name.replace('-', "."));
    }

    let mut raw = Raw::to(front.nginx.address()).await;
    for (path, told) in [("/calls/", 1), ("/rooms/", 1), ("/me", 1), ("/status", 0)] {
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n{head}\r\n")).await;
        let answer = raw.answer().await.unwrap();

        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let heard = front.backend.only();
        for (name, value) in &heard.headers {
            assert!(!value.contains(FORGED), "{path}: the backend heard {name}: {value}");
        }
        for name in TOLD {
            assert_eq!(heard.all(name).len(), told, "{path}: {name}");
        }
        if told > 0 {
            assert_eq!(heard.all("x-auth-token-id"), [&id]);
        }
        for absent in ["authorization", "x-required-permission"] {
            assert!(heard.all(absent).is_empty(), "{path}: {absent}");
        }
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_asks_for_neither_widens_nor_narrows(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let front = Front::asking(app.address);
    let (_, holder) = token(&app, &["calling"]).await;
    let (_, other) = token(&app, &["chat"]).await;

    for asked in ["chat", "calling", "swim", "", ",", "chat, calling"] {
        for path in ["/calls/".to_owned(), format!("/calls/?permission={asked}"), format!("/calls/?{asked}#x&=")] {
            let ask = |authorization: &String| {
                let request = front.request(Method::GET, &path).header("authorization", authorization);
                Answer::to(request.header("x-required-permission", asked))
            };

            assert_eq!(ask(&holder).await.status, 200, "{path} {asked:?}");
            front.backend.only();
            assert_refused(&front, &ask(&other).await, 403, &format!("{path} {asked:?}"));
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_around_the_question_or_to_it() {
    let mut app = App::start(Backend::Sqlite).await;
    let front = Front::asking(app.address);
    let (_, authorization) = token(&app, &["calling"]).await;

    for path in ["/_tokensmith/valid", "/_tokensmith/holds/calling", "/_tokensmith/", "/calls/../_tokensmith/valid"] {
        let mut raw = Raw::to(front.nginx.address()).await;
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: {authorization}\r\n\r\n")).await;
        let answer = raw.answer().await.unwrap();
        assert_refused(&front, &answer, 404, path);
        assert!(TOLD.iter().all(|name| answer.header(name).is_none()), "{path}: {answer:?}");
    }
    for path in [
        "/calls/",
        "//calls/",
        "/./calls/",
        "/status/../calls/",
        "/status/..%2fcalls/",
        "/status/%2e%2e/calls/",
        "/%63alls/",
        "/calls/..%2fcalls/",
        "/calls/;x",
        "/calls/%00",
        "/CALLS/",
        "/calls",
        "/status/",
        "/status%2f..%2fcalls/",
        "/_tokensmith/..%2fcalls/",
        "http://h/calls/",
        "*",
    ] {
        let mut raw = Raw::to(front.nginx.address()).await;
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
        let status = raw.answer().await.unwrap().status;
        assert!(matches!(status, 301 | 400 | 401 | 403 | 404), "{path}: {status}");
        let heard = front.backend.take();
        assert!(heard.is_empty(), "{path}: the backend heard {heard:?}");
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn two_credentials_are_none(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let front = Front::asking(app.address);
    let (_, good) = token(&app, &["calling"]).await;
    let root = app.root.authorization();

    for (head, status) in [
        (format!("Authorization: {good}\r\nAuthorization: {good}"), 400),
        (format!("Authorization: {good}\r\nAuthorization: Bearer x"), 400),
        (format!("Authorization: Bearer x\r\nAuthorization: {good}"), 400),
        (format!("Authorization: {good}\r\nX: y\r\nAUTHORIZATION: {root}"), 400),
        (format!("Authorization:\r\nAuthorization: {good}"), 400),
        (format!("Authorization: {good}, {root}"), 401),
        (format!("Authorization: {good},"), 401),
        (format!("Authorization: Bearer x\r\n {good}"), 400),
        (format!("Authorization:\r\nProxy-Authorization: {good}\r\nX-Authorization: {good}"), 401),
    ] {
        let mut raw = Raw::to(front.nginx.address()).await;
        raw.send(format!("GET /calls/ HTTP/1.1\r\nHost: h\r\n{head}\r\n\r\n")).await;
        let answer = raw.answer().await.unwrap();

        let case = head.replace(&good, "[good]").replace(&root, "[root]");
        assert_refused(&front, &answer, status, &case);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_of_100_kilobytes_is_400_and_other_long_headers_are_no_matter() {
    let mut app = App::start(Backend::Sqlite).await;
    let front = Front::asking(app.address);
    let (_, good) = token(&app, &["calling"]).await;

    let answer = front.get("/calls/", &format!("Bearer {}", "a".repeat(100_000))).await;
    assert_refused(&front, &answer, 400, "100 kB");
    let answer = front.get("/calls/", &format!("Bearer {}", "a".repeat(7_000))).await;
    assert_refused(&front, &answer, 401, "7 kB");

    let mut request = front.request(Method::GET, "/calls/").header("authorization", &good);
    for _ in 0..3 {
        request = request.header("cookie", "c".repeat(7_000));
    }
    assert_eq!(Answer::to(request).await.status, 200);
    assert_eq!(front.backend.only().all("cookie").concat().len(), 21_000);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backends_own_refusals_are_its_own() {
    let mut app = App::start(Backend::Sqlite).await;
    let front = Front::asking(app.address);
    let (_, good) = token(&app, &["calling"]).await;

    for status in [401, 403, 404, 500, 502, 503] {
        front.backend.answer(status, &[("www-authenticate", "Negotiate".to_owned())]);
        let answer = front.get("/calls/", &good).await;

        assert_eq!(answer.status, status);
        assert_eq!(answer.header("www-authenticate"), Some("Negotiate"), "{status}");
        assert_eq!(answer.header("retry-after"), None, "{status}");
        front.backend.only();
    }
    app.stop().await;
}

/// The host that the recipe gives the service's own API.
const OWN: &str = "tokens.example.com";

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_client_does_not_choose_what_links_begin_with(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    // No public_url, and nginx is believed: links are made from what it says.
    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let mut app = App::start_with(backend, Options { trusted_proxies, ..Options::default() }).await;
    let front = Front::asking(app.address);
    let root = app.root.clone();

    for forged in [
        "",
        "X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n",
        "x-forwarded-host: evil.example\r\nX-Forwarded-Host: evil.example\r\nx-forwarded-proto: javascript\r\n",
        "X-Forwarded-Host:\r\nForwarded: host=evil.example;proto=https\r\n",
        "Connection: X-Forwarded-Host, X-Forwarded-Proto\r\n",
    ] {
        let mut raw = Raw::to(front.nginx.address()).await;
        let authorization = root.authorization();
        raw.send(format!(
            "GET /api/projects HTTP/1.1\r\nHost: {OWN}\r\nAuthorization: {authorization}\r\n{forged}\r\n"
        ))
        .await;
        let answer = raw.answer().await.unwrap();

        let expected = format!("http://{OWN}/api/projects?page_number=0&page_size=50");
        assert_eq!(answer.json()["links"]["first"], expected, "{forged}");
        assert!(!answer.text.contains("evil"), "{forged}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_services_own_pages_are_behind_the_recipe_and_nothing_else() {
    let mut app = App::start(Backend::Sqlite).await;
    let front = Front::asking(app.address);
    let root = app.root.clone();
    let ask = |method: Method, path: &str| front.request(method, path).header("host", OWN);

    for path in ["/docs", "/openapi.json", "/favicon.ico"] {
        assert_eq!(Answer::to(ask(Method::GET, path)).await.status, 200, "{path}");
    }
    let page = Answer::to(ask(Method::GET, "/docs")).await.text;
    for file in page.split('"').filter(|part| part.starts_with("docs/")) {
        let answer = Answer::to(ask(Method::GET, &format!("/{file}"))).await;
        assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"), "{file}");
    }
    let mut raw = Raw::to(front.nginx.address()).await;
    raw.send(format!("GET / HTTP/1.1\r\nHost: {OWN}\r\n\r\n")).await;
    let home = raw.answer().await.unwrap();
    assert_eq!((home.status, home.header("location")), (303, Some("docs")));

    let authorization = root.authorization();
    for path in ["/api/projects", "/api/laml/2010-04-01/Accounts.json", "/2010-04-01/Accounts.json"] {
        let answer = Answer::to(ask(Method::GET, path).header("authorization", &authorization)).await;
        assert_eq!(answer.status, 200, "{path}");
    }
    let token = [("token", &root.secret)];
    let introspected = ask(Method::POST, "/oauth/introspect").header("authorization", &authorization).form(&token);
    assert_eq!(Answer::to(introspected).await.json()["active"], true);

    for path in ["/auth", "/auth/x", "/livez", "/readyz", "/metrics", "/oauth/", "/oauth/introspect/", "/docsx"] {
        let answer = Answer::to(ask(Method::GET, path).header("authorization", &authorization)).await;
        assert_eq!(answer.header("x-request-id"), None, "{path} reached the service");
        assert!(matches!(answer.status, 301 | 404), "{path}: {}", answer.status);
    }
    app.stop().await;
}
