//! What a link begins with: the address under which clients see this server, as far as anyone has said it.

use std::{
    future::{Ready, ready},
    net::SocketAddr,
};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{
        header::{HeaderMap, HeaderName},
        uri::Authority,
    },
    web::Data,
};

use super::{Settings, client_address::is_trusted};
use crate::error::Error;

const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// `server.public_url`; else what a trusted proxy says; else nothing, so that links are paths.
pub(super) struct Base(pub(super) String);

impl FromRequest for Base {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let settings = request.app_data::<Data<Settings>>().expect("the server puts it into every app");
        let base = match settings.public_url.as_str() {
            "" => forwarded(request.peer_addr(), request.headers(), settings).unwrap_or_default(),
            url => url.to_owned(),
        };
        ready(Ok(Self(base)))
    }
}

/// What a trusted proxy says.
pub(super) fn forwarded(peer: Option<SocketAddr>, headers: &HeaderMap, settings: &Settings) -> Option<String> {
    if !is_trusted(peer?.ip(), &settings.trusted_proxies) {
        return None;
    }
    let proto = only(headers, &PROTO).filter(|proto| matches!(*proto, "http" | "https"))?;
    let host = only(headers, &HOST).filter(|host| !host.contains('@'))?;
    Authority::try_from(host).ok().map(|host| format!("{proto}://{host}"))
}

/// A header that several hops have written says nothing that could be relied on.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().ok()?.trim();
    (values.next().is_none() && !value.contains(',')).then_some(value)
}
