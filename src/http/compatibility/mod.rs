//! SignalWire's compatibility API: accounts and their tokens.

pub(in crate::http) mod accounts;
pub(in crate::http) mod tokens;

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::error::Error;

/// The name by which the API was asked, such as `/2010-04-01`. The links of an answer begin with it.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Base(pub(in crate::http) &'static str);

impl FromRequest for Base {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let base = request.app_data::<Self>().copied();
        ready(base.ok_or_else(|| Error::internal("a route that takes a base stands in no scope with one")))
    }
}
