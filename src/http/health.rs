//! Liveness and readiness, for load balancers and supervisors. No credentials.

use actix_web::web::{Data, Json};
use serde::Serialize;

use crate::{error::Error, service::Service};

#[derive(Serialize)]
pub(super) struct Health {
    status: &'static str,
}

/// The process runs and answers.
pub(super) async fn livez() -> Json<Health> {
    Json(Health { status: "alive" })
}

/// The store answers and has this program's schema.
pub(super) async fn readyz(service: Data<Service>) -> Result<Json<Health>, Error> {
    service.ready().await?;
    Ok(Json(Health { status: "ready" }))
}
