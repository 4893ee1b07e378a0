//! When a connection ends, and that nothing behind its end is run.

use rstest::rstest;

use super::head;
use crate::support::{App, Backend, Project, Raw};

const BODY: &str = r#"{"name":"n","permissions":["chat"]}"#;

/// A request that would delete the caller's token, and everything with it that the test still needs.
fn delete(root: &Project) -> String {
    format!(
        "DELETE {} HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\n\r\n",
        root.token(&root.token_id),
        root.authorization()
    )
}

/// A request that issues a token, with headers of its own.
fn issue(root: &Project, headers: &str) -> String {
    let length = BODY.len();
    format!("{}{headers}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{BODY}", head(root))
}

/// The same with its body in chunks.
fn issue_in_chunks(root: &Project, headers: &str) -> String {
    let length = BODY.len();
    format!(
        "{}{headers}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{BODY}\r\n0\r\n\r\n",
        head(root)
    )
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_request_behind_the_last_one_is_not_run(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let behind = delete(&root);
    let show =
        |line: &str, headers: &str| format!("{line}\r\nAuthorization: {}\r\n{headers}\r\n", root.authorization());
    let list = "GET /api/projects HTTP/1.1\r\nHost: h";
    let (mut connections, mut issued) = (Vec::new(), 0);
    let before = app.database.rows().await.len();

    for (last, status) in [
        (show(list, "Connection: close\r\n"), 200),
        (show(list, "Connection: Keep-Alive, CLOSE\r\n"), 200),
        (show(list, "Connection: upgrade\r\nUpgrade: h2c\r\n"), 200),
        (show(list, "Connection: upgrade\r\nUpgrade: websocket\r\n"), 200),
        (show("GET /api/projects HTTP/1.0", ""), 200),
        (show("GET /livez HTTP/1.1\r\nHost: h", "Connection: close\r\n"), 200),
        (show("GET /auth HTTP/1.1\r\nHost: h", "Connection: close\r\n"), 200),
        (show("GET /nowhere HTTP/1.1\r\nHost: h", "Connection: close\r\n"), 404),
        (issue(&root, "Connection: close\r\n"), 200),
        (issue(&root, "Connection: upgrade\r\n"), 200),
        (issue_in_chunks(&root, "Connection: close\r\n"), 200),
        (issue_in_chunks(&root, "Connection: upgrade\r\n"), 200),
        // The answer ends the connection: nobody has read the body.
        (issue_in_chunks(&root, "").replace("Basic ", "Basic x"), 401),
        (issue(&root, "").replace("Basic ", "Basic x"), 401),
    ] {
        for at_once in [true, false] {
            let case = format!("{last} at once: {at_once}");
            let mut raw = Raw::connect(&app).await;
            if at_once {
                raw.send(format!("{last}{behind}{behind}")).await;
            } else {
                raw.send(&last).await;
            }

            let answer = raw.answer().await.unwrap();
            assert_eq!(answer.status, status, "{case}");
            if !last.contains("HTTP/1.0") {
                assert_eq!(answer.header("connection"), Some("close"), "{case}");
            }
            if !at_once {
                raw.try_send(&behind).await;
            }
            issued += usize::from(last.starts_with("POST") && status == 200);
            connections.push((case, raw));
        }
    }
    for (case, mut raw) in connections {
        assert_eq!(String::from_utf8_lossy(&raw.end().await), "", "{case}");
    }
    assert_eq!(app.database.rows().await.len(), before + 2 * issued, "a token and its secret for each");
    assert!(app.manages(root.id, &root.secret).await);
    app.stop().await;
}

/// What nginx sends with the lines that people write for WebSockets, and what Java's client asks for with each request.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_is_asked_for_is_answered_without_one(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let mut ended = Vec::new();

    for upgrade in [
        "Connection: upgrade\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n",
        "Connection: keep-alive, upgrade\r\n",
        "Connection: upgrade\r\nUpgrade: websocket\r\n",
        "Upgrade: websocket\r\n",
        "Connection: close, upgrade\r\n",
    ] {
        let auth =
            format!("POST /auth HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\n{upgrade}\r\n", root.authorization());
        for request in [issue(&root, upgrade), issue_in_chunks(&root, upgrade), auth] {
            let mut raw = Raw::connect(&app).await;
            for round in 0..10 {
                raw.send(&request).await;
                let answer = raw.answer().await.unwrap_or_else(|| panic!("no answer in round {round} to {request}"));

                assert_eq!(answer.status, 200, "{request}");
                assert_eq!(answer.header("upgrade"), None, "{request}");
                match answer.header("connection") {
                    None => {}
                    Some(said) => {
                        assert_eq!(said, "close", "{request}");
                        ended.push((request.clone(), std::mem::replace(&mut raw, Raw::connect(&app).await)));
                    }
                }
            }
        }
    }
    for (case, mut raw) in ended {
        assert_eq!(String::from_utf8_lossy(&raw.end().await), "", "{case}");
    }
    app.stop().await;
}

/// The credential is read from the database on Postgres, so that the body has come before it is known.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_body_is_answered_in_whichever_packet_it_comes(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let chunked = "Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n";
    let auth =
        format!("POST /auth?permission=management HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\n", root.authorization());
    let update = head(&root).replace("POST", "PATCH").replace("/tokens ", &format!("/tokens/{} ", root.token_id));
    let before = app.database.rows().await;
    let mut connections = Vec::new();

    for body in ["0x24\r\n", "x\r\n", "\r\n\r\n", "2\r\n{}x\r\n", "fffffffffffffffff\r\n", "2\n{}\r\n0\r\n\r\n"] {
        for (head, status) in [
            (auth.as_str(), 200),
            (&auth.replace("=management", "=chat"), 403),
            (&auth.replace("Basic ", "Basic x"), 401),
            (&head(&root), 400),
            (&update, 400),
            (&head(&root).replace("Basic ", "Basic x"), 401),
        ] {
            for at_once in [true, true, false] {
                let case = format!("{head}{body:?} at once: {at_once}");
                let mut raw = Raw::connect(&app).await;
                if at_once {
                    raw.send(format!("{head}{chunked}\r\n{body}{}", delete(&root))).await;
                } else {
                    raw.send(format!("{head}{chunked}\r\n")).await;
                    raw.try_send(format!("{body}{}", delete(&root))).await;
                }

                let answer = raw.answer().await.unwrap_or_else(|| panic!("no answer to {case}"));
                assert_eq!((answer.status, answer.header("connection")), (status, Some("close")), "{case}");
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
async fn requests_that_are_sent_ahead_are_answered_in_turn(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let auth = format!("GET /auth HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\n\r\n", root.authorization());
    let livez = "GET /livez HTTP/1.1\nHost: h\n\n".to_owned();
    let round = [auth, issue(&root, ""), livez, issue_in_chunks(&root, ""), "\r\n".to_owned()].concat();
    let rounds = round.repeat(20);

    // In one piece, in pieces that end within lines, and one byte at a time.
    for piece in [rounds.len(), 1000, 7, 1] {
        let mut raw = Raw::connect(&app).await;
        for bytes in rounds.as_bytes().chunks(piece) {
            raw.send(bytes).await;
        }
        for number in 0..80 {
            let answer = raw.answer().await.unwrap_or_else(|| panic!("no answer {number} in pieces of {piece}"));
            assert_eq!((answer.status, answer.header("connection")), (200, None), "{number} in pieces of {piece}");
        }
    }
    app.stop().await;
}

/// The parser remembers of the last head that it has read whether its answer has a body, and whether it ends the connection.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_head_behind_chunks_changes_nothing_of_the_answer_before_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let partial = delete(&root).replace("Host: h", "Host: h\r\nContent-Length: 50") + "abc";
    let trailer = issue_in_chunks(&root, "").replace("\r\n0\r\n", "\r\n0;x=y\r\nX: y\r\n");

    for first in [issue_in_chunks(&root, ""), trailer] {
        let before = app.database.rows().await.len();
        for (behind, status) in [
            ("HEAD /livez HTTP/1.1\r\nHost: h\r\n\r\n", 200),
            ("GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 200),
            ("GET /livez HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\n\r\n", 200),
            ("GET /livez HTTP/1.0\r\n\r\n", 200),
            ("NONSENSE\r\n\r\n", 400),
        ] {
            let mut raw = Raw::connect(&app).await;
            raw.send(format!("{first}{behind}")).await;

            let answer = raw.answer().await.unwrap();
            assert_eq!((answer.status, answer.header("connection")), (200, None), "{behind}");
            assert!(answer.json()["token"].is_string(), "{behind}: {}", answer.text);
            raw.finish().await;
            let rest = String::from_utf8(raw.end().await).unwrap();
            let said = rest.strip_prefix("HTTP/1.1 ").or_else(|| rest.strip_prefix("HTTP/1.0 "));
            assert!(said.is_some_and(|said| said.starts_with(&status.to_string())), "{behind}: {rest}");
            assert_eq!(rest.matches("HTTP/1.").count(), 1, "{behind}: {rest}");
        }
        assert_eq!(app.database.rows().await.len(), before + 5 * 2, "a token and its secret for each");
    }

    // Its body is not there yet, so that its own answer is the last one, and not the answer before it.
    let mut raw = Raw::connect(&app).await;
    raw.send(format!("{}{partial}", issue_in_chunks(&root, ""))).await;
    let first = raw.answer().await.unwrap();
    assert_eq!((first.status, first.header("connection")), (200, None));
    let second = raw.answer().await.unwrap();
    assert_eq!((second.status, second.header("connection")), (204, Some("close")));
    assert_eq!(String::from_utf8_lossy(&raw.end().await), "");
    app.stop().await;
}
