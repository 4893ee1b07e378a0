//! The end of a server: what clients with kept connections lose, and what cuts it short.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use reqwest::Method;
use rstest::rstest;

use crate::support::{Backend, Binary, Cluster, Operator, tokensmith};

/// A client that knows no better than to use its connection for as long as nobody tells it not to.
struct Kept {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Kept {
    fn to(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { stream, unread: Vec::new() }
    }

    /// The head of the answer; `None` where the connection ends under its hands.
    fn ask(&mut self, path: &str) -> Option<String> {
        write!(self.stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").ok()?;
        loop {
            let text = String::from_utf8_lossy(&self.unread).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.split("content-length: ").nth(1).map_or("0", |rest| rest.lines().next().unwrap());
                if body.len() >= length.parse::<usize>().unwrap() {
                    self.unread.clear();
                    return Some(head.to_lowercase());
                }
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(count @ 1..) => self.unread.extend(&bytes[..count]),
                Ok(0) | Err(_) => return None,
            }
        }
    }
}

fn says_close(head: &str) -> bool {
    head.contains("\r\nconnection: close")
}

/// Kept connections that are used all the time, and what becomes of the last request on each: whether it was answered.
fn use_until_told(address: &str, clients: usize, pause: Duration) -> Vec<thread::JoinHandle<bool>> {
    let client = |path: &'static str| {
        let mut kept = Kept::to(address);
        move || {
            loop {
                match kept.ask(path) {
                    Some(head) if says_close(&head) => return true,
                    Some(_) => thread::sleep(pause),
                    None => return false,
                }
            }
        }
    };
    (0..clients).map(|number| thread::spawn(client(if number % 2 == 0 { "/livez" } else { "/auth" }))).collect()
}

#[rstest]
#[case::without_a_drain("0s")]
#[case::with_a_drain("1s")]
#[tokio::test(flavor = "multi_thread")]
async fn kept_connections_lose_no_request_at_the_end(#[case] drain: &str) {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let mut binary = Binary::serve(operator.command(&["serve", "--set", &format!("server.drain={drain}")]));
    let clients = use_until_told(&binary.address, 16, Duration::from_millis(20));
    thread::sleep(Duration::from_millis(200));
    assert!(clients.iter().all(|client| !client.is_finished()), "connections are kept");

    binary.signal("TERM");
    let answered: Vec<bool> = clients.into_iter().map(|client| client.join().unwrap()).collect();

    assert_eq!(answered, [true; 16], "each client was told before its connection ended");
    assert_eq!(binary.wait().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_drains_is_not_ready_and_still_answers() {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let mut binary = Binary::serve(operator.command(&["serve", "--set", "server.drain=2s"]));
    let mut kept = Kept::to(&binary.address);
    assert!(!says_close(&kept.ask("/readyz").unwrap()));

    binary.signal("TERM");
    binary.wait_for("draining: not ready; each answer is the last of its connection");
    let began = Instant::now();
    let ready = kept.ask("/readyz").unwrap();
    let fresh = [Kept::to(&binary.address).ask("/livez").unwrap(), Kept::to(&binary.address).ask("/auth").unwrap()];
    let answer = binary.request(Method::GET, "/readyz").send().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "the machine is too busy to tell");

    assert!(ready.starts_with("http/1.1 503") && says_close(&ready) && ready.contains("\r\nretry-after: "), "{ready}");
    assert!(fresh[0].starts_with("http/1.1 200") && says_close(&fresh[0]), "{}", fresh[0]);
    assert!(fresh[1].starts_with("http/1.1 401") && says_close(&fresh[1]), "{}", fresh[1]);
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(body["message"], "the server is stopping; send requests to another one, or try again in a moment");
    binary.wait_for("stopping: no new connections; requests under way are answered");
    assert_eq!(binary.wait().code(), Some(0));
    let refused = TcpStream::connect(&binary.address);
    assert!(refused.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused));
}

#[rstest]
#[case::sigint("INT", 130)]
#[case::sigterm("TERM", 143)]
#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_server_at_once(#[case] signal: &str, #[case] code: i32) {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let mut binary = Binary::serve(operator.command(&["serve", "--set", "server.drain=1h"]));

    binary.signal("TERM");
    binary.wait_for("draining: not ready; each answer is the last of its connection");
    let began = Instant::now();
    binary.signal(signal);
    let status = binary.wait();

    assert_eq!(status.code(), Some(code));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    binary.wait_for("a second signal: ending at once, and cutting off what is under way");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_during_the_start_is_heeded_though_postgres_is_frozen() {
    let directory = tempfile::TempDir::new().unwrap();
    let mut cluster = Cluster::start();
    let mut command = tokensmith(directory.path());
    command.env("TOKENSMITH_DATABASE__URL", &cluster.url).env("TOKENSMITH_SERVER__KEY", "07".repeat(32));
    command.args(["serve", "--bind", &SocketAddr::from(([127, 0, 0, 1], 0)).to_string()]);
    cluster.freeze();

    let mut server = command.stderr(std::process::Stdio::null()).spawn().unwrap();
    // Its signals are taken at once, and Postgres is waited for up to 10 s.
    thread::sleep(Duration::from_secs(2));
    assert!(server.try_wait().unwrap().is_none(), "it waits for Postgres");
    let began = Instant::now();
    let asked = std::process::Command::new("kill").args(["-s", "TERM", &server.id().to_string()]).status().unwrap();
    assert!(asked.success());
    let status = server.wait().unwrap();
    let took = began.elapsed();

    cluster.thaw();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
}
