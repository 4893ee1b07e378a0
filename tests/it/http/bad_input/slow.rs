//! Clients that take their time: nobody holds a connection by not sending what was announced.

use std::time::{Duration, Instant};

use rstest::rstest;

use super::{assert_refused, head};
use crate::support::{App, Backend, Options, Raw};

const BODY_TIMEOUT: Duration = Duration::from_millis(500);

/// Far more than any of the server's times here, on a busy machine.
const LONG: Duration = Duration::from_secs(20);

async fn start(backend: Backend) -> App {
    App::start_with(backend, Options { body_timeout: BODY_TIMEOUT, ..Options::default() }).await
}

/// The ways to announce a body.
const ANNOUNCED: [&str; 2] = [
    "Content-Type: application/json\r\nContent-Length: 40\r\n\r\n",
    "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
];

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_announced_and_never_sent_is_408_and_ends_the_connection(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = start(backend).await;
    let root = app.root.clone();
    let before = app.database.rows().await;

    for announced in ANNOUNCED {
        let mut raw = Raw::connect(&app).await;
        raw.send(format!("{}{announced}", head(&root))).await;

        let answer = raw.answer().await.unwrap();
        assert_refused(&answer, 408, 10000, announced);
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(raw.end_within(LONG).await.as_deref(), Some(&b""[..]), "{announced}");
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_drips_is_408_and_ends_the_connection(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = start(backend).await;
    let root = app.root.clone();
    let before = app.database.rows().await;

    let mut connections = Vec::new();
    for announced in ANNOUNCED {
        let mut raw = Raw::connect(&app).await;
        raw.send(format!("{}{announced}", head(&root))).await;
        connections.push((announced.to_owned(), raw, a_little(announced)));
    }

    for (case, said) in drip(connections).await {
        assert!(said.starts_with(b"HTTP/1.1 408 Request Timeout\r\n"), "{case}: {}", String::from_utf8_lossy(&said));
    }
    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_unauthenticated_body_is_not_waited_for_and_holds_no_connection(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    // The body timeout plays no part, or this test would be as slow.
    let options = Options { body_timeout: Duration::from_secs(3600), ..Options::default() };
    let mut app = App::start_with(backend, options).await;
    let root = app.root.clone();
    let before = app.database.rows().await;
    let anonymous = format!("POST {} HTTP/1.1\r\nHost: h\r\n", root.tokens());
    let wrong = head(&root).replace("Basic ", "Basic x");
    let outside = "POST /nowhere HTTP/1.1\r\nHost: h\r\n".to_owned();
    let unknown = head(&root).replace("/Accounts/", "/Nowhere/");
    let livez = "GET /livez HTTP/1.1\r\nHost: h\r\n".to_owned();

    let mut connections = Vec::new();
    for (head, status) in [(anonymous, 401), (wrong, 401), (outside, 404), (unknown, 404), (livez, 200)] {
        for announced in ANNOUNCED {
            for little in ["", a_little(announced)] {
                let case = format!("{head}{announced} drips: {little:?}");
                let mut raw = Raw::connect(&app).await;
                raw.send(format!("{head}{announced}")).await;

                assert_eq!(raw.answer().await.unwrap().status, status, "{case}");
                connections.push((case, raw, little));
            }
        }
    }

    for (case, said) in drip(connections).await {
        assert_eq!(String::from_utf8_lossy(&said), "", "{case}");
    }
    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_comes_in_pieces_but_in_time_is_read() {
    let options = Options { body_timeout: Duration::from_secs(60), ..Options::default() };
    let mut app = App::start_with(Backend::Sqlite, options).await;
    let body = r#"{"name":"n","permissions":["chat"]}"#;

    let mut raw = Raw::connect(&app).await;
    raw.send(format!("{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", head(&app.root), body.len()))
        .await;
    for byte in body.bytes() {
        raw.send([byte]).await;
        tokio::task::yield_now().await;
    }

    assert_eq!(raw.answer().await.unwrap().status, 200);
    drop(raw);
    app.stop().await;
}

/// A piece of a body that is announced so, and not its end.
fn a_little(announced: &str) -> &'static str {
    if announced.contains("chunked") { "1\r\n \r\n" } else { " " }
}

/// Sends a little on each connection now and then until the server has closed them all; what it said before that.
async fn drip(mut open: Vec<(String, Raw, &str)>) -> Vec<(String, Vec<u8>)> {
    let began = Instant::now();
    let mut ended = Vec::new();
    while let Some((case, mut raw, little)) = open.pop() {
        assert!(began.elapsed() < LONG, "the connection stays open: {case}");
        raw.try_send(little).await;
        match raw.end_within(Duration::from_millis(20)).await {
            Some(said) => ended.push((case, said)),
            None => open.insert(0, (case, raw, little)),
        }
    }
    ended
}

fn impatient() -> Options {
    // actix-web's own clock ticks every half second: less would refuse heads that come at once.
    let short = Duration::from_secs(1);
    Options { header_timeout: short, keep_alive: short, ..Options::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_stops_half_way_ends_the_connection_whichever_request_it_is_of() {
    let mut app = App::start_with(Backend::Sqlite, impatient()).await;

    for answered_before in [0, 1, 3] {
        let mut raw = Raw::connect(&app).await;
        for _ in 0..answered_before {
            raw.send("GET /livez HTTP/1.1\r\nHost: h\r\n\r\n").await;
            assert_eq!(raw.answer().await.unwrap().status, 200);
        }
        raw.send("GET /livez HTTP/1.1\r\nHos").await;

        assert!(raw.end_within(LONG).await.is_some(), "still open after {answered_before} answers");
    }

    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_a_later_head_counts_from_its_first_byte() {
    let hour = Duration::from_secs(3600);
    let options = Options { header_timeout: Duration::from_secs(1), keep_alive: hour, ..Options::default() };
    let mut app = App::start_with(Backend::Sqlite, options).await;

    for answered_before in [1, 3] {
        let mut raw = Raw::connect(&app).await;
        for _ in 0..answered_before {
            raw.send("GET /livez HTTP/1.1\r\nHost: h\r\n\r\n").await;
            assert_eq!(raw.answer().await.unwrap().status, 200);
        }
        // Longer than a head may take: it has not begun.
        assert!(raw.end_within(Duration::from_millis(1500)).await.is_none(), "an idle connection is kept");
        raw.send("GET /livez HTTP/1.1\r\nHos").await;

        for (case, said) in drip(vec![(format!("after {answered_before} answers"), raw, "t")]).await {
            assert_eq!(String::from_utf8_lossy(&said), "", "{case}");
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_keeps_its_connection_however_long_it_takes() {
    let mut app = App::start_with(Backend::Sqlite, impatient()).await;
    let body = r#"{"name":"n","permissions":["chat"]}"#;

    let mut raw = Raw::connect(&app).await;
    raw.send(format!("{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", head(&app.root), body.len()))
        .await;
    // Longer than an idle connection would be kept.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    raw.send(body).await;

    assert_eq!(raw.answer().await.unwrap().status, 200);
    app.stop().await;
}
