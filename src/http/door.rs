//! What every request passes, in this order: its connection is not idle, its body is watched over, it gets an id, and an
//! error that nobody has said is said. One middleware for all of it: each layer of actix-web's allocates, and moves
//! the request and its answer once more.

use actix_web::{
    Error,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};
use tracing::Instrument;

use super::{
    dialect,
    idle::UnderWay,
    request::Identified,
    unread::{Held, Unread},
};

/// Middleware of the whole app.
pub(super) async fn pass<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<EitherBody<B>, Unread>>, Error> {
    let _under_way = UnderWay::begin(&request);
    let body = Held::of(&mut request);
    let identified = Identified::new(&request);

    let span = identified.span();
    let answer = async { Ok::<_, Error>(dialect::plain(next.call(request).await?)) };
    let mut response = answer.instrument(span).await?;

    identified.finish(&mut response);
    Ok(body.close(response))
}
