//! What nobody has read of a body when its answer is ready: the connection ends with that answer. The rest is
//! never looked at, so it cannot pass for the next request, and a client that goes on dripping holds nothing.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_http::Request;
use actix_web::{
    body::{BodySize, BoxBody, EitherBody, MessageBody},
    dev::{Payload, Response},
    error::PayloadError,
    http::ConnectionType,
    web::Bytes,
};
use futures_util::Stream;

/// The body of a request that is under way, where it has one.
pub(super) struct Held(Option<Rc<RefCell<Body>>>);

impl Held {
    /// Hands the body on, and keeps an eye on it.
    pub(super) fn of(request: &mut Request) -> Self {
        let payload = request.take_payload();
        if matches!(payload, Payload::None) {
            return Self(None);
        }
        let body = Rc::new(RefCell::new(Body { payload, ended: false }));
        *request.payload() = Payload::Stream { payload: Box::pin(Reader(body.clone())) };
        Self(Some(body))
    }

    /// Closes the connection with the answer where the body was not read to its end.
    pub(super) fn close(self, mut response: Response<BoxBody>) -> Response<EitherBody<BoxBody, Unread>> {
        match self.0 {
            Some(body) if !body.borrow().ended => {
                response.head_mut().set_connection_type(ConnectionType::Close);
                response.map_body(|_, answer| EitherBody::right(Unread { answer, _rest: body }))
            }
            Some(_) | None => response.map_body(|_, answer| EitherBody::left(answer)),
        }
    }
}

pub(super) struct Body {
    payload: Payload,
    /// Whether a reader has come to the end.
    ended: bool,
}

/// The body as handlers see it.
struct Reader(Rc<RefCell<Body>>);

impl Stream for Reader {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut body = self.0.borrow_mut();
        let next = ready!(Pin::new(&mut body.payload).poll_next(context));
        body.ended = next.is_none();
        Poll::Ready(next)
    }
}

/// An answer that keeps what is left of the request's body until it has been sent. If the rest were dropped before,
/// actix-http would read a chunked body to its end, which may never come, with no time limit at all; from one that
/// is still held it turns away within `client_disconnect_timeout`.
pub(super) struct Unread {
    answer: BoxBody,
    _rest: Rc<RefCell<Body>>,
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
