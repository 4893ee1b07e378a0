//! What every request gets: an id, a span for its log lines, and headers on its answer.

use std::time::Instant;

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    web::Data,
};
use tracing::Instrument;

use crate::{domain::Secret, service::Service};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: the one that it came with, if that may stand in a log, or a fresh UUID.
#[derive(Clone, Debug)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    fn of(headers: &HeaderMap, service: &Service) -> Self {
        let mut sent = headers.get_all(X_REQUEST_ID);
        match (sent.next(), sent.next()) {
            (Some(id), None) if is_harmless(id.as_bytes()) && !holds_a_secret(id.as_bytes()) => Self(id.clone()),
            _ => Self(HeaderValue::from_str(&service.request_id().to_string()).expect("a UUID is visible ASCII")),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().expect("visible ASCII: see is_harmless")
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

/// Middleware: gives the request its id and span, the answer its headers.
pub(super) async fn identify(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let service = request.app_data::<Data<Service>>().expect("the server puts it into every app");
    let id = RequestId::of(request.headers(), service);
    request.extensions_mut().insert(id.clone());
    // The path and query stay out: people put secrets there. The route's pattern is enough to find a line by.
    let span = tracing::info_span!("request", request.id = id.as_str(), http.method = %request.method());
    let began = Instant::now();

    let mut response = next.call(request).instrument(span.clone()).await?;

    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id.0);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    span.in_scope(|| {
        let route =
            response.request().match_name().map(ToOwned::to_owned).or_else(|| response.request().match_pattern());
        tracing::debug!(
            http.route = route.as_deref().unwrap_or("none"),
            http.status = response.status().as_u16(),
            duration_ms = began.elapsed().as_secs_f64() * 1000.0,
            "answered"
        );
    });
    Ok(response)
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
