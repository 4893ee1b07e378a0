//! What is left of a request's body when its answer is ready, and whether the connection ends with that answer. It ends
//! where something is left, which is never looked at: it cannot pass for the next request, and a client that goes on
//! dripping holds nothing.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_http::Request;
use actix_web::{
    body::{BodySize, BoxBody, EitherBody, MessageBody},
    dev::{Payload, RequestHead, Response},
    error::PayloadError,
    http::{
        ConnectionType, Version,
        header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING, UPGRADE},
    },
    web::Bytes,
};
use futures_util::Stream;

use super::connection::Connection;

/// The body of a request that is under way, where it has one.
pub(super) struct Held {
    body: Option<Rc<RefCell<Body>>>,
    connection: Option<Connection>,
    /// Whether the request itself ends the connection.
    is_last: bool,
}

impl Held {
    /// Hands the body on, and keeps an eye on it.
    pub(super) fn of(request: &mut Request, connection: Option<Connection>) -> Self {
        // One that asks for an upgrade is the last as well: actix-http keeps no such connection, and left to itself it says
        // "upgrade" in the place of "close". <https://github.com/actix/actix-web/issues/2692> is about such cases.
        let is_last = request.head().connection_type() != ConnectionType::KeepAlive;
        let payload = request.take_payload();
        if matches!(payload, Payload::None) {
            return Self { body: None, connection, is_last };
        }
        let body = Body {
            payload,
            length: length(request.head()),
            is_endless: is_endless(request.head()),
            is_asked_for: false,
            ended: false,
            connection: connection.clone(),
        };
        let body = Rc::new(RefCell::new(body));
        *request.payload() = Payload::Stream { payload: Box::pin(Reader(body.clone())) };
        Self { body: Some(body), connection, is_last }
    }

    /// Ends the connection with the answer where the body was not read to its end, or the request or the answer says so.
    pub(super) fn close(self, mut response: Response<BoxBody>) -> Response<EitherBody<BoxBody, Unread>> {
        let rest = self.body.filter(|body| !body.borrow().ended || body.borrow().is_endless);
        // A head that was used before keeps the version of its last answer, which decides what is said of a connection.
        response.head_mut().version = Version::HTTP_11;
        // Where the gate still waits for the end of a body that was read, the two disagree on what follows it.
        let is_unclear = self.connection.as_ref().is_some_and(Connection::is_within_chunks);
        let is_last = self.is_last || is_unclear || rest.is_some() || !response.head().keep_alive();
        if is_last {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        if let Some(connection) = &self.connection {
            if is_last {
                connection.end();
            } else {
                connection.let_next_through();
            }
        }
        match rest {
            Some(rest) => response
                .map_body(|_, answer| EitherBody::right(Unread { answer, _rest: rest, connection: self.connection })),
            None => response.map_body(|_, answer| EitherBody::left(answer)),
        }
    }
}

/// How long the body is; `None` for one in chunks.
fn length(head: &RequestHead) -> Option<u64> {
    if head.headers().contains_key(TRANSFER_ENCODING) {
        return None;
    }
    let length = head.headers().get(CONTENT_LENGTH);
    // The parser has refused every value that is not a number.
    Some(length.and_then(|length| length.to_str().ok()?.trim().parse().ok()).unwrap_or(0))
}

/// Whether actix-http takes all that follows for the body, whatever its length: so it does for WebSockets and CONNECT.
fn is_endless(head: &RequestHead) -> bool {
    let is_websocket = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket");
    let has_length = head.headers().contains_key(CONTENT_LENGTH);
    !head.headers().contains_key(TRANSFER_ENCODING)
        && (!has_length || head.headers().get_all(UPGRADE).any(is_websocket))
}

pub(super) struct Body {
    payload: Payload,
    /// What is still to come of it, where that is known.
    length: Option<u64>,
    is_endless: bool,
    /// Whether a reader has begun.
    is_asked_for: bool,
    /// Whether a reader has come to the end.
    ended: bool,
    connection: Option<Connection>,
}

/// The body as handlers see it.
struct Reader(Rc<RefCell<Body>>);

impl Stream for Reader {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut body = self.0.borrow_mut();
        // An endless one ends where it said that it would.
        if body.length == Some(0) {
            body.ended = true;
        }
        if body.ended {
            return Poll::Ready(None);
        }
        if !body.is_asked_for {
            body.is_asked_for = true;
            if let Some(connection) = &body.connection {
                connection.let_body_through(body.length);
            }
        }
        let next = ready!(Pin::new(&mut body.payload).poll_next(context));
        match &next {
            Some(Ok(chunk)) => {
                let chunk = chunk.len() as u64;
                body.length = body.length.map(|length| length.saturating_sub(chunk));
            }
            Some(Err(_)) => {}
            None => body.ended = true,
        }
        Poll::Ready(next)
    }
}

/// An answer that keeps what is left of the request's body until it has been sent. If the rest were dropped before,
/// actix-http would read a chunked body to its end, which may never come, with no time limit at all; from one that
/// is still held it turns away within `client_disconnect_timeout`.
pub(super) struct Unread {
    answer: BoxBody,
    _rest: Rc<RefCell<Body>>,
    connection: Option<Connection>,
}

impl MessageBody for Unread {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.answer).poll_next(context)
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        // The answer has been written: what the client still sends is read and thrown away, so that it sees the answer.
        if let Some(connection) = &self.connection {
            connection.let_rest_through();
        }
    }
}
