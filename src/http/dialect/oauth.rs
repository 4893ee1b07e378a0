//! The dialect of `/oauth`: an object with one word (RFC 6749, section 5.2).

use actix_web::{
    HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Context, render};
use crate::error::Error;

/// An error (RFC 6749, section 5.2).
#[derive(Serialize, ToSchema)]
#[schema(as = OauthError)]
pub(in crate::http) struct Body {
    #[schema(example = "invalid_request")]
    error: &'static str,
}

/// Middleware: renders the errors of what it wraps.
pub(in crate::http) async fn oauth(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    Ok(render(next.call(request).await?, answer))
}

pub(super) fn answer(error: &Error, _: &Context<'_>) -> HttpResponse {
    let (mut response, error) = match error {
        Error::Unauthenticated => (HttpResponse::Unauthorized(), "invalid_client"),
        Error::PermissionMissing { .. } => (HttpResponse::Forbidden(), "insufficient_scope"),
        Error::CrossSite => (HttpResponse::Forbidden(), "access_denied"),
        Error::MalformedBody(_)
        | Error::UnsupportedBody(_)
        | Error::Invalid(_)
        | Error::MalformedId
        | Error::TokenLimitReached { .. }
        | Error::SubprojectLimitReached { .. }
        | Error::NestedSubproject
        | Error::NotDeletable
        | Error::HasSubprojects { .. } => (HttpResponse::BadRequest(), "invalid_request"),
        Error::BodyTimeout => (HttpResponse::RequestTimeout(), "invalid_request"),
        Error::BodyTooLarge { .. } => (HttpResponse::PayloadTooLarge(), "invalid_request"),
        Error::MethodNotAllowed => (HttpResponse::MethodNotAllowed(), "invalid_request"),
        Error::UnknownPath | Error::ProjectNotFound | Error::TokenNotFound => {
            (HttpResponse::NotFound(), "invalid_request")
        }
        Error::Overloaded | Error::Stopping | Error::StoreAway(_) => {
            (HttpResponse::ServiceUnavailable(), "temporarily_unavailable")
        }
        Error::SelectorTaken | Error::OutcomeUnknown(_) | Error::Internal(_) => {
            (HttpResponse::InternalServerError(), "server_error")
        }
    };
    response.json(Body { error })
}
