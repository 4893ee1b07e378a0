//! Liveness and readiness, for load balancers and supervisors. No credentials.

use actix_web::web::{Data, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::{dialect::ErrorBody, stopping::Stopping};
use crate::{error::Error, service::Service};

/// The health of the service.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    #[schema(example = "alive")]
    status: &'static str,
}

/// Check that the process runs.
#[utoipa::path(
    get, path = "/livez", operation_id = "livez", tag = "Service",
    responses((status = 200, description = "The process runs.", body = Health))
)]
pub(super) async fn livez() -> Json<Health> {
    Json(Health { status: "alive" })
}

/// Check that the service can answer requests: the database is reachable and has the right schema.
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz", tag = "Service",
    responses(
        (status = 200, description = "The service is ready.", body = Health),
        (status = 500, description = "The database has another schema version.", body = ErrorBody),
        (status = 503, description = "The database cannot be reached, or the server is stopping.", body = ErrorBody),
    )
)]
pub(super) async fn readyz(service: Data<Service>, stopping: Data<Stopping>) -> Result<Json<Health>, Error> {
    if stopping.has_begun() {
        return Err(Error::Stopping);
    }
    service.ready().await?;
    Ok(Json(Health { status: "ready" }))
}
