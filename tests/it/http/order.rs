//! The order of checks: each request here is wrong in one way and in every way that is looked at after it.

use reqwest::Method;
use rstest::rstest;

use super::{NOBODY, assert_refused};
use crate::support::{Answer, App, Backend, COMPATIBILITY, Raw};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_checks_come_in_the_contracts_order(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let stranger = app.project("Stranger", None).await;
    let base = format!("{COMPATIBILITY}/Accounts");
    let (no_uuid, own_tokens) = (format!("{base}/x/tokens"), root.tokens());
    let own = root.token(&root.token_id);
    let junk = "{".to_owned();
    let long = format!("{{\"name\":\"{}\"}}", "a".repeat(65_536));
    let invalid = "{}".to_owned();
    let before = app.database.rows().await;

    // Each request is wrong in its own way and in every way that comes after it.
    let with_credential: Vec<(Method, String, &str, &String, u16, serde_json::Value)> = vec![
        // unknown path, before everything
        (Method::PUT, format!("{base}/x/nothing"), "text/plain", &long, 404, 20404.into()),
        // wrong method, before the malformed id
        (Method::PUT, no_uuid.clone(), "text/plain", &long, 405, 20004.into()),
        (Method::POST, format!("{base}/x/tokens/y"), "text/plain", &long, 405, 20004.into()),
        // a malformed id, before what is outside the tree
        (Method::POST, no_uuid, "text/plain", &long, 400, 10000.into()),
        (Method::PATCH, format!("{}/y", stranger.tokens()), "text/plain", &long, 400, 10000.into()),
        (Method::PATCH, format!("{base}/x/tokens/{}", stranger.token_id), "text/plain", &long, 400, 10000.into()),
        (Method::DELETE, format!("{}/y", stranger.tokens()), "text/plain", &long, 400, 10000.into()),
        // outside the tree, before the body
        (Method::POST, stranger.tokens(), "text/plain", &long, 404, 20404.into()),
        (Method::PATCH, stranger.token(&stranger.token_id), "text/plain", &long, 404, 20404.into()),
        (Method::PATCH, root.token(&stranger.token_id), "text/plain", &junk, 404, 20404.into()),
        (Method::PATCH, root.token(NOBODY), "application/json", &junk, 404, 20404.into()),
        // the body: its length, then its type and form, then its fields
        (Method::POST, own_tokens.clone(), "text/plain", &long, 413, 11751.into()),
        (Method::POST, own_tokens.clone(), "application/json", &long, 413, 11751.into()),
        (Method::PATCH, own.clone(), "text/plain", &long, 413, 11751.into()),
        (Method::POST, own_tokens.clone(), "text/plain", &invalid, 400, 10000.into()),
        (Method::POST, own_tokens.clone(), "application/json", &junk, 400, 10000.into()),
        (Method::PATCH, own, "application/json", &junk, 400, 10000.into()),
        (Method::POST, own_tokens, "application/json", &invalid, 422, "invalid_parameter".into()),
    ];
    for (method, path, content_type, body, status, code) in with_credential {
        let case = format!("{method} {path} {content_type} {:.20}", body);
        let request = |credential: bool| {
            let request = app.request(method.clone(), &path).header("content-type", content_type).body(body.clone());
            if credential { request.header("authorization", root.authorization()) } else { request }
        };

        assert_refused(&Answer::to(request(false)).await, 401, 20003, &case);
        assert_refused(&Answer::to(request(true)).await, status, code, &case);
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

/// A change looks for its token before its body, after it or as it writes: the client cannot tell.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_there_is_404_however_its_change_comes(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let fixed = |body: &str| format!("Content-Length: {}\r\n\r\n{body}", body.len());
    let chunked = |body: &str| format!("Transfer-Encoding: chunked\r\n\r\n{body}");

    for (path, is_there) in [(root.token(NOBODY), false), (root.token(&root.token_id), true)] {
        for (body, fault) in [
            (fixed("{}"), 200),
            (fixed("{"), 400),
            (fixed(r#"{"name":""}"#), 422),
            (format!("Content-Length: {}\r\n\r\n", 1 << 20), 413),
            (chunked("2\r\n{}\r\n0\r\n\r\n"), 200),
            (chunked("1\r\n{\r\n0\r\n\r\n"), 400),
            (chunked("0x24\r\n"), 400),
        ] {
            let authorization = root.authorization();
            let mut raw = Raw::connect(&app).await;
            raw.send(format!(
                "PATCH {path} HTTP/1.1\r\nHost: h\r\nAuthorization: {authorization}\r\n\
                Content-Type: application/json\r\n{body}"
            ))
            .await;

            let status = raw.answer().await.unwrap_or_else(|| panic!("no answer to {body}")).status;
            assert_eq!(status, if is_there { fault } else { 404 }, "{body}");
        }
    }
    app.stop().await;
}
