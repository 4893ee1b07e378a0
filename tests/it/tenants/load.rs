//! A tenant that asks without end: on many connections, each of which sends its request again as soon as that was answered.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::Project;

/// How often an answer of that status came, by kind of request.
pub(super) type Answers = BTreeMap<(&'static str, u16), usize>;

/// A request as it goes over the wire.
pub(super) struct Request {
    kind: &'static str,
    bytes: Vec<u8>,
}

impl Request {
    pub(super) fn new(kind: &'static str, method: &str, path: &str, caller: &Project, body: &str) -> Self {
        let authorization = caller.authorization();
        let length = body.len();
        let bytes = format!(
            "{method} {path} HTTP/1.1\r\nHost: h\r\nAuthorization: {authorization}\r\nContent-Type: application/json\r\n\
            Content-Length: {length}\r\n\r\n{body}"
        );
        Self { kind, bytes: bytes.into_bytes() }
    }
}

/// The connections, on a thread of their own, so that they take no turn of the service's threads.
pub(super) struct Load {
    ends: Arc<AtomicBool>,
    answers: Arc<Mutex<Answers>>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Begins, and returns when every connection has sent its first request.
    pub(super) async fn begin(address: SocketAddr, requests: Vec<Request>) -> Self {
        let (ends, answers) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Answers>>::default());
        let sent = Arc::new(AtomicUsize::new(0));
        let connections = requests.len();
        let thread = std::thread::spawn({
            let (ends, answers, sent) = (ends.clone(), answers.clone(), sent.clone());
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let asking: Vec<_> = requests
                        .into_iter()
                        .map(|request| tokio::spawn(ask(address, request, ends.clone(), answers.clone(), sent.clone())))
                        .collect();
                    for one in asking {
                        one.await.unwrap();
                    }
                });
            }
        });
        while sent.load(Ordering::SeqCst) < connections {
            assert!(!thread.is_finished(), "a connection failed");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Self { ends, answers, thread: Some(thread) }
    }

    /// Ends it, and says what came of it.
    pub(super) async fn end(mut self) -> Answers {
        self.ends.store(true, Ordering::SeqCst);
        let thread = self.thread.take().unwrap();
        tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
        std::mem::take(&mut *self.answers.lock().unwrap())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
    }
}

async fn ask(
    address: SocketAddr,
    request: Request,
    ends: Arc<AtomicBool>,
    answers: Arc<Mutex<Answers>>,
    sent: Arc<AtomicUsize>,
) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut is_first, mut chunk) = (true, vec![0; 16_384]);
    while !ends.load(Ordering::Relaxed) {
        stream.write_all(&request.bytes).await.unwrap();
        if std::mem::take(&mut is_first) {
            sent.fetch_add(1, Ordering::SeqCst);
        }
        let (status, closes) =
            timeout(Duration::from_secs(60), answer(&mut stream, &mut chunk)).await.expect("an answer");
        *answers.lock().unwrap().entry((request.kind, status)).or_default() += 1;
        // Where it has read no body, it does not wait for one.
        if closes {
            stream = TcpStream::connect(address).await.unwrap();
        }
    }
}

/// Reads one answer to its end. Returns its status, and whether it is the connection's last.
async fn answer(stream: &mut TcpStream, chunk: &mut [u8]) -> (u16, bool) {
    let mut head = Vec::new();
    let (status, closes, mut left) = loop {
        let length = stream.read(chunk).await.unwrap();
        assert!(length > 0, "the connection ended");
        head.extend_from_slice(&chunk[..length]);
        let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&head[..end]).unwrap().to_ascii_lowercase();
        let body: usize =
            text.split("content-length: ").nth(1).map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
        let closes = text.contains("\r\nconnection: close");
        break (text[9..12].parse().unwrap(), closes, body - (head.len() - end - 4));
    };
    while left > 0 {
        let length = stream.read(chunk).await.unwrap();
        assert!(length > 0, "the connection ended");
        left -= length;
    }
    (status, closes)
}
