//! The three token calls of the compatibility API.

use actix_web::{
    HttpResponse,
    web::{Data, Json},
};
use serde::Serialize;

use crate::{
    domain::{Issued, NewToken, SecretText, Token, TokenChange},
    error::Error,
    http::{
        body::Body,
        path::{AtProject, AtToken},
    },
    service::Service,
};

/// A token on the wire. `token` is its secret in the answer that issued it, and `redacted` in every other.
#[derive(Serialize)]
pub(in crate::http) struct TokenBody {
    id: String,
    name: String,
    permissions: Vec<String>,
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

/// `POST /Accounts/{AccountSid}/tokens`
pub(in crate::http) async fn create(
    service: Data<Service>,
    AtProject(reach): AtProject,
    body: Body,
) -> Result<Json<TokenBody>, Error> {
    let fields = body.form_or_json(&Token::FIELDS).await?;
    let new = NewToken::judge(&fields, service.catalogue())?;
    let issued = service.issue(reach, new).await?;
    Ok(Json(TokenBody::issued(&issued)))
}

/// `PATCH /Accounts/{AccountSid}/tokens/{token_id}`
pub(in crate::http) async fn update(
    service: Data<Service>,
    AtToken(reach, id): AtToken,
    body: Body,
) -> Result<Json<TokenBody>, Error> {
    let fields = body.form_or_json(&Token::FIELDS).await?;
    let change = TokenChange::judge(&fields, service.catalogue())?;
    let token = service.update_token(reach, id, &change).await?;
    Ok(Json(TokenBody::redacted(&token)))
}

/// `DELETE /Accounts/{AccountSid}/tokens/{token_id}`
pub(in crate::http) async fn delete(
    service: Data<Service>,
    AtToken(reach, id): AtToken,
) -> Result<HttpResponse, Error> {
    service.revoke(reach, id).await?;
    Ok(HttpResponse::NoContent().finish())
}
