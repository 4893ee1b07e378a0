//! The three token calls of the compatibility API.

use actix_web::{
    HttpResponse,
    web::{Data, Json},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::{Issued, SecretText, Token, TokenChange},
    error::Error,
    http::{
        body::Body,
        dialect::Validation,
        openapi::{CompatibilityBodyErrors, CompatibilityErrors},
        path::{AtProject, AtToken, ToChange},
        rest::tokens::{CreateToken, UpdateToken},
    },
    service::Service,
};

/// A token. `token` is the secret in the response that issued it, and `redacted` in all others.
#[derive(Serialize, ToSchema)]
#[schema(as = CompatibilityToken)]
pub(in crate::http) struct TokenBody {
    #[schema(format = Uuid, example = "1c2d3e4f-5a6b-4c7d-8e9f-0a1b2c3d4e5f")]
    id: String,
    #[schema(example = "Deploy")]
    name: String,
    #[schema(example = json!(["calling", "messaging"]))]
    permissions: Vec<String>,
    #[schema(value_type = String, example = "redacted")]
    token: SecretText,
}

impl TokenBody {
    fn new(token: &Token, secret: SecretText) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name.as_str().to_owned(),
            permissions: token.permissions.iter().map(str::to_owned).collect(),
            token: secret,
        }
    }

    fn issued(issued: &Issued) -> Self {
        Self::new(&issued.token, issued.secret.reveal())
    }

    fn redacted(token: &Token) -> Self {
        Self::new(token, SecretText::new("redacted".to_owned()))
    }
}

/// Issue a token.
///
/// Only this response contains the secret.
#[utoipa::path(
    post, path = "/api/laml/2010-04-01/Accounts/{account_sid}/tokens", operation_id = "issueAccountToken",
    tag = "Compatibility", security(("basic" = [])), params(("account_sid" = String, Path, format = Uuid)),
    request_body(content((CreateToken = "application/x-www-form-urlencoded"), (CreateToken = "application/json"))),
    responses((status = 200, description = "The token, with its secret.", body = TokenBody), (status = 422, description = "The first field that is not valid.", body = Validation), CompatibilityErrors, CompatibilityBodyErrors)
)]
pub(in crate::http) async fn create(
    service: Data<Service>,
    AtProject(reach): AtProject,
    body: Body,
) -> Result<Json<TokenBody>, Error> {
    let fields = body.form_or_json(&Token::FIELDS).await?;
    let new = service.judge_token(reach, &fields).await?;
    let issued = service.issue(reach, new).await?;
    Ok(Json(TokenBody::issued(&issued)))
}

/// Change a token's name or permissions.
#[utoipa::path(
    patch, path = "/api/laml/2010-04-01/Accounts/{account_sid}/tokens/{token_id}", operation_id = "updateAccountToken",
    tag = "Compatibility", security(("basic" = [])),
    params(("account_sid" = String, Path, format = Uuid), ("token_id" = String, Path, format = Uuid)),
    request_body(content((UpdateToken = "application/x-www-form-urlencoded"), (UpdateToken = "application/json"))),
    responses((status = 200, description = "The changed token.", body = TokenBody), (status = 422, description = "The first field that is not valid.", body = Validation), CompatibilityErrors, CompatibilityBodyErrors)
)]
pub(in crate::http) async fn update(
    service: Data<Service>,
    target: ToChange,
    body: Body,
) -> Result<Json<TokenBody>, Error> {
    let fields = body.of_update().form_or_json(&Token::FIELDS).await;
    let change = fields.and_then(|fields| Ok(TokenChange::judge(&fields, service.catalogue())?));
    let change = target.judged(&service, change).await?;
    let AtToken(reach, id) = target.at;
    let token = service.update_token(reach, id, &change).await?;
    Ok(Json(TokenBody::redacted(&token)))
}

/// Revoke a token.
///
/// After the response, the secret of the token is accepted nowhere. This cannot be undone.
#[utoipa::path(
    delete, path = "/api/laml/2010-04-01/Accounts/{account_sid}/tokens/{token_id}", operation_id = "revokeAccountToken",
    tag = "Compatibility", security(("basic" = [])),
    params(("account_sid" = String, Path, format = Uuid), ("token_id" = String, Path, format = Uuid)),
    responses((status = 204, description = "The token is revoked."), CompatibilityErrors)
)]
pub(in crate::http) async fn delete(
    service: Data<Service>,
    AtToken(reach, id): AtToken,
) -> Result<HttpResponse, Error> {
    service.revoke(reach, id).await?;
    Ok(HttpResponse::NoContent().finish())
}
