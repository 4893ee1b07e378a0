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

use super::authorization;
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
            request.extensions_mut().insert(caller);
            Ok(next.call(request).await?.map_into_left_body())
        }
        Err(error) => Ok(request.error_response(error).map_into_right_body()),
    }
}

/// Proves the credential of a request.
async fn prove(request: &HttpRequest, permission: &str) -> Result<Caller, Error> {
    let service = request.app_data::<Data<Service>>().expect("the server puts it into every app");
    let credential = authorization::basic(request.headers()).ok_or(Error::Unauthenticated)?;
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
