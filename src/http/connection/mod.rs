//! Connections, as the dispatcher of actix-http is to see them: one request at a time, and none for ever.
//!
//! Left to itself the dispatcher reads on while a request is under way. It decodes a body whose request nobody has let in
//! yet, and drops that request where the body is malformed; it answers requests behind the one that ended the
//! connection; and its limit on the time of a head counts for the first of a connection alone. So the bytes stop here behind each
//! head and behind each body, until the door asks for the body or has answered. A body in chunks ends where `chunks` sees its
//! end: were the dispatcher given more, it would decode the next heads while the first handler runs, and say of the first
//! answer what holds for the last head, such as that an answer to HEAD has no body. Ending the connection behind each
//! chunked body would be simpler, but would not keep the bytes of the next head back, and clients that stream their
//! bodies would connect anew for each request. <https://github.com/actix/actix-web/pull/4180> would have made the
//! dispatcher do so itself, and <https://github.com/actix/actix-web/issues/928> asked for the limit.

mod chunks;
mod head;

use std::{
    cell::Cell,
    io,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use actix_http::Request;
use actix_web::{rt::net::TcpStream, web::BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use chunks::ChunksEnd;
use head::HeadEnd;

/// How long a connection may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For the rest of a head, from its first byte on.
    pub(super) head: Duration,
    /// For the next head, and for the client to take the last answer.
    pub(super) idle: Duration,
}

/// A connection, as the door and its own socket know it. Both are on one thread.
#[derive(Clone)]
pub(super) struct Connection(Rc<Shared>);

struct Shared {
    gate: Cell<Gate>,
    stage: Cell<Stage>,
    /// The dispatcher, where bytes wait for the gate.
    waiting: Cell<Option<Waker>>,
    /// Whether the connection ends with an answer that was given already.
    is_ending: Cell<bool>,
}

/// Which bytes the dispatcher gets to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    /// Those of the next head, to its end.
    Head,
    /// None.
    Shut,
    /// At most so many of a body.
    Body(u64),
    /// Those of a body in chunks, to its end.
    Chunks(ChunksEnd),
    /// All of them, to throw them away.
    Rest,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// No head has come yet. The dispatcher answers 408 where the first one is late.
    New(Instant),
    /// The last request was answered then.
    Idle(Instant),
    /// The first byte of a later head came then.
    Head(Instant),
    /// A request is under way.
    UnderWay,
}

impl Connection {
    /// The connection that a request came on.
    pub(super) fn of(request: &Request) -> Option<Self> {
        request.conn_data::<Self>().cloned()
    }

    /// Lets a body through: of that length, or in chunks if it has none.
    pub(super) fn let_body_through(&self, length: Option<u64>) {
        self.open(length.map_or_else(|| Gate::Chunks(ChunksEnd::default()), Gate::Body));
    }

    /// Whether a body in chunks goes on, as the gate sees it.
    pub(super) fn is_within_chunks(&self) -> bool {
        matches!(self.0.gate.get(), Gate::Chunks(_))
    }

    /// Lets the next request through: the last one has been answered, and its body read.
    pub(super) fn let_next_through(&self) {
        self.open(Gate::Head);
    }

    /// Lets all that still comes through: the connection ends, and the dispatcher throws away what it reads.
    pub(super) fn let_rest_through(&self) {
        self.open(Gate::Rest);
    }

    /// Notes that the connection ends with the answer at hand. Nothing more is let through before that is written.
    pub(super) fn end(&self) {
        self.0.is_ending.set(true);
        self.0.gate.set(Gate::Shut);
    }

    /// Whether an answer has ended the connection.
    pub(super) fn is_ending(&self) -> bool {
        self.0.is_ending.get()
    }

    fn open(&self, gate: Gate) {
        self.0.gate.set(gate);
        if let Some(dispatcher) = self.0.waiting.take() {
            dispatcher.wake();
        }
    }

    /// When the connection has waited long enough; `None` while a request is under way.
    fn ends_at(&self, patience: Patience) -> Option<Instant> {
        match self.0.stage.get() {
            Stage::New(since) | Stage::Idle(since) => Some(since + patience.idle),
            Stage::Head(since) => Some(since + patience.head),
            Stage::UnderWay => None,
        }
    }
}

/// A request under way: its connection is not idle until this is dropped.
pub(super) struct UnderWay(Option<Connection>);

impl UnderWay {
    /// Notes that a request has begun.
    pub(super) fn begin(connection: Option<&Connection>) -> Self {
        if let Some(connection) = connection {
            connection.0.stage.set(Stage::UnderWay);
        }
        Self(connection.cloned())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(connection) = &self.0 {
            connection.0.stage.set(Stage::Idle(Instant::now()));
        }
    }
}

/// A client's socket, with the gate and the clock.
pub(super) struct Socket {
    io: TcpStream,
    connection: Connection,
    patience: Patience,
    head: HeadEnd,
    /// What was read and may not be seen yet.
    behind: BytesMut,
    /// Wakes the dispatcher no later than the connection ends. Set anew when it goes off, not with each request.
    timer: Pin<Box<Sleep>>,
    /// Whether the client has not taken all of what was written.
    is_write_blocked: bool,
    is_over: bool,
}

impl Socket {
    /// Takes a socket that a worker has just accepted, and says whose it is.
    pub(super) fn accept(io: TcpStream, patience: Patience) -> (Self, Option<SocketAddr>) {
        let peer = io.peer_addr().ok();
        // A connection that is gone already says so when it is read.
        let _gone = io.set_nodelay(true);
        let connection = Connection(Rc::new(Shared {
            gate: Cell::new(Gate::Head),
            stage: Cell::new(Stage::New(Instant::now())),
            waiting: Cell::new(None),
            is_ending: Cell::new(false),
        }));
        let timer = Box::pin(sleep(patience.idle));
        let behind = BytesMut::new();
        let head = HeadEnd::default();
        (Self { io, connection, patience, head, behind, timer, is_write_blocked: false, is_over: false }, peer)
    }

    pub(super) fn connection(&self) -> Connection {
        self.connection.clone()
    }

    /// Reads what the gate lets through.
    fn poll_admitted(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.behind.is_empty() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
            let read = &buffer.filled()[before..];
            let admitted = admit(&self.connection, &mut self.head, read);
            self.behind.extend_from_slice(&read[admitted..]);
            buffer.set_filled(before + admitted);
        } else {
            let offered = self.behind.len().min(buffer.remaining());
            let admitted = admit(&self.connection, &mut self.head, &self.behind[..offered]);
            buffer.put_slice(&self.behind.split_to(admitted));
        }
        // Whatever came of a head may be all that comes for now.
        if let Stage::Head(since) = self.connection.0.stage.get() {
            self.timer.as_mut().reset(since + self.patience.head);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads nothing, but tells when the client is gone, so that nobody works for it.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.behind.is_empty() {
            let mut byte = [0];
            if ready!(self.io.poll_peek(context, &mut ReadBuf::new(&mut byte)))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        self.connection.0.waiting.set(Some(context.waker().clone()));
        Poll::Pending
    }

    /// Whether the connection has waited long enough; if not, the dispatcher is woken when it has.
    fn is_overdue(&mut self, context: &mut Context<'_>) -> bool {
        while self.timer.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            let ends = self.connection.ends_at(self.patience).unwrap_or(now + self.patience.idle);
            if ends <= now {
                return true;
            }
            self.timer.as_mut().reset(ends);
        }
        false
    }
}

/// How many of the bytes that have come the gate lets through, which they may shut.
fn admit(connection: &Connection, head: &mut HeadEnd, bytes: &[u8]) -> usize {
    let shared = &connection.0;
    match shared.gate.get() {
        // The end of the stream.
        _ if bytes.is_empty() => 0,
        Gate::Rest => bytes.len(),
        Gate::Shut => 0,
        Gate::Body(left) => {
            let admitted = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
            let left = left - admitted as u64;
            shared.gate.set(if left == 0 { Gate::Shut } else { Gate::Body(left) });
            admitted
        }
        Gate::Chunks(mut chunks) => {
            let end = chunks.end_in(bytes);
            shared.gate.set(if end.is_some() { Gate::Shut } else { Gate::Chunks(chunks) });
            end.unwrap_or(bytes.len())
        }
        Gate::Head => {
            if let Some(end) = head.end_in(bytes) {
                shared.gate.set(Gate::Shut);
                return end;
            }
            if let Stage::Idle(_) = shared.stage.get() {
                shared.stage.set(Stage::Head(Instant::now()));
            }
            bytes.len()
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(Ok(()));
        }
        let read = match this.connection.0.gate.get() {
            Gate::Shut => this.poll_gone(context),
            // The time of a head does not run while the client still takes the answer before it.
            Gate::Head if this.is_write_blocked => this.poll_gone(context),
            Gate::Head | Gate::Body(_) | Gate::Chunks(_) | Gate::Rest => this.poll_admitted(context, buffer),
        };
        if read.is_pending() && this.is_overdue(context) {
            // As if the client had ended the stream: the dispatcher drops the connection.
            this.is_over = true;
            return Poll::Ready(Ok(()));
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(context, bytes);
        if written.is_pending() && this.is_overdue(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let was_blocked = std::mem::replace(&mut this.is_write_blocked, written.is_pending());
        if was_blocked
            && written.is_ready()
            && let Some(dispatcher) = this.connection.0.waiting.take()
        {
            dispatcher.wake();
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Where something unread is left, the kernel resets the connection, and the client may lose the last answer.
        let mut left = [0; 4096];
        for _ in 0..32 {
            match self.io.try_read(&mut left) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_head_does_not_hurry_the_answer_before_it() {
        const LENGTH: usize = 64 << 20;
        let patience = Patience { head: Duration::from_millis(100), idle: Duration::from_hours(1) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut socket, _) = Socket::accept(listener.accept().await.unwrap().0, patience);
        socket.connection.0.stage.set(Stage::Idle(Instant::now()));
        let answer = vec![b'a'; LENGTH];
        let mut written = 0;
        let (mut read, mut buffer) = (Vec::new(), [0; 64]);
        let began = Instant::now();
        client.write_all(b"GET /").await.unwrap();

        // As the dispatcher does: it reads, then writes what it has to.
        while began.elapsed() < patience.head * 5 {
            let mut room = ReadBuf::new(&mut buffer);
            std::future::poll_fn(|context| {
                if written > 0 && Pin::new(&mut socket).poll_read(context, &mut room)?.is_ready() {
                    read.extend_from_slice(room.filled());
                }
                while let Poll::Ready(count) = Pin::new(&mut socket).poll_write(context, &answer[written..])? {
                    written += count;
                }
                Poll::Ready(io::Result::Ok(()))
            })
            .await
            .expect("the client may take its time");
            assert_eq!((read.len(), written == LENGTH), (0, false), "the client takes nothing");
            sleep(patience.head / 10).await;
        }
        let taking = tokio::spawn(async move {
            client.read_exact(&mut vec![0; LENGTH]).await.unwrap();
            client
        });
        socket.write_all(&answer[written..]).await.unwrap();
        let _client = taking.await.unwrap();

        // Now its time runs.
        socket.read_exact(&mut buffer[..5]).await.unwrap();
        assert_eq!(&buffer[..5], b"GET /");
        let waited = Instant::now();
        assert_eq!(socket.read(&mut buffer).await.unwrap(), 0);
        assert!(waited.elapsed() < Duration::from_secs(20));
    }
}
