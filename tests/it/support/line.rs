//! A line to Postgres that can break and go silent, as lines do.

use std::{
    net::Ipv4Addr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
};

use super::Database;

/// Where a connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutAt {
    /// The server never hears what was said.
    Before,
    /// The server has answered it, and the answer is lost.
    After,
    /// It passes nothing on any more, and stays open.
    Silently,
}

/// A relay between a store and its Postgres.
pub struct Line {
    url: url::Url,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// The next connection on which that text is said breaks there.
    cut: Mutex<Option<(&'static str, CutAt)>>,
    opened: AtomicU64,
    /// Connections that were opened before that one pass nothing on.
    silent_before: AtomicU64,
    /// Connections are begun without their start-up options.
    without_options: AtomicBool,
}

trait Stream: AsyncRead + AsyncWrite + Send {}
impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

impl Line {
    pub async fn to(database: &Database) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut url = url::Url::parse(&database.url()).unwrap();
        let server: PgConnectOptions = url.as_str().parse().unwrap();
        url.set_query(None);
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let state = Arc::new(State::default());
        tokio::spawn(accept(listener, server, state.clone()));
        Self { url, state }
    }

    /// How to connect by this line.
    pub fn options(&self) -> PgConnectOptions {
        self.url.as_str().parse::<PgConnectOptions>().unwrap().ssl_mode(PgSslMode::Disable)
    }

    /// Breaks one connection, the next one on which that text is said.
    pub fn cut(&self, text: &'static str, how: CutAt) {
        *self.state.cut.lock().unwrap() = Some((text, how));
    }

    /// Whether the text of the last `cut` was said.
    pub fn has_been_cut(&self) -> bool {
        self.state.cut.lock().unwrap().is_none()
    }

    /// Lets the connections that are open now stay open and pass nothing on any more.
    pub fn silence(&self) {
        self.state.silent_before.store(self.state.opened.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Leaves the start-up options out of those connections that are opened from now on, as a pooler may.
    pub fn drop_start_up_options(&self) {
        self.state.without_options.store(true, Ordering::SeqCst);
    }
}

async fn accept(listener: TcpListener, server: PgConnectOptions, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let (server, state) = (server.clone(), state.clone());
        tokio::spawn(async move {
            let server: Pin<Box<dyn Stream>> = match server.get_socket() {
                Some(folder) => {
                    let path = folder.join(format!(".s.PGSQL.{}", server.get_port()));
                    Box::pin(UnixStream::connect(path).await?)
                }
                None => Box::pin(TcpStream::connect((server.get_host(), server.get_port())).await?),
            };
            carry(client, server, &state).await
        });
    }
}

async fn carry(mut client: TcpStream, mut server: Pin<Box<dyn Stream>>, state: &State) -> std::io::Result<()> {
    let number = state.opened.fetch_add(1, Ordering::SeqCst);
    let (mut up, mut down) = ([0; 16_384], [0; 16_384]);
    if state.without_options.load(Ordering::SeqCst) {
        let length = client.read(&mut up).await?;
        server.write_all(&without_options(&up[..length])).await?;
    }
    loop {
        let (from_client, length) = tokio::select! {
            length = client.read(&mut up) => (true, length?),
            length = server.read(&mut down) => (false, length?),
        };
        if number < state.silent_before.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if length == 0 {
            return Ok(());
        }
        if !from_client {
            client.write_all(&down[..length]).await?;
            continue;
        }
        match state.judge(&up[..length]) {
            None => server.write_all(&up[..length]).await?,
            Some(CutAt::Before) => return Ok(()),
            Some(CutAt::Silently) => std::future::pending().await,
            Some(CutAt::After) => {
                server.write_all(&up[..length]).await?;
                let _lost = server.read(&mut down).await?;
                return Ok(());
            }
        }
    }
}

/// A start-up message without its options: a length, a version, and pairs of texts that end with a zero each.
fn without_options(message: &[u8]) -> Vec<u8> {
    let texts: Vec<&[u8]> = message[8..].split(|byte| *byte == 0).collect();
    let mut kept = message[4..8].to_vec();
    for pair in texts.chunks(2).filter(|pair| pair.len() == 2 && !pair[0].is_empty() && pair[0] != b"options") {
        pair.iter().for_each(|text| kept.extend([*text, &[0]].concat()));
    }
    kept.push(0);
    let length = u32::try_from(kept.len() + 4).unwrap();
    [&length.to_be_bytes()[..], &kept].concat()
}

impl State {
    fn judge(&self, said: &[u8]) -> Option<CutAt> {
        let mut cut = self.cut.lock().unwrap();
        let (text, how) = (*cut)?;
        if !said.windows(text.len()).any(|window| window == text.as_bytes()) {
            return None;
        }
        *cut = None;
        Some(how)
    }
}
