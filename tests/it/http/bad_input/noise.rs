//! Random bytes, wherever a client can put them: never a 5xx, never a trace in the store.

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use rstest::rstest;
use tokio::runtime::Handle;

use super::head;
use crate::support::{App, Backend, Raw, basic};

const CASES: u32 = 64;

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn noise_is_never_answered_with_a_5xx_and_changes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let before = app.database.rows().await;
    let bytes = || proptest::collection::vec(any::<u8>(), 0..300);
    let noise = (0..6usize, bytes());

    // The same noise each time: what fails here must fail again.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner =
        TestRunner::new_with_rng(Config { cases: CASES, failure_persistence: None, ..Config::default() }, rng);
    let result = tokio::task::block_in_place(|| {
        runner.run(&noise, |(place, bytes)| {
            let statuses = Handle::current().block_on(send(&app, place, &bytes));
            prop_assert!(statuses.iter().all(|status| (400..500).contains(status)), "{statuses:?}");
            Ok(())
        })
    });

    result.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

/// Puts the bytes into a place of a request and gives back the statuses of all answers.
async fn send(app: &App, place: usize, bytes: &[u8]) -> Vec<u16> {
    let root = &app.root;
    let end = b"Connection: close\r\n\r\n".as_slice();
    let start = head(root).into_bytes();
    let with_body = |content_type: &str| {
        let headers =
            format!("Content-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
        [&start, headers.as_bytes(), bytes].concat()
    };
    let anonymous = format!("POST {} HTTP/1.1\r\nHost: h\r\nAuthorization: ", root.tokens()).into_bytes();
    let request = match place {
        0 => [&anonymous, bytes, b"\r\n", end].concat(),
        1 => [&anonymous, basic(&String::from_utf8_lossy(bytes)).as_bytes(), b"\r\n", end].concat(),
        2 => with_body("application/json"),
        3 => with_body("application/x-www-form-urlencoded"),
        4 => [b"POST /api/laml/2010-04-01/Accounts/".as_slice(), bytes, b" HTTP/1.1\r\nHost: h\r\n", end].concat(),
        _ => [&start, b"Content-Type: ".as_slice(), bytes, b"\r\n", end].concat(),
    };
    let mut raw = Raw::connect(app).await;
    raw.try_send(request).await;
    raw.finish().await;
    let said = raw.end().await;
    let said = String::from_utf8_lossy(&said);
    said.match_indices("HTTP/1.1 ").map(|(at, start)| said[at + start.len()..][..3].parse().unwrap()).collect()
}
