//! The dialect of SignalWire's compatibility API: one flat object, and another flat one for the fields of a token.

use actix_web::{
    HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Context, render};
use crate::{
    error::{Error, Fault, Field, Problem},
    http::error::{Code, row},
};

/// An error of the compatibility API.
#[derive(Serialize, ToSchema)]
#[schema(as = CompatibilityError)]
pub(in crate::http) struct Flat {
    #[schema(example = 20404)]
    code: u16,
    #[schema(example = "no such project")]
    message: String,
    /// The explanation of the code.
    #[schema(example = "https://tokens.example.com/docs#error-20404")]
    more_info: String,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
}

/// The first field of a token call that is not valid.
#[derive(Serialize, ToSchema)]
#[schema(as = CompatibilityValidationError)]
pub(in crate::http) struct Validation {
    #[schema(example = "validation_error")]
    r#type: &'static str,
    #[schema(example = "10003")]
    code: &'static str,
    #[schema(example = "permissions is required")]
    message: String,
    #[schema(example = "permissions")]
    attribute: Option<&'static str>,
    #[schema(example = "https://tokens.example.com/docs#error-10003")]
    url: String,
}

/// Middleware: renders the errors of its scope.
pub(in crate::http) async fn compatibility(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    Ok(render(next.call(request).await?, answer))
}

pub(super) fn answer(error: &Error, context: &Context<'_>) -> HttpResponse {
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
        (Field::Permissions, Problem::Missing | Problem::UnknownPermission { .. }) => "10003",
        (Field::SubprojectId, Problem::NotAUuid | Problem::NotASubproject) => "10004",
        (
            Field::Name
            | Field::Permissions
            | Field::SubprojectId
            | Field::ExpiresAt
            | Field::ExpiresIn
            | Field::AllowedCidrs
            | Field::Disabled
            | Field::ProtectRecordings
            | Field::ProtectMessageMedia
            | Field::ProtectFaxMedia
            | Field::ForceHttpsRequests
            | Field::FriendlyName
            | Field::PageSize
            | Field::PageNumber
            | Field::PageToken
            | Field::AccountPageSize
            | Field::AccountPage
            | Field::AccountPageToken
            | Field::Query,
            _,
        ) => "invalid_parameter",
    }
}
