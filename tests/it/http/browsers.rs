//! Browsers: what a page of another site makes one send is refused before its credentials are looked at.

use reqwest::{Method, RequestBuilder};
use rstest::rstest;

use super::{assert_common, assert_refused, rest, routes};
use crate::support::{Answer, App, Backend, COMPATIBILITY, Options, Project, Raw};

/// What a browser says of the page behind a request, for a page of another site.
const OTHERS: [&[(&str, &str)]; 15] = [
    &[("Sec-Fetch-Site", "cross-site")],
    &[("Sec-Fetch-Site", "same-site")],
    &[("Sec-Fetch-Site", "Same-Origin")],
    &[("Sec-Fetch-Site", "same-origin, none")],
    &[("Sec-Fetch-Site", "new-value")],
    &[("Sec-Fetch-Site", "")],
    &[("Sec-Fetch-Site", "none"), ("Sec-Fetch-Site", "same-origin")],
    &[("Sec-Fetch-Site", "cross-site"), ("Origin", "http://{host}")],
    &[("Origin", "null")],
    &[("Origin", "https://evil.example")],
    &[("Origin", "http://{host}"), ("Origin", "http://{host}")],
    &[("Origin", "http://{host}.evil.example")],
    &[("Origin", "http://{host}@evil.example")],
    &[("Origin", "http://127.0.0.1")],
    &[("Origin", "")],
];

/// And for this server's own pages, or for none.
const OWN: [&[(&str, &str)]; 6] = [
    &[],
    &[("Sec-Fetch-Site", "same-origin")],
    &[("Sec-Fetch-Site", "none")],
    &[("Sec-Fetch-Site", "same-origin"), ("Origin", "https://evil.example")],
    &[("Origin", "http://{host}")],
    // TLS may end before this server.
    &[("Origin", "https://{host}")],
];

fn with(request: RequestBuilder, headers: &[(&str, &str)], app: &App) -> RequestBuilder {
    headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, value.replace("{host}", &app.address.to_string()))
    })
}

/// Every call of both APIs and of OAuth, and paths where nothing is.
fn calls(root: &Project) -> Vec<(Method, String)> {
    let mut calls = routes::calls(root);
    for (base, routes) in [("/api/project", rest::TOKENS), ("/api/projects", rest::PROJECTS)] {
        for (pattern, methods) in routes {
            let path = pattern.replace("{project}", &root.id.to_string()).replace("{token}", &root.token_id);
            calls.extend(methods.iter().map(|method| (method.clone(), format!("{base}{path}"))));
        }
    }
    for path in [
        "/oauth/introspect",
        "/oauth",
        "/oauth/x",
        "/api",
        "/api/x",
        "/api/laml/2010-04-01",
        "/2010-04-01/Accounts",
        // The router reads these as the letters that they stand for.
        "/%61pi/projects",
        "/api/%70roject/tokens",
        "/%6Fauth/introspect",
    ] {
        calls.push((Method::POST, path.to_owned()));
        calls.push((Method::GET, path.to_owned()));
    }
    calls
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn no_call_is_run_for_a_page_of_another_site(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let before = app.database.rows().await;
    let form = [("name", "n"), ("FriendlyName", "n"), ("permissions", "chat"), ("token", root.secret.as_str())];

    for (method, path) in calls(&root) {
        for authorization in [Some(root.authorization()), None] {
            let site = with(app.request(method.clone(), &path), OTHERS[0], &app).form(&form);
            let request = authorization.iter().fold(site, |request, value| request.header("authorization", value));
            let answer = Answer::to(request).await;

            assert_forbidden(&answer, &path, &format!("{method} {path} {}", authorization.is_some()));
        }
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_page_behind_a_request_is_told_by_its_headers(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let account = format!("{COMPATIBILITY}/Accounts");
    let calls = || {
        let list = |path: &str| app.authorized(Method::GET, path, &root);
        let post = |path: &str| app.authorized(Method::POST, path, &root);
        [
            ("/api/projects", 200, list("/api/projects")),
            (account.as_str(), 200, list(&account)),
            (&account, 201, post(&account).form(&[("FriendlyName", "n")])),
            (
                "/api/project/tokens",
                200,
                post("/api/project/tokens").json(&serde_json::json!({ "name": "n", "permissions": ["chat"] })),
            ),
            ("/oauth/introspect", 200, post("/oauth/introspect").form(&[("token", "x")])),
        ]
    };

    for headers in OWN {
        for (path, status, request) in calls() {
            let answer = Answer::to(with(request, headers, &app)).await;
            assert_eq!(answer.status, status, "{path} {headers:?}: {}", answer.text);
        }
    }
    let before = app.database.rows().await;
    for headers in OTHERS {
        for (path, _, request) in calls() {
            assert_forbidden(&Answer::to(with(request, headers, &app)).await, path, &format!("{path} {headers:?}"));
        }
    }
    assert_eq!(app.database.rows().await, before);

    // What takes no credentials, or asks for those of others, is not concerned.
    for path in ["/livez", "/readyz", "/openapi.json", "/docs", "/auth", "/auth/api"] {
        for headers in OTHERS {
            let answer = Answer::to(with(app.authorized(Method::GET, path, &root), headers, &app)).await;
            assert_eq!(answer.status, 200, "{path} {headers:?}");
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_own_address_is_the_one_that_clients_see() {
    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let named = Options { public_url: "https://tokens.example.com/behind".to_owned(), ..Options::default() };
    let named = App::start_with(Backend::Sqlite, named).await;
    let proxied = App::start_with(Backend::Sqlite, Options { trusted_proxies, ..Options::default() }).await;
    let plain = App::start(Backend::Sqlite).await;
    let status = async |app: &App, origin: &str, headers: &[(&str, &str)]| {
        let request = app.authorized(Method::GET, "/api/projects", &app.root).header("origin", origin);
        Answer::to(with(request, headers, app)).await.status
    };
    let forwarded = [("x-forwarded-proto", "https"), ("x-forwarded-host", "api.example.com:8443")];

    for (app, origin, headers, expected) in [
        (&named, "https://tokens.example.com", &[][..], 200),
        (&named, "https://tokens.example.com:443", &[], 200),
        (&named, "https://TOKENS.example.com", &[], 200),
        (&named, "http://tokens.example.com", &[], 403),
        (&named, "https://tokens.example.com:8443", &[], 403),
        (&named, "https://tokens.example.com/behind", &[], 403),
        // A server may be reached by a name of its own as well.
        (&named, "https://inside:1", &[("host", "inside:1")], 200),
        (&proxied, "https://api.example.com:8443", &forwarded, 200),
        (&proxied, "http://api.example.com:8443", &forwarded, 403),
        (&proxied, "https://api.example.com", &forwarded, 403),
        (&proxied, "https://inside", &[("host", "inside")], 200),
        (&plain, "https://api.example.com:8443", &forwarded, 403),
        (&plain, "https://inside", &[("host", "inside")], 200),
        (&plain, "https://inside", &[("host", "inside:443")], 200),
        (&plain, "http://inside", &[("host", "inside:443")], 403),
        (&plain, "https://inside", &[("host", "inside:444")], 403),
        (&plain, "https://outside", &[("host", "inside")], 403),
        (&plain, "file://", &[("host", "inside")], 403),
        (&plain, "moz-extension://inside", &[("host", "inside")], 403),
    ] {
        assert_eq!(status(app, origin, headers).await, expected, "{origin} {headers:?}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_another_site_is_not_waited_for(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();

    for body in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
        let mut raw = Raw::connect(&app).await;
        raw.send(format!(
            "POST {} HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\nSec-Fetch-Site: cross-site\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n{body}\r\n\r\n",
            root.tokens(),
            root.authorization()
        ))
        .await;

        let answer = raw.answer().await.unwrap();
        assert_forbidden(&answer, &root.tokens(), body);
        assert_eq!(answer.header("connection"), Some("close"), "{body}");
    }
    app.stop().await;
}

/// A whole refusal in the words of the API that is at that path.
#[track_caller]
fn assert_forbidden(answer: &Answer, path: &str, case: &str) {
    if path.starts_with(COMPATIBILITY) || path.starts_with("/2010-04-01") {
        assert_refused(answer, 403, 20403, case);
    } else if path.starts_with("/oauth") || path.starts_with("/%6Fauth") {
        assert_eq!((answer.status, answer.json()), (403, serde_json::json!({ "error": "access_denied" })), "{case}");
        assert_common(answer, case);
    } else {
        rest::assert_said(answer, 403, case);
    }
    assert_eq!(answer.header("www-authenticate"), None, "{case}");
}
