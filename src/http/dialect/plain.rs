//! The dialect of the REST API, and of what stands outside the published APIs: the reason phrase, a sentence and the
//! request's id; for fields, a list with an entry for each one that failed.

use actix_web::{
    HttpResponse,
    body::{EitherBody, MessageBody},
    dev::ServiceResponse,
    http::StatusCode,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Context, render};
use crate::{
    error::{Error, Fault, Field, Problem},
    http::error::row,
};

/// An error.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(in crate::http) struct Body<'b> {
    /// The reason phrase of the status.
    #[schema(example = "Not Found")]
    error: &'b str,
    /// What is wrong, and what to do.
    #[schema(example = "no such project")]
    message: String,
    /// The `X-Request-Id` of the response. It identifies the log line.
    #[schema(example = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d")]
    request_id: &'b str,
}

/// All fields that are not valid.
#[derive(Serialize, ToSchema)]
#[schema(as = ValidationErrors)]
pub(in crate::http) struct Failed<'f> {
    errors: Vec<Entry<'f>>,
}

/// A field that is not valid, or a rule that forbids the call.
#[derive(Serialize, ToSchema)]
#[schema(as = ValidationError)]
pub(in crate::http) struct Entry<'f> {
    #[schema(example = "validation_error")]
    r#type: &'static str,
    #[schema(example = "missing_required_parameter")]
    code: &'static str,
    #[schema(example = "name is required")]
    message: String,
    /// The field. Null if no field is at fault.
    #[schema(example = "name")]
    attribute: Option<&'f str>,
    /// The explanation of the code.
    #[schema(example = "https://tokens.example.com/docs#error-missing_required_parameter")]
    url: String,
}

/// Renders an error that no scope has rendered.
pub(in crate::http) fn plain<B: MessageBody>(response: ServiceResponse<B>) -> ServiceResponse<EitherBody<B>> {
    render(response, answer)
}

pub(super) fn answer(error: &Error, context: &Context<'_>) -> HttpResponse {
    let status = row(error).status;
    let mut response = HttpResponse::build(status);
    if status == StatusCode::UNPROCESSABLE_ENTITY {
        return response.json(Failed { errors: entries(error, context) });
    }
    response.json(Body {
        error: status.canonical_reason().unwrap_or("Error"),
        message: error.to_string(),
        request_id: context.request_id,
    })
}

fn entries<'f>(error: &'f Error, context: &Context<'_>) -> Vec<Entry<'f>> {
    let entry = |code: &'static str, message: String, attribute| Entry {
        r#type: "validation_error",
        code,
        message,
        attribute,
        url: format!("{}/docs#error-{code}", context.public_url),
    };
    match error {
        Error::Invalid(faults) => {
            faults.iter().map(|fault| entry(code_of_fault(fault), fault.to_string(), Some(fault.attribute()))).collect()
        }
        Error::TokenLimitReached { .. } => vec![entry("token_limit_reached", error.to_string(), None)],
        Error::SubprojectLimitReached { .. } => vec![entry("subproject_limit_reached", error.to_string(), None)],
        Error::NestedSubproject => vec![entry("nested_subprojects_not_allowed", error.to_string(), None)],
        Error::NotDeletable | Error::HasSubprojects { .. } => {
            vec![entry("only_subprojects_can_be_deleted", error.to_string(), None)]
        }
        other => unreachable!("the table gives 422 to none but these: {other:?}"),
    }
}

fn code_of_fault(fault: &Fault) -> &'static str {
    match (&fault.problem, fault.field) {
        (Problem::Missing | Problem::UnknownPermission { .. }, Field::Permissions) => "invalid_auth_token_permissions",
        (Problem::Missing, _) => "missing_required_parameter",
        (Problem::NotAUuid | Problem::NotASubproject, _) => "invalid_subproject_id",
        (Problem::NotAPage, _) => "page_token_is_invalid",
        (Problem::PageTokenRequired, _) => "page_token_required",
        (Problem::UnknownParameter { .. }, _) => "unknown_parameter",
        (
            Problem::Blank
            | Problem::TooLong { .. }
            | Problem::ControlCharacter
            | Problem::WrongType { .. }
            | Problem::UnknownPermission { .. }
            | Problem::NotBuilt
            | Problem::OutOfRange { .. },
            _,
        ) => "invalid_parameter",
    }
}
