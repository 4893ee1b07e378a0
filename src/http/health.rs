//! Liveness and readiness, for load balancers and supervisors. No credentials.

use actix_web::web::{Data, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::dialect::ErrorBody;
use crate::{error::Error, service::Service};

/// Health.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    #[schema(example = "alive")]
    status: &'static str,
}

/// The process runs and answers.
#[utoipa::path(
    get, path = "/livez", operation_id = "livez", tag = "Service",
    responses((status = 200, description = "It does.", body = Health))
)]
pub(super) async fn livez() -> Json<Health> {
    Json(Health { status: "alive" })
}

/// The store answers and has this program's schema.
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz", tag = "Service",
    responses(
        (status = 200, description = "It does.", body = Health),
        (status = 500, description = "The schema is another.", body = ErrorBody),
        (status = 503, description = "The store is away.", body = ErrorBody),
    )
)]
pub(super) async fn readyz(service: Data<Service>) -> Result<Json<Health>, Error> {
    service.ready().await?;
    Ok(Json(Health { status: "ready" }))
}
