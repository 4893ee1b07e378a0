//! `/oauth/introspect` (RFC 7662): what a token is, for those who were handed one.

mod client;

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use serde::Serialize;
use utoipa::ToSchema;

pub(super) use client::authenticate;

use self::client::Client;
use super::{body::Body, dialect::OauthError};
use crate::{
    domain::{Fields, Raw, Schema},
    error::Error,
    service::{Granted, Service},
};

const TOKEN: &str = "token";
const CLIENT_ID: &str = "client_id";
const CLIENT_SECRET: &str = "client_secret";
const FIELDS: Schema = Schema { single: &[TOKEN, CLIENT_ID, CLIENT_SECRET], repeated: &[] };

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
///
/// The caller sends its project id and secret by HTTP Basic, plain or form-encoded (RFC 6749, section 2.3.1). Without an
/// `Authorization` header, it may send them as `client_id` and `client_secret` in the form.
#[utoipa::path(
    post, path = "/oauth/introspect", operation_id = "introspect", tag = "Verification", security(("basic" = [])),
    request_body(content = Introspect, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The properties of the token.", body = Introspection),
        (status = 400, description = "The form does not contain exactly one token, has a field twice or is not a form; the request has a query, or credentials in both the header and the form.", body = OauthError),
        (status = 401, description = "The credentials are missing, malformed or wrong.", body = OauthError),
        (status = 403, description = "The caller's token holds neither permission, or a browser sent the request for a page of another site.", body = OauthError),
        (status = 408, description = "The body did not arrive in time.", body = OauthError),
        (status = 413, description = "The body is too large.", body = OauthError),
        (status = 500, description = "Internal error.", body = OauthError),
        (status = 503, description = "Overloaded, or the database cannot be reached. Retry after `Retry-After` seconds.", body = OauthError),
    )
)]
pub(super) async fn answer(
    request: HttpRequest,
    service: Data<Service>,
    client: Client,
    body: Body,
) -> Result<Json<Introspection>, Error> {
    // Queries are written down everywhere, and what is looked up here is a secret.
    if !request.query_string().is_empty() {
        return Err(Error::MalformedBody("send the token in the request body, not in the query".to_owned()));
    }
    let (caller, fields) = client.form(&service, body).await?;
    let Some(secret) = text(&fields, TOKEN) else {
        return Err(Error::MalformedBody("the form must contain exactly one token".to_owned()));
    };
    let found = service.introspect(&caller, secret).await?;
    Ok(Json(found.map_or_else(Introspection::default, |granted| active(&service, &granted))))
}

/// A field of the form. One that is empty counts as absent (RFC 6749, section 3.2).
fn text<'f>(fields: &'f Fields, name: &str) -> Option<&'f str> {
    match fields.get(name) {
        Some(Raw::Text(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
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
