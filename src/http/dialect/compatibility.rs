//! The dialect of SignalWire's compatibility API: one flat object, and another flat one for the fields of a token.

use actix_web::{
    HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};
use serde::Serialize;

use super::{Context, render};
use crate::{
    error::{Error, Fault, Field, Problem},
    http::error::{Code, row},
};

#[derive(Serialize)]
struct Flat {
    code: u16,
    message: String,
    more_info: String,
    status: u16,
}

#[derive(Serialize)]
struct Validation {
    r#type: &'static str,
    code: &'static str,
    message: String,
    attribute: Option<&'static str>,
    url: String,
}

/// Middleware: renders the errors of its scope.
pub(in crate::http) async fn compatibility(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    Ok(render(next.call(request).await?, answer))
}

fn answer(error: &Error, context: &Context<'_>) -> HttpResponse {
    let (status, code) = row(error).compatibility;
    let mut response = HttpResponse::build(status);
    let info = |code: &dyn std::fmt::Display| format!("{}/docs#error-{code}", context.public_url);
    match code {
        Code::Number(code) => {
            response.json(Flat { code, message: error.to_string(), more_info: info(&code), status: status.as_u16() })
        }
        Code::Validation => {
            let (code, message, attribute) = validation(error);
            response.json(Validation { r#type: "validation_error", code, message, attribute, url: info(&code) })
        }
    }
}

/// The contract's shape has room for one fault: the first.
fn validation(error: &Error) -> (&'static str, String, Option<&'static str>) {
    match error {
        Error::Invalid(faults) => {
            let fault = faults.first();
            (code(fault), fault.to_string(), Some(fault.field.as_str()))
        }
        other => ("token_limit_reached", other.to_string(), None),
    }
}

fn code(fault: &Fault) -> &'static str {
    match (fault.field, &fault.problem) {
        (Field::Permissions, Problem::Missing | Problem::UnknownPermission(_)) => "10003",
        (Field::SubprojectId, Problem::NotAUuid | Problem::NotASubproject) => "10004",
        (
            Field::Name
            | Field::Permissions
            | Field::SubprojectId
            | Field::ExpiresAt
            | Field::ExpiresIn
            | Field::AllowedCidrs
            | Field::Disabled,
            _,
        ) => "invalid_parameter",
    }
}
