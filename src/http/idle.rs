//! Connections on which no request is under way: they end after `keep_alive` and `header_timeout` together.
//!
//! actix-http's own time-outs leave a gap: the one for a request's head counts for the first request of a connection
//! alone, and the one for keep-alive stops with the first byte of the next head. A client that sends one byte
//! then and nothing more would hold its connection for ever, without a credential.

use std::{
    any::Any,
    cell::Cell,
    net::{Shutdown, TcpStream},
    os::fd::AsFd,
    rc::Rc,
    time::Duration,
};

use actix_http::Request;
use actix_web::{dev::Extensions, rt};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

/// What the watch knows of a connection. Written by [`UnderWay`], on the connection's own thread.
pub(super) struct Connection {
    /// Since when no request is under way; `None` while one is.
    idle_since: Rc<Cell<Option<Instant>>>,
    /// Tells the watch by its end that the connection is gone.
    _open: oneshot::Sender<()>,
}

/// Begins to watch a connection that a worker has just accepted.
pub(super) fn watch(io: &dyn Any, data: &mut Extensions, limit: Duration) {
    let Some(stream) = io.downcast_ref::<rt::net::TcpStream>() else { return };
    // Where the process has no file descriptor left, the connection goes unwatched rather than unserved.
    let Ok(socket) = stream.as_fd().try_clone_to_owned().map(TcpStream::from) else { return };
    let idle_since = Rc::new(Cell::new(Some(Instant::now())));
    let (open, gone) = oneshot::channel();
    rt::spawn(end_when_idle(socket, idle_since.clone(), limit, gone));
    data.insert(Connection { idle_since, _open: open });
}

async fn end_when_idle(
    socket: TcpStream,
    idle_since: Rc<Cell<Option<Instant>>>,
    limit: Duration,
    mut gone: oneshot::Receiver<()>,
) {
    loop {
        let now = Instant::now();
        let ends = idle_since.get().unwrap_or(now) + limit;
        if ends <= now {
            // The dispatcher reads the end of the stream and drops the connection.
            if let Err(error) = socket.shutdown(Shutdown::Both) {
                tracing::debug!(%error, "an idle connection had ended already");
            }
            return;
        }
        tokio::select! {
            _ = &mut gone => return,
            () = sleep_until(ends) => {}
        }
    }
}

/// A request under way: its connection is not idle until this is dropped.
pub(super) struct UnderWay(Option<Rc<Cell<Option<Instant>>>>);

impl UnderWay {
    /// Notes that the request has begun.
    pub(super) fn begin(request: &Request) -> Self {
        let idle_since = request.conn_data::<Connection>().map(|connection| connection.idle_since.clone());
        if let Some(idle_since) = &idle_since {
            idle_since.set(None);
        }
        Self(idle_since)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(idle_since) = &self.0 {
            idle_since.set(Some(Instant::now()));
        }
    }
}
