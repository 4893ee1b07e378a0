//! The token calls of the REST API: SignalWire's three, and ours that list and show.

#![expect(unused_qualifications, reason = "utoipa's macro writes one for the parameters of a list")]

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Json},
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::Links;
use crate::{
    clock::Timestamp,
    domain::{Issued, List, Schema, SecretText, Token, TokenChange},
    error::{Error, Fault, Field},
    http::{
        body::Body,
        links::Base,
        listed::listed,
        openapi::{RestBodyErrors, RestErrors},
        paging::{self, Paging, Query},
        path::{AtToken, ToChange},
    },
    service::{Caller, Service},
};

const PATH: &str = "/api/project/tokens";

const QUERY: Schema = Schema {
    single: &[
        Field::Name.as_str(),
        Field::SubprojectId.as_str(),
        Field::PageSize.as_str(),
        Field::PageNumber.as_str(),
        Field::PageToken.as_str(),
    ],
    repeated: &[],
};

/// A token.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
pub(in crate::http) struct TokenBody {
    #[schema(format = Uuid, example = "1c2d3e4f-5a6b-4c7d-8e9f-0a1b2c3d4e5f")]
    id: String,
    #[schema(example = "Deploy")]
    name: String,
    #[schema(example = json!(["calling", "messaging"]))]
    permissions: Vec<String>,
    /// The secret in the response that issued it, `redacted` in the response to a change, absent from all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "redacted")]
    token: Option<SecretText>,
    /// The project that the token belongs to. It is the user name in HTTP Basic.
    #[schema(format = Uuid, example = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d")]
    project_id: String,
    /// The first 10 characters of the secret.
    #[schema(example = "PT0a1b2c3d")]
    hint: String,
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T04:34:44.000000Z")]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T04:34:44.000000Z")]
    updated_at: Timestamp,
    /// The token that issued this one. Null if the operator issued it.
    #[schema(required = true, format = Uuid, example = "2d3e4f5a-6b7c-4d8e-9f0a-1b2c3d4e5f6a")]
    created_by: Option<String>,
}

impl TokenBody {
    fn new(token: &Token, secret: Option<SecretText>) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name.as_str().to_owned(),
            permissions: token.permissions.iter().map(str::to_owned).collect(),
            token: secret,
            project_id: token.project.to_string(),
            hint: token.hint.as_str().to_owned(),
            created_at: token.created_at,
            updated_at: token.updated_at,
            created_by: token.created_by.map(|id| id.to_string()),
        }
    }

    fn issued(issued: &Issued) -> Self {
        Self::new(&issued.token, Some(issued.secret.reveal()))
    }

    fn redacted(token: &Token) -> Self {
        Self::new(token, Some(SecretText::new("redacted".to_owned())))
    }
}

/// A page of tokens, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenPage)]
pub(in crate::http) struct TokenPage {
    links: Links,
    data: Vec<TokenBody>,
}

/// A new token.
#[derive(ToSchema)]
#[schema(as = NewToken)]
#[expect(dead_code, reason = "describes what domain/token.rs judges")]
pub(in crate::http) struct CreateToken {
    #[schema(
        min_length = 1,
        max_length = 250,
        pattern = "^[^\\u0000-\\u001F\\u007F-\\u009F]*[^\\s\\u0000-\\u001F\\u007F-\\u009F][^\\u0000-\\u001F\\u007F-\\u009F]*$",
        example = "Deploy"
    )]
    name: String,
    /// What the token is allowed to do.
    #[schema(min_items = 1, example = json!(["calling", "messaging"]))]
    permissions: Vec<String>,
    /// A subproject of the caller's project. The token then belongs to that subproject.
    #[schema(pattern = "^(|[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12})$", required = false, example = json!(null))]
    subproject_id: Option<String>,
}

/// Changes to a token. An absent field stays as it is.
#[derive(ToSchema)]
#[schema(as = TokenChange)]
#[expect(dead_code, reason = "describes what domain/token.rs judges")]
pub(in crate::http) struct UpdateToken {
    #[schema(
        min_length = 1,
        max_length = 250,
        pattern = "^[^\\u0000-\\u001F\\u007F-\\u009F]*[^\\s\\u0000-\\u001F\\u007F-\\u009F][^\\u0000-\\u001F\\u007F-\\u009F]*$",
        required = false,
        nullable = false,
        example = "Deploy"
    )]
    name: Option<String>,
    /// The new permissions. They replace all old ones.
    #[schema(min_items = 1, required = false, nullable = false, example = json!(["calling"]))]
    permissions: Option<Vec<String>>,
}

/// Filters and paging of a list of tokens.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what http/paging.rs judges")]
pub(in crate::http) struct ListTokens {
    /// Tokens of this subproject. Without it, tokens of the caller's own project.
    #[param(
        pattern = "^(|[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12})$",
        required = false,
        nullable = false
    )]
    subproject_id: Option<String>,
    /// Only tokens with exactly this name.
    #[param(required = false, nullable = false)]
    name: Option<String>,
    /// The number of tokens on a page.
    #[param(minimum = 1, maximum = 1000, default = 50, required = false, nullable = false)]
    page_size: Option<u32>,
    /// The number of the page. Take it from `links` together with `page_token`.
    #[param(minimum = 0, default = 0, required = false, nullable = false)]
    page_number: Option<u32>,
    /// The position of the page. Take it from `links` of the same list.
    #[param(required = false, nullable = false)]
    page_token: Option<String>,
}

/// Issue a token.
///
/// Only this response contains the secret.
#[utoipa::path(
    post, path = "/api/project/tokens", operation_id = "issueToken", tag = "Tokens", security(("basic" = [])),
    request_body = CreateToken,
    responses((status = 200, description = "The token, with its secret.", body = TokenBody), RestErrors, RestBodyErrors)
)]
pub(in crate::http) async fn create(
    service: Data<Service>,
    caller: Caller,
    body: Body,
) -> Result<Json<TokenBody>, Error> {
    let fields = body.json(&Token::FIELDS).await?;
    let new = service.judge_token(caller.at_home(), &fields).await?;
    let issued = service.issue(caller.at_home(), new).await?;
    Ok(Json(TokenBody::issued(&issued)))
}

/// List tokens, newest first.
#[utoipa::path(
    get, path = "/api/project/tokens", operation_id = "listTokens", tag = "Tokens", security(("basic" = [])),
    params(ListTokens),
    responses((status = 200, description = "A page of tokens.", body = TokenPage), RestErrors)
)]
pub(in crate::http) async fn list(
    service: Data<Service>,
    caller: Caller,
    Base(base): Base,
    request: HttpRequest,
) -> Result<HttpResponse, Error> {
    let query = Query::strict(&request, &QUERY)?;
    let mut faults = Vec::new();
    let subproject = query.fields.subproject().unwrap_or_else(|problem| {
        faults.push(Fault { field: Field::SubprojectId, problem });
        None
    });
    let project = subproject.unwrap_or(caller.project());
    let list = List { endpoint: "tokens", caller: caller.project(), project, name: None };
    let paging = match Paging::judge(&query, paging::REST, list, faults) {
        Ok(paging) => paging,
        Err(faults) => return Err(service.with_subproject(caller.at_home(), &query.fields, faults).await),
    };
    let reach = service.reach_subproject(&caller, subproject).await?;
    let page = service.list_tokens(reach, paging.name(), paging.position, paging.size).await?;
    let links = Links::new(&base, PATH, paging.queries(&page));
    Ok(listed(&TokenPage { links, data: Vec::new() }, page.rows, |token| TokenBody::new(token, None)))
}

/// Show a token.
#[utoipa::path(
    get, path = "/api/project/tokens/{token_id}", operation_id = "showToken", tag = "Tokens", security(("basic" = [])),
    params(("token_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "The token.", body = TokenBody), RestErrors)
)]
pub(in crate::http) async fn show(
    service: Data<Service>,
    AtToken(reach, id): AtToken,
) -> Result<Json<TokenBody>, Error> {
    let token = service.find_token(reach, id).await?;
    Ok(Json(TokenBody::new(&token, None)))
}

/// Change a token's name or permissions.
#[utoipa::path(
    patch, path = "/api/project/tokens/{token_id}", operation_id = "updateToken", tag = "Tokens",
    security(("basic" = [])), params(("token_id" = String, Path, format = Uuid)), request_body = UpdateToken,
    responses((status = 200, description = "The changed token.", body = TokenBody), RestErrors, RestBodyErrors)
)]
pub(in crate::http) async fn update(
    service: Data<Service>,
    target: ToChange,
    body: Body,
) -> Result<Json<TokenBody>, Error> {
    let fields = body.of_update().json(&Token::FIELDS).await;
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
    delete, path = "/api/project/tokens/{token_id}", operation_id = "revokeToken", tag = "Tokens",
    security(("basic" = [])), params(("token_id" = String, Path, format = Uuid)),
    responses((status = 204, description = "The token is revoked."), RestErrors)
)]
pub(in crate::http) async fn delete(
    service: Data<Service>,
    AtToken(reach, id): AtToken,
) -> Result<HttpResponse, Error> {
    service.revoke(reach, id).await?;
    Ok(HttpResponse::NoContent().finish())
}
