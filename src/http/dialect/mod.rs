//! How errors are said. Handlers return [`Error`]; the scope that a route stands in has a dialect, applied at its
//! edge. Here is what the dialects share: finding the error, logging it once, the headers that go with a status.

mod compatibility;
mod oauth;
mod plain;

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    body::{BodySize, EitherBody, MessageBody},
    dev::ServiceResponse,
    http::{
        StatusCode,
        header::{ALLOW, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    web::Data,
};

pub(super) use compatibility::{Flat, Validation, compatibility};
pub(super) use oauth::{Body as OauthError, oauth};
pub(super) use plain::{Body as ErrorBody, Entry as ValidationEntry, Failed, plain};

use super::{COMPATIBILITY, COMPATIBILITY_OF_SDKS, Settings, browsers::is_below, request::RequestId};
use crate::{
    error::Error,
    service::{Outage, Service},
};

/// How a client is told to prove itself (RFC 7617).
pub(super) const CHALLENGE: &str = "Basic realm=\"tokensmith\", charset=\"UTF-8\"";

const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// Whether a page's script asks and says so. At a Basic challenge the browser would open a sign-in box of its own over the
/// page, and the script would wait for it.
pub(super) fn is_of_a_script(headers: &HeaderMap) -> bool {
    headers.get(X_REQUESTED_WITH).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"XMLHttpRequest"))
}

/// Both names of the compatibility API.
const COMPATIBILITY_BASES: [&str; 2] = [COMPATIBILITY, COMPATIBILITY_OF_SDKS];

/// Where errors are said as OAuth says them.
const OAUTH: &str = "/oauth";

/// What a renderer may use.
struct Context<'r> {
    request_id: &'r str,
    public_url: &'r str,
}

/// Renders the answer if it is an error that nobody has rendered yet.
fn render<B: MessageBody>(
    response: ServiceResponse<B>,
    say: impl FnOnce(&Error, &Context<'_>) -> HttpResponse,
) -> ServiceResponse<EitherBody<B>> {
    let bare = Error::MethodNotAllowed;
    let rendered = {
        let error = match response.response().error() {
            Some(error) => error.as_error::<Error>(),
            // actix-web answers this one itself: bare, but with the Allow header.
            None if is_bare(&response, StatusCode::METHOD_NOT_ALLOWED) => Some(&bare),
            None => None,
        };
        error.map(|error| finish(error, response.request(), say))
    };
    let Some(mut rendered) = rendered else { return response.map_into_left_body() };
    if let Some(allow) = response.headers().get(ALLOW) {
        rendered.headers_mut().insert(ALLOW, allow.clone());
    }
    response.into_response(rendered.map_into_right_body())
}

/// Says, in the dialect of its path, why a request gets no further than the door.
pub(super) fn refused(
    error: &Error,
    path: &str,
    request_id: &RequestId,
    settings: &Settings,
    service: &Service,
) -> HttpResponse {
    log(error, service);
    let context = Context { request_id: request_id.as_str(), public_url: &settings.public_url };
    if COMPATIBILITY_BASES.iter().any(|base| is_below(path, base)) {
        compatibility::answer(error, &context)
    } else if is_below(path, OAUTH) {
        oauth::answer(error, &context)
    } else {
        plain::answer(error, &context)
    }
}

fn is_bare<B: MessageBody>(response: &ServiceResponse<B>, status: StatusCode) -> bool {
    response.status() == status && matches!(response.response().body().size(), BodySize::None | BodySize::Sized(0))
}

fn finish(
    error: &Error,
    request: &HttpRequest,
    say: impl FnOnce(&Error, &Context<'_>) -> HttpResponse,
) -> HttpResponse {
    let service = request.app_data::<Data<Service>>().expect("the server puts it into every app");
    log(error, service);
    let settings = request.app_data::<Data<Settings>>().expect("the server puts it into every app");
    let extensions = request.extensions();
    let context = Context {
        request_id: extensions.get::<RequestId>().map_or("", RequestId::as_str),
        public_url: &settings.public_url,
    };
    let mut response = say(error, &context);
    match response.status() {
        StatusCode::UNAUTHORIZED if !is_of_a_script(request.headers()) => {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    response
}

/// The one place where a failure is logged, but for those of `/auth`, which has no dialect. What a client did wrong is its own business, and what it sent stays out
/// of the log: people put secrets into every field. During an outage one line a second is enough, with the number of the others.
pub(super) fn log(error: &Error, service: &Service) {
    match error {
        Error::Internal(cause) | Error::OutcomeUnknown(cause) => tracing::error!(%cause, "{error}"),
        Error::StoreAway(cause) => {
            if let Some(left_out) = service.may_log(Outage::Away) {
                tracing::error!(%cause, suppressed = or_none(left_out), "the database cannot be reached");
            }
        }
        Error::SelectorTaken => tracing::error!("{error}"),
        Error::Overloaded => {
            if let Some(left_out) = service.may_log(Outage::Overload) {
                tracing::warn!(suppressed = or_none(left_out), "{error}");
            }
        }
        Error::Invalid(faults) => {
            let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
            tracing::debug!(?fields, "refused: fields are not valid");
        }
        Error::UnsupportedBody(_) => tracing::debug!("refused: the type or the encoding of the body is not supported"),
        Error::MalformedId
        | Error::MalformedBody(_)
        | Error::BodyTooLarge { .. }
        | Error::BodyTimeout
        | Error::Unauthenticated
        | Error::PermissionMissing { .. }
        | Error::ProjectNotFound
        | Error::TokenNotFound
        | Error::CrossSite
        | Error::UnknownPath
        | Error::MethodNotAllowed
        | Error::TokenLimitReached { .. }
        | Error::SubprojectLimitReached { .. }
        | Error::NestedSubproject
        | Error::NotDeletable
        | Error::Stopping
        | Error::HasSubprojects { .. } => tracing::debug!("refused: {error}"),
    }
}

/// What is not worth a field where it is none.
fn or_none(count: u64) -> Option<u64> {
    (count > 0).then_some(count)
}
