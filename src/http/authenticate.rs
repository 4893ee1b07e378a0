//! The first two locks on management: a middleware proves the credential before anything else is looked at, and
//! a handler that takes a [`Caller`] cannot be reached without it.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    body::{EitherBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Data,
};

use tracing::Span;

use super::{Settings, authorization, client_address::client_address};
use crate::{
    error::Error,
    service::{Caller, Service},
};

/// Middleware: lets through whoever proves a credential with the permission. A body is not read before that.
pub(super) async fn needs<B: MessageBody>(
    permission: &'static str,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    match prove(request.request(), permission).await {
        Ok(caller) => {
            name_in_log(&caller, request.request());
            request.extensions_mut().insert(caller);
            Ok(next.call(request).await?.map_into_left_body())
        }
        Err(error) => Ok(request.error_response(error).map_into_right_body()),
    }
}

/// Says in each later log line of the request whose it is, and from where.
pub(super) fn name_in_log(caller: &Caller, request: &HttpRequest) {
    let span = Span::current();
    if span.is_disabled() {
        return;
    }
    span.record("caller.project", tracing::field::display(caller.project()));
    if let Some(token) = caller.token() {
        span.record("caller.token", tracing::field::display(token));
    }
    let settings = request.app_data::<Data<Settings>>().expect("the server puts it into every app");
    let peer = request.peer_addr().map(|peer| peer.ip());
    if let Some(address) = peer.and_then(|peer| client_address(peer, request.headers(), &settings.trusted_proxies)) {
        span.record("client.address", tracing::field::display(address));
    }
}

/// Proves the credential of a request.
async fn prove(request: &HttpRequest, permission: &str) -> Result<Caller, Error> {
    let service = request.app_data::<Data<Service>>().expect("the server puts it into every app");
    let credential = authorization::basic(request.headers()).ok_or_else(|| service.refuse_without_credentials())?;
    service.authenticate(&credential, permission).await
}

impl FromRequest for Caller {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Self>().copied();
        ready(caller.ok_or_else(|| Error::internal("a route that takes a caller asks for no permission")))
    }
}
