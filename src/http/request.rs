//! What every request gets: an id, a span for its log lines, and headers on its answer.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use actix_http::Request;
use actix_web::{
    HttpMessage,
    dev::Response,
    http::{
        ConnectionType, Method,
        header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS},
    },
};
use tracing::{Span, field::Empty};
use uuid::{Builder, Uuid};

use super::{AUTH, stopping::Stopping};
use crate::{domain::Secret, service::Service};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: the one that it came with, if that may stand in a log, or a fresh UUID.
#[derive(Clone, Debug)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    fn read(headers: &HeaderMap, fresh: impl FnOnce() -> Uuid) -> Self {
        let mut sent = headers.get_all(X_REQUEST_ID);
        match (sent.next(), sent.next()) {
            (Some(id), None) if is_harmless(id.as_bytes()) && !holds_a_secret(id.as_bytes()) => Self(id.clone()),
            _ => Self::from(fresh()),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().expect("visible ASCII: see is_harmless")
    }
}

impl From<Uuid> for RequestId {
    fn from(id: Uuid) -> Self {
        let mut text = Uuid::encode_buffer();
        let text = id.hyphenated().encode_lower(&mut text);
        Self(HeaderValue::from_str(text).expect("a UUID is visible ASCII"))
    }
}

/// Ids for the requests of one worker: a random half, and a half that counts. They can be foreseen and are still
/// unique, which is all that is asked of them. On the hot path, asking the random source would cost as much as finding
/// the grant.
pub(super) struct QuickIds {
    first: u64,
    count: Cell<u64>,
}

impl QuickIds {
    pub(super) fn new(service: &Service) -> Self {
        let (first, count) = service.nonce().as_u64_pair();
        Self { first, count: Cell::new(count) }
    }

    fn next(&self) -> Uuid {
        self.count.set(self.count.get().wrapping_add(1));
        Builder::from_random_bytes(Uuid::from_u64_pair(self.first, self.count.get()).into_bytes()).into_uuid()
    }
}

/// `[A-Za-z0-9._:/+=-]{1,128}`: nothing that could forge a log line.
fn is_harmless(id: &[u8]) -> bool {
    (1..=128).contains(&id.len()) && id.iter().all(|b| b.is_ascii_alphanumeric() || b"._:/+=-".contains(b))
}

/// Whether a secret stands in it, as it is or in the base64 of a Basic credential. It would go into every log line.
fn holds_a_secret(id: &[u8]) -> bool {
    // A project's id is 36 bytes, so that the ":PT" after it is always these four characters.
    const BEFORE_DIGITS: &[u8] = b"OlBU";
    let text = String::from_utf8_lossy(id);
    Secret::redact(&text) != text || id.windows(BEFORE_DIGITS.len() + 64).any(|part| part.starts_with(BEFORE_DIGITS))
}

/// A request that has its id and its span, where something may come to be logged in it.
pub(super) struct Identified {
    id: RequestId,
    span: Span,
    /// `None` where nobody will be told how long it took.
    began: Option<Instant>,
}

impl Identified {
    /// Gives the request its id and its span, and the handlers its id.
    pub(super) fn new(request: &Request, service: &Service) -> Self {
        let id = RequestId::read(request.headers(), || service.request_id());
        request.extensions_mut().insert(id.clone());
        // The path and query stay out: people put secrets there. The route's pattern is enough to find a line by.
        let span = tracing::info_span!(
            "request",
            request.id = id.as_str(),
            http.method = name_of(request.method()),
            client.address = Empty,
            caller.token = Empty,
            caller.project = Empty,
        );
        Self::now(id, span)
    }

    /// The same for forward-auth, where a span would cost as much as a whole verification: whoever has something to log
    /// makes it then.
    pub(super) fn at_auth(request: &Request, ids: &QuickIds) -> Self {
        Self::now(RequestId::read(request.headers(), || ids.next()), Span::none())
    }

    fn now(id: RequestId, span: Span) -> Self {
        Self { id, span, began: tracing::enabled!(tracing::Level::DEBUG).then(Instant::now) }
    }

    /// The id.
    pub(super) fn id(&self) -> &RequestId {
        &self.id
    }

    /// The span of its log lines.
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Logs in the span of the request.
    pub(super) fn in_span(&self, log: impl FnOnce()) {
        if self.span.is_none() {
            tracing::info_span!("request", request.id = self.id.as_str(), http.route = AUTH).in_scope(log);
        } else {
            self.span.in_scope(log);
        }
    }

    /// Gives the answer its headers, and makes it the last of its connection where the server is stopping.
    pub(super) fn finish<B>(self, response: &mut Response<B>, route: &str, stopping: &Stopping) {
        if let Some(began) = self.began {
            self.in_span(|| {
                tracing::debug!(
                    http.route = route,
                    http.status = response.status().as_u16(),
                    duration_ms = to_millis(began.elapsed()),
                    "answered"
                );
            });
        }
        if stopping.has_begun() {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        let headers = response.headers_mut();
        headers.insert(X_REQUEST_ID, self.id.0);
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // The page for people has files that may be kept. Nothing else says so.
        if !headers.contains_key(CACHE_CONTROL) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
}

/// A method by its name, where it is one that people use; every other may be of any length, and somebody's secret.
/// OpenTelemetry's conventions for HTTP call it so.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::CONNECT => "CONNECT",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::PATCH => "PATCH",
        _ => "_OTHER",
    }
}

/// Milliseconds with three decimals at most.
fn to_millis(span: Duration) -> f64 {
    u32::try_from(span.as_micros()).map_or(f64::INFINITY, f64::from) / 1000.0
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    #[test]
    fn a_request_id_that_could_forge_a_log_line_is_not_kept() {
        assert!(is_harmless(b"trace/1:a+b=_.-9"));
        assert!(!is_harmless(b""));
        assert!(!is_harmless(b"a b"));
        assert!(!is_harmless(b"a\"b"));
        assert!(!is_harmless(&[b'a'; 129]));
        assert!(!is_harmless("ä".as_bytes()));
    }

    #[test]
    fn only_methods_that_people_use_are_named() {
        assert_eq!(name_of(&Method::PATCH), "PATCH");
        assert_eq!(name_of(&Method::from_bytes(b"PTSECRET").unwrap()), "_OTHER");
    }

    #[test]
    fn a_duration_has_three_decimals_at_most() {
        for (nanos, shown) in [(8_219_658, "8.219"), (1_000_000, "1"), (999, "0"), (61_000_000_000, "61000")] {
            assert_eq!(to_millis(Duration::from_nanos(nanos)).to_string(), shown);
        }
    }

    #[test]
    fn a_request_id_that_holds_a_secret_is_not_kept() {
        let secret = format!("PT{}", "0a".repeat(24));
        let basic = STANDARD.encode(format!("0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d:{secret}"));
        assert!(is_harmless(secret.as_bytes()) && is_harmless(basic.as_bytes()));

        assert!(holds_a_secret(secret.as_bytes()));
        assert!(holds_a_secret(format!("trace/{secret}").as_bytes()));
        assert!(holds_a_secret(basic.as_bytes()));
        assert!(!holds_a_secret(b"0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"));
        assert!(!holds_a_secret(b"OlBU"));
        assert!(!holds_a_secret(b"PT0a0a0a0a"));
    }
}
