//! An answer, whichever way it came: through reqwest, or byte by byte over a socket.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, ToSocketAddrs},
    time::timeout,
};

use super::App;

/// How long to wait for what should come at once, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Answer {
    /// Of a request that reqwest can send.
    pub async fn to(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        Self { status: response.status().as_u16(), headers, text: response.text().await.unwrap() }
    }

    /// The value of a header that comes once, or not at all.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} comes twice");
        value
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {:?}", self.text))
    }

    /// The body with every secret in it replaced, for snapshots.
    pub fn shown(&self) -> String {
        const DIGITS: usize = 48;
        let mut shown = String::new();
        let mut rest = self.text.as_str();
        while let Some(at) = rest.find("PT") {
            let (before, from) = rest.split_at(at);
            shown.push_str(before);
            let is_secret = from.get(2..2 + DIGITS).is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
            let (said, length) = if is_secret { ("[secret]", 2 + DIGITS) } else { ("PT", 2) };
            shown.push_str(said);
            rest = &from[length..];
        }
        shown + rest
    }
}

/// A connection on which a test sends just what it likes.
pub struct Raw {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Raw {
    pub async fn connect(app: &App) -> Self {
        Self::to(app.address).await
    }

    /// To whatever listens there.
    pub async fn to(address: impl ToSocketAddrs) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), unread: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Whether the bytes could still be handed to the network.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Says that nothing more will be sent.
    pub async fn finish(&mut self) {
        let _already_closed = self.stream.shutdown().await;
    }

    /// The next answer; `None` where the connection ends instead.
    pub async fn answer(&mut self) -> Option<Answer> {
        loop {
            if let Some((answer, length)) = parse(&self.unread) {
                self.unread.drain(..length);
                return Some(answer);
            }
            if !self.read(PATIENCE).await.expect("an answer, or the end of the connection") {
                assert_eq!(String::from_utf8_lossy(&self.unread), "", "the connection ended within an answer");
                return None;
            }
        }
    }

    /// Waits until the server has closed the connection, and gives back what it sent before that.
    pub async fn end(&mut self) -> Vec<u8> {
        self.end_within(PATIENCE).await.expect("the server closes the connection")
    }

    /// As `end`, or `None` where the connection is open all that time.
    pub async fn end_within(&mut self, time: Duration) -> Option<Vec<u8>> {
        let all = async { while self.read(PATIENCE).await.unwrap_or(true) {} };
        timeout(time, all).await.ok()?;
        Some(std::mem::take(&mut self.unread))
    }

    /// Reads a little: whether something came, or `None` where nothing happened. A reset is an end as well.
    async fn read(&mut self, time: Duration) -> Option<bool> {
        let mut chunk = [0; 4096];
        let length = timeout(time, self.stream.read(&mut chunk)).await.ok()?.unwrap_or(0);
        self.unread.extend_from_slice(&chunk[..length]);
        Some(length > 0)
    }
}

/// One answer at the beginning of the bytes, if it is whole, and its length.
fn parse(bytes: &[u8]) -> Option<(Answer, usize)> {
    let head_length = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..head_length]).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap_or_else(|| panic!("the header {line:?}")))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let body_length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, l)| l.parse().unwrap());
    let body = bytes.get(head_length..head_length + body_length)?;
    let text = String::from_utf8(body.to_vec()).unwrap();
    Some((Answer { status, headers, text }, head_length + body_length))
}
