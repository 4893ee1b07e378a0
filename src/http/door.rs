//! What every request passes, in this order: its connection is not idle and has not been ended, its body is watched over,
//! it gets an id, no page of another site is behind it, and an error that nobody has said is said. Forward-auth is answered here as well, before there is a route to be found or a
//! request of actix-web's to be made: either costs more than the check itself.
//!
//! It stands around the whole app. As middleware inside, each layer allocates, and moves the request and its answer once
//! more.

use std::{
    future::{Ready, ready},
    rc::Rc,
};

use actix_http::Request;
use actix_web::{
    body::{BoxBody, EitherBody},
    dev::{Response, ServiceResponse, Transform, forward_ready},
    http::{
        StatusCode,
        header::{HeaderValue, RETRY_AFTER},
    },
    web::Data,
};
use futures_util::future::LocalBoxFuture;
use tracing::Instrument;

use super::{
    AUTH, Settings, auth, browsers,
    connection::{Connection, UnderWay},
    dialect,
    request::{Identified, QuickIds},
    stopping::Stopping,
    unread::{Held, Unread},
};
use crate::{error::Error, service::Service};

/// Makes the door of a worker, around its app.
pub(super) struct Door {
    pub(super) service: Data<Service>,
    pub(super) settings: Data<Settings>,
    pub(super) stopping: Stopping,
}

/// A worker's door.
pub(super) struct Opened<A> {
    app: A,
    inside: Rc<Inside>,
}

/// What answers need, counted by one worker alone.
struct Inside {
    service: Data<Service>,
    settings: Data<Settings>,
    ids: QuickIds,
    stopping: Stopping,
}

impl<A> Transform<A, Request> for Door
where
    A: actix_web::dev::Service<Request, Response = ServiceResponse, Error = actix_web::Error>,
    A::Future: 'static,
{
    type Response = Response<EitherBody<BoxBody, Unread>>;
    type Error = actix_web::Error;
    type InitError = ();
    type Transform = Opened<A>;
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, app: A) -> Self::Future {
        let Self { service, settings, stopping } = self;
        let ids = QuickIds::new(service);
        let (service, settings, stopping) = (service.clone(), settings.clone(), stopping.clone());
        let inside = Inside { service, settings, ids, stopping };
        ready(Ok(Opened { app, inside: Rc::new(inside) }))
    }
}

impl<A> actix_web::dev::Service<Request> for Opened<A>
where
    A: actix_web::dev::Service<Request, Response = ServiceResponse, Error = actix_web::Error>,
    A::Future: 'static,
{
    type Response = Response<EitherBody<BoxBody, Unread>>;
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    forward_ready!(app);

    fn call(&self, mut request: Request) -> Self::Future {
        let connection = Connection::of(&request);
        let is_late = connection.as_ref().is_some_and(Connection::is_ending);
        let under_way = UnderWay::begin(connection.as_ref());
        let body = Held::of(&mut request, connection);
        if is_late {
            let mut response = refused();
            let identified = Identified::at_auth(&request, &self.inside.ids);
            identified.finish(&mut response, "none", &self.inside.stopping);
            return Box::pin(ready(Ok(body.close(response))));
        }
        if auth::is_at(request.path()) {
            let inside = self.inside.clone();
            return Box::pin(async move {
                let _under_way = under_way;
                let identified = Identified::at_auth(&request, &inside.ids);
                let mut response = auth::answer(request.head(), &inside.service, &identified).await;
                identified.finish(&mut response, AUTH, &inside.stopping);
                Ok(body.close(response))
            });
        }

        let inside = self.inside.clone();
        let identified = Identified::new(&request, &inside.service);
        if browsers::is_refused(&request, &inside.settings) {
            let path = browsers::decoded(request.path());
            let refusal = identified.span().in_scope(|| {
                dialect::refused(&Error::CrossSite, &path, identified.id(), &inside.settings, &inside.service)
            });
            let mut response = Response::from(refusal);
            identified.finish(&mut response, "none", &inside.stopping);
            return Box::pin(ready(Ok(body.close(response))));
        }
        let span = identified.span();
        let answer = span.in_scope(|| self.app.call(request));
        Box::pin(async move {
            let _under_way = under_way;
            let response = async { answer.await.map(dialect::plain) }.instrument(span).await?;
            let (request, response) = response.into_parts();
            let mut response = Response::from(response).map_into_boxed_body();
            let route = request.match_name().map(ToOwned::to_owned).or_else(|| request.match_pattern());
            identified.finish(&mut response, route.as_deref().unwrap_or("none"), &inside.stopping);
            Ok(body.close(response))
        })
    }
}

/// The answer to a request behind the one that ended the connection (RFC 9112, section 9.6). It is not run, and its client
/// should not listen any more. None comes this far as long as the gate holds: see `connection`.
fn refused() -> Response<BoxBody> {
    let mut response = Response::new(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}
