//! Where one request ends and the next begins: what nobody read of a body is never taken for a request.

use rstest::rstest;

use super::{assert_refused, head};
use crate::support::{App, Backend, Project, Raw};

/// What a smuggler would like to have run: it would delete the caller's token.
fn smuggled(root: &Project) -> String {
    format!(
        "DELETE {} HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\n\r\n",
        root.token(&root.token_id),
        root.authorization()
    )
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_unread_body_is_never_taken_for_a_request(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let before = app.database.rows().await;
    let hidden = smuggled(&root);
    let anonymous = format!("POST {} HTTP/1.1\r\nHost: h\r\n", root.tokens());
    let wrong = head(&root).replace("Basic ", "Basic x");
    let elsewhere = head(&root).replace("/Accounts/", "/Nowhere/");
    let outside = "POST /nowhere HTTP/1.1\r\nHost: h\r\n".to_owned();
    let method = head(&root).replace("POST", "PUT");
    let malformed = head(&root).replace(&format!("/{}/", root.id), "/x/");
    let livez = "GET /livez HTTP/1.1\r\nHost: h\r\n".to_owned();
    let upgrade = format!("{anonymous}Connection: upgrade\r\nUpgrade: websocket\r\n");

    let mut connections = Vec::new();
    for (head, status) in [
        (&anonymous, 401),
        (&wrong, 401),
        (&elsewhere, 404),
        (&outside, 404),
        (&method, 405),
        (&malformed, 400),
        (&livez, 200),
        (&upgrade, 401),
    ] {
        let in_chunks = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
        let endless = format!("{:x}\r\n{hidden}", hidden.len() + 1);
        for (body_headers, body) in [
            // All of the body is there, or some of it is still to come.
            (format!("Content-Length: {}\r\n\r\n", hidden.len()), &hidden),
            (format!("Content-Length: {}\r\n\r\n", hidden.len() + 1), &hidden),
            ("Content-Length: 10000000\r\n\r\n".to_owned(), &hidden),
            ("Transfer-Encoding: chunked\r\n\r\n".to_owned(), &in_chunks),
            ("Transfer-Encoding: chunked\r\n\r\n".to_owned(), &endless),
        ] {
            for at_once in [true, false] {
                let case = format!("{head}{body_headers} at once: {at_once}");
                let mut raw = Raw::connect(&app).await;
                if at_once {
                    raw.send(format!("{head}{body_headers}{body}")).await;
                } else {
                    raw.send(format!("{head}{body_headers}")).await;
                }

                let answer = raw.answer().await.unwrap();
                assert_eq!(answer.status, status, "{case}");
                assert_eq!(answer.header("connection"), Some("close"), "{case}");
                if !at_once {
                    raw.try_send(body).await;
                }
                connections.push((case, raw));
            }
        }
    }
    for (case, mut raw) in connections {
        assert_eq!(String::from_utf8_lossy(&raw.end().await), "", "{case}");
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_never_taken_for_a_request(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let before = app.database.rows().await;
    let hidden = smuggled(&root);
    let padding = "x".repeat(70_000);

    for body in [
        format!("Content-Length: {}\r\n\r\n{padding}{hidden}", padding.len() + hidden.len()),
        format!("Content-Length: {}\r\n\r\n{hidden}{padding}", padding.len() + hidden.len()),
        format!(
            "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{padding}{hidden}\r\n0\r\n\r\n",
            padding.len() + hidden.len()
        ),
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{padding}\r\nffff\r\n{hidden}", padding.len()),
    ] {
        let mut raw = Raw::connect(&app).await;
        raw.try_send(format!("{}Content-Type: application/json\r\n{body}", head(&root))).await;

        let answer = raw.answer().await.unwrap();
        assert_refused(&answer, 413, 11751, "too large");
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(String::from_utf8_lossy(&raw.end().await), "");
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_body_ends_the_connection_as_well(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();

    for body in ["Content-Length: 10\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"] {
        let (id, _) = app.issue(&root, &["chat"]).await;
        let before = app.database.rows().await.len();
        let mut raw = Raw::connect(&app).await;
        let head = head(&root).replace("POST", "DELETE").replace("/tokens ", &format!("/tokens/{id} "));
        raw.send(format!("{head}{body}")).await;

        let answer = raw.answer().await.unwrap();
        assert_eq!((answer.status, answer.header("connection")), (204, Some("close")));
        assert_eq!(raw.end().await, b"");
        assert_eq!(app.database.rows().await.len(), before - 2, "the token and its secret are gone");
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn requests_whose_bodies_were_read_share_a_connection(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let body = r#"{"name":"n","permissions":["chat"]}"#;
    let json = format!("{}Content-Type: application/json\r\n", head(&root));
    let good = format!("{json}Content-Length: {}\r\n\r\n{body}", body.len());
    let in_chunks =
        format!("{json}Transfer-Encoding: chunked\r\n\r\n{:x};ext=1\r\n{body}\r\n0\r\nX: y\r\n\r\n", body.len());
    let invalid = format!("{json}Content-Length: 2\r\n\r\n{{}}");
    let malformed = format!("{json}Content-Length: 1\r\n\r\n{{");
    let empty = "GET /livez HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n".to_owned();

    let mut raw = Raw::connect(&app).await;
    raw.send([&good, &in_chunks, &invalid, &malformed, &empty, &good].map(String::as_str).concat()).await;
    for status in [200, 200, 422, 400, 200, 200] {
        let answer = raw.answer().await.unwrap();
        assert_eq!((answer.status, answer.header("connection")), (status, None), "{}", answer.text);
    }
    drop(raw);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_end_is_unclear_is_400_and_ends_the_connection(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let before = app.database.rows().await;
    let body = r#"{"name":"n","permissions":["chat"]}"#;
    let hidden = smuggled(&root);
    let length = body.len();

    for headers in [
        format!("Content-Length: {length}\r\nContent-Length: {length}\r\n"),
        format!("Content-Length: {length}, {length}\r\n"),
        format!("Content-Length: +{length}\r\n"),
        format!("Content-Length: -{length}\r\n"),
        format!("Content-Length: 0x{length:x}\r\n"),
        "Content-Length: 99999999999999999999\r\n".to_owned(),
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
        "Transfer-Encoding: gzip, chunked\r\n".to_owned(),
        "Transfer-Encoding: chunked, identity\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\n".to_owned(),
        "Transfer-Encoding: identity\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n".to_owned(),
        format!("Content-Length : {length}\r\n"),
        format!("X: y\r\n Content-Length: {length}\r\n"),
    ] {
        let mut raw = Raw::connect(&app).await;
        raw.try_send(format!("{}Content-Type: application/json\r\n{headers}\r\n{body}{hidden}", head(&root))).await;

        // The parser's own answer: without a body, without our headers.
        if let Some(answer) = raw.answer().await {
            assert_eq!((answer.status, answer.text.as_str()), (400, ""), "{headers}");
        }
        assert_eq!(String::from_utf8_lossy(&raw.end().await), "", "{headers}");
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_are_none_end_the_connection(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let before = app.database.rows().await;

    for chunks in
        ["x\r\n", "\r\n\r\n", "-1\r\n", "2\r\n{}x\r\n0\r\n\r\n", "fffffffffffffffff\r\n", "2\n{}\r\n0\r\n\r\n"]
    {
        let mut raw = Raw::connect(&app).await;
        let headers = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        raw.try_send(format!("{}{headers}{chunks}{}", head(&root), smuggled(&root))).await;

        assert_refused(&raw.answer().await.expect("an answer"), 400, 10000, chunks);
        assert_eq!(String::from_utf8_lossy(&raw.end().await), "", "{chunks:?}");
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}
