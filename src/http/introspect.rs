//! `/oauth/introspect` (RFC 7662): what a token is, for those who were handed one.

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{MAY_INTROSPECT, authenticate::prove, body::Body, dialect::OauthError};
use crate::{
    domain::{Raw, Schema},
    error::Error,
    service::{Caller, Granted, Service},
};

const TOKEN: &str = "token";
const FIELDS: Schema = Schema { single: &[TOKEN], repeated: &[] };

/// The token to look up.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read field by field")]
pub(super) struct Introspect {
    /// The secret of the token.
    #[schema(min_length = 1)]
    token: String,
}

/// The properties of a token. If `active` is false, it is the only field. Only a subproject's token has
/// `parent_project_id`.
#[derive(Default, Serialize, ToSchema)]
pub(super) struct Introspection {
    active: bool,
    /// All permissions of the token, separated by spaces.
    #[schema(value_type = String, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[schema(value_type = String, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[schema(value_type = String, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[schema(value_type = String, required = false, example = "api_token")]
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// When the token was issued, in seconds since the Unix epoch.
    #[schema(value_type = i64, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    #[schema(value_type = String, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<String>,
    #[schema(value_type = String, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_project_id: Option<String>,
    #[schema(value_type = String, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// Look up a token (RFC 7662).
///
/// The caller's own token needs the permission `introspection` or `management`. It sees the tokens of its project and
/// of the subprojects of that. Every other token is `{"active":false}`.
#[utoipa::path(
    post, path = "/oauth/introspect", operation_id = "introspect", tag = "Verification", security(("basic" = [])),
    request_body(content = Introspect, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The properties of the token.", body = Introspection),
        (status = 400, description = "The form does not contain exactly one token, is not a form, or the request has a query.", body = OauthError),
        (status = 401, description = "The credentials are missing, malformed or wrong.", body = OauthError),
        (status = 403, description = "The caller's token holds neither permission.", body = OauthError),
        (status = 408, description = "The body did not arrive in time.", body = OauthError),
        (status = 413, description = "The body is too large.", body = OauthError),
        (status = 500, description = "Internal error.", body = OauthError),
        (status = 503, description = "Overloaded, or the database cannot be reached. Retry after `Retry-After` seconds.", body = OauthError),
    )
)]
pub(super) async fn answer(
    request: HttpRequest,
    service: Data<Service>,
    _: Caller,
    body: Body,
) -> Result<Json<Introspection>, Error> {
    // Queries are written down everywhere, and what is looked up here is a secret.
    if !request.query_string().is_empty() {
        return Err(Error::MalformedBody("send the token in the request body, not in the query".to_owned()));
    }
    let fields = body.form(&FIELDS).await?;
    let Some(Raw::Text(secret)) = fields.get(TOKEN).filter(|raw| **raw != Raw::Text(String::new())) else {
        return Err(Error::MalformedBody("the form must contain exactly one token".to_owned()));
    };
    // Whoever was let in before the body had arrived may be dead by now, and what follows is read, not written.
    let caller = prove(&request, &MAY_INTROSPECT).await?;
    let found = service.introspect(&caller, secret).await?;
    Ok(Json(found.map_or_else(Introspection::default, |granted| active(&service, &granted))))
}

fn active(service: &Service, granted: &Granted) -> Introspection {
    Introspection {
        active: true,
        scope: Some(service.catalogue().names_in(granted.permissions).collect::<Vec<_>>().join(" ")),
        client_id: Some(granted.project.to_string()),
        sub: Some(granted.token.to_string()),
        token_type: Some("api_token"),
        iat: Some(granted.issued_at.as_micros().div_euclid(1_000_000)),
        project_id: Some(granted.project.to_string()),
        parent_project_id: granted.parent.map(|parent| parent.to_string()),
        name: Some(granted.name.to_string()),
    }
}
