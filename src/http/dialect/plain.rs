//! Our own dialect, for what stands outside the published APIs: the reason phrase, a sentence, the request's id.

use actix_web::{
    HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};
use serde::Serialize;

use super::{Context, render};
use crate::{error::Error, http::error::row};

#[derive(Serialize)]
struct Body<'b> {
    error: &'b str,
    message: String,
    request_id: &'b str,
}

/// Middleware: renders errors that no scope has rendered.
pub(in crate::http) async fn plain(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    Ok(render(next.call(request).await?, answer))
}

fn answer(error: &Error, context: &Context<'_>) -> HttpResponse {
    let status = row(error).status;
    HttpResponse::build(status).json(Body {
        error: status.canonical_reason().unwrap_or("Error"),
        message: error.to_string(),
        request_id: context.request_id,
    })
}
