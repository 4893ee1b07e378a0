//! The life of the process: its start, its work, its end at a signal, and what the next one finds.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    ops::Range,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Backend, Binary, Operator, Project};

const STOPPING: &str = "stopping: no new connections; requests under way are answered";

/// A request to issue a token whose head the server has read and whose body it is waiting for.
struct Pending {
    stream: TcpStream,
    body: String,
}

impl Pending {
    fn begin(binary: &Binary, project: &Project) -> Self {
        let mut stream = TcpStream::connect(&binary.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let body = json!({ "name": "in flight", "permissions": ["chat"] }).to_string();
        let credential = STANDARD.encode(format!("{}:{}", project.id, project.secret));
        write!(
            stream,
            "POST /api/laml/2010-04-01/Accounts/{}/tokens HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {credential}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            project.id,
            binary.address,
            body.len(),
        )
        .unwrap();
        // The server asks for the body: the request is under way.
        let mut asked = [0; 25];
        stream.read_exact(&mut asked).unwrap();
        assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self { stream, body }
    }

    fn send(&mut self, part: Range<usize>) {
        self.stream.write_all(&self.body.as_bytes()[part]).unwrap();
    }

    /// The status, and the secret that was issued.
    fn answer(&mut self) -> (u16, String) {
        let mut answer = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let text = String::from_utf8_lossy(&answer).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n")
                && let Ok(body) = serde_json::from_str::<Value>(body)
            {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return (status, body["token"].as_str().unwrap_or(&text).to_owned());
            }
            match self.stream.read(&mut chunk).unwrap() {
                0 => panic!("the connection ended after {text:?}"),
                count => answer.extend(&chunk[..count]),
            }
        }
    }
}

fn stopped(mut binary: Binary) -> Vec<String> {
    assert_eq!(binary.wait().code(), Some(0));
    binary.wait_for("stopped");
    binary.seen
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_outlives_the_process(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;
    let project = operator.project("Acme");

    let binary = operator.serve();
    let (kept_id, kept) = binary.issue(&project).await;
    let (dead_id, dead) = binary.issue(&project).await;
    let path = |id: &str| format!("/Accounts/{}/tokens/{id}", project.id);
    let patch = binary.compatibility(Method::PATCH, &project, &path(&kept_id)).json(&json!({ "name": "renamed" }));
    assert_eq!(patch.send().await.unwrap().status(), 200);
    let delete = binary.compatibility(Method::DELETE, &project, &path(&dead_id));
    assert_eq!(delete.send().await.unwrap().status(), 204);
    binary.stop();

    let binary = operator.serve();
    assert!(binary.manages(project.id, &kept).await);
    assert!(!binary.manages(project.id, &dead).await);
    let patch = binary.compatibility(Method::PATCH, &project, &path(&kept_id)).json(&json!({}));
    let body: Value = patch.send().await.unwrap().json().await.unwrap();
    assert_eq!(body["name"], "renamed");
    let delete = binary.compatibility(Method::DELETE, &project, &path(&dead_id));
    assert_eq!(delete.send().await.unwrap().status(), 404);
    binary.stop();
    assert!(operator.verifies(project.id, &kept));
    assert!(!operator.verifies(project.id, &dead));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_loses_nothing_that_was_answered(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::migrated(backend).await;
    let project = operator.project("Acme");

    let mut binary = operator.serve();
    let (_, kept) = binary.issue(&project).await;
    let (dead_id, dead) = binary.issue(&project).await;
    let path = format!("/Accounts/{}/tokens/{dead_id}", project.id);
    let deleted = binary.compatibility(Method::DELETE, &project, &path).send().await.unwrap();
    binary.signal("KILL");
    binary.wait();

    assert_eq!(deleted.status(), 204);
    let binary = operator.serve();
    assert!(binary.manages(project.id, &kept).await);
    assert!(!binary.manages(project.id, &dead).await);
    binary.stop();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn it_serves_within_two_seconds_of_its_start(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::new(backend).await;
    let began = Instant::now();

    let binary = operator.serve();
    let live = binary.request(Method::GET, "/livez").send().await.unwrap();
    let ready = binary.request(Method::GET, "/readyz").send().await.unwrap();
    let took = began.elapsed();

    assert_eq!((live.status().as_u16(), ready.status().as_u16()), (200, 200));
    assert!(took < Duration::from_secs(2), "{took:?}");
    binary.stop();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn either_signal_ends_it_with_zero_and_is_logged(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values("TERM", "INT")] signal: &str,
) {
    let operator = Operator::migrated(backend).await;
    let mut binary = operator.serve();

    binary.signal(signal);

    let line = binary.wait_for("signal received");
    assert_eq!(line["signal"], format!("SIG{signal}"));
    stopped(binary);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_do_not_hold_up_the_end(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;
    let binary = operator.serve();
    let mut silent = TcpStream::connect(&binary.address).unwrap();
    let mut idle = TcpStream::connect(&binary.address).unwrap();
    write!(idle, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(idle.read(&mut [0; 4096]).unwrap() > 0);

    let began = Instant::now();
    binary.stop();
    let took = began.elapsed();

    assert!(took < Duration::from_secs(8), "{took:?}");
    // Not an answer, but an end.
    assert!(matches!(silent.read(&mut [0; 1]), Ok(0) | Err(_)));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_is_answered_and_no_new_connection_is_taken(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values("TERM", "INT")] signal: &str,
) {
    let operator = Operator::migrated(backend).await;
    let project = operator.project("Acme");
    let mut binary = operator.serve();
    let mut pending = Pending::begin(&binary, &project);
    let whole = pending.body.len();
    pending.send(0..whole / 2);

    binary.signal(signal);
    binary.wait_for(STOPPING);
    let refused = refused_within(&binary.address, Duration::from_secs(5));
    pending.send(whole / 2..whole);
    let (status, secret) = pending.answer();

    assert_eq!(status, 200, "{secret}");
    assert!(refused, "new connections are still taken");
    stopped(binary);
    assert!(operator.verifies(project.id, &secret));
}

/// Whether connections come to be refused.
fn refused_within(address: &str, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if TcpStream::connect(address).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_longer_than_the_shutdown_timeout_is_cut_off_and_it_still_ends_with_zero() {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let project = operator.project("Acme");
    let mut command = operator.command(&["serve", "--set", "server.shutdown_timeout=1s"]);
    command.args(["--set", "server.body_timeout=1m"]);
    let mut binary = Binary::serve(command);
    let _never_sent = Pending::begin(&binary, &project);

    let began = Instant::now();
    binary.signal("TERM");
    let status = binary.wait();
    let took = began.elapsed();

    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
}

/// The workers end one by one. A connection to the database must not end with the worker that opened it, in the
/// hands of a neighbour: worst of all in a commit, which is made to take long here.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_worker_ends_with_is_not_missed_by_its_neighbour() {
    let operator = Operator::migrated(Backend::Postgres).await;
    operator.database.execute(SLOW_COMMIT).await;
    operator.database.execute(SLOW_COMMIT_OF_TOKENS).await;
    // Of different projects, because the tokens of one are written in turn.
    let projects: Vec<Project> = (0..12).map(|number| operator.project(&number.to_string())).collect();
    let mut binary = Binary::serve(operator.command(&["serve", "--set", "server.workers=2"]));
    // Connections are handed to the workers in turn.
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for pair in projects.chunks(2) {
        first.push((Pending::begin(&binary, &pair[0]), &pair[0]));
        second.push((Pending::begin(&binary, &pair[1]), &pair[1]));
    }

    // The first worker opens connections to the database, and has nothing more to do.
    for (pending, _) in &mut first {
        pending.send(0..pending.body.len());
    }
    for (pending, _) in &mut first {
        assert_eq!(pending.answer().0, 200);
    }
    drop(first);
    // The second one uses them while the first one ends.
    for (pending, _) in &mut second {
        pending.send(0..pending.body.len());
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    binary.signal("TERM");
    binary.wait_for("shutting down idle worker");
    let answers: Vec<(u16, String)> = second.iter_mut().map(|(pending, _)| pending.answer()).collect();

    stopped(binary);
    for ((status, secret), (_, project)) in answers.into_iter().zip(second) {
        assert_eq!(status, 200, "{secret}");
        assert!(operator.verifies(project.id, &secret));
    }
}

const SLOW_COMMIT: &str = "create function slow() returns trigger language plpgsql as
    $$ begin if new.name = 'in flight' then perform pg_sleep(1.5); end if; return null; end $$";

const SLOW_COMMIT_OF_TOKENS: &str = "create constraint trigger slow after insert on tokens
    deferrable initially deferred for each row execute function slow()";

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn every_request_that_was_accepted_is_answered_at_the_end(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::migrated(backend).await;
    let project = operator.project("Acme");
    let mut binary = Binary::serve(operator.command(&["serve", "--set", "server.workers=2"]));
    let mut pending: Vec<Pending> = (0..48).map(|_| Pending::begin(&binary, &project)).collect();

    for (number, pending) in pending.iter_mut().enumerate() {
        let whole = pending.body.len();
        pending.send(0..whole);
        if number == 16 {
            binary.signal("TERM");
        }
    }
    let secrets: Vec<(u16, String)> = pending.iter_mut().map(Pending::answer).collect();

    binary.wait_for("signal received");
    stopped(binary);
    for (status, secret) in secrets {
        assert_eq!(status, 200, "{secret}");
        assert!(operator.verifies(project.id, &secret));
    }
}

/// A log that nobody takes must not cost an answer: the change was committed, and the secret is in that answer alone.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_answered_also_where_it_cannot_be_logged() {
    let directory = tempfile::TempDir::new().unwrap();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut server = crate::support::tokensmith(directory.path())
        .args(["serve", "--bootstrap", "--bind", &address.to_string()])
        .stdout(std::process::Stdio::null())
        .stderr(full)
        .spawn()
        .unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ready = format!("http://{address}/readyz");
    let began = Instant::now();
    while client.get(&ready).send().await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not serve");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let made = std::fs::read(directory.path().join("data/bootstrap.json")).unwrap();
    let made: Value = serde_json::from_slice(&made).unwrap();
    let project = made["project"]["id"].as_str().unwrap();

    let issued = client
        .post(format!("http://{address}/api/laml/2010-04-01/Accounts/{project}/tokens"))
        .basic_auth(project, made["token"]["token"].as_str())
        .form(&[("name", "n"), ("permissions", "chat")])
        .send()
        .await
        .unwrap();
    assert_eq!(issued.status(), 200);

    let asked = std::process::Command::new("kill").args(["-s", "TERM", &server.id().to_string()]).status().unwrap();
    assert!(asked.success());
    assert!(server.wait().unwrap().success());
}
