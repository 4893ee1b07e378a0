//! The server itself: its limits on time and size, its start and its end.

use std::{future::Future, io, net::TcpListener, sync::Arc};

use actix_web::{App, HttpServer, web};

use super::{Settings, door::Door, idle, openapi::Written, routes};
use crate::service::Service;

/// Serves on a listener until `shutdown` resolves, then answers what is under way, for at most
/// `shutdown_timeout`, and returns.
///
/// # Errors
/// Those of the listener.
pub async fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let service = web::Data::from(service);
    let shared = web::Data::new(settings.clone());
    let document = web::Data::new(Written::new(service.catalogue()));
    let server = HttpServer::new(move || {
        let app =
            App::new().app_data(service.clone()).app_data(shared.clone()).app_data(document.clone()).configure(routes);
        actix_service::apply(Door(service.clone()), app)
    })
    .on_connect({
        let limit = settings.keep_alive + settings.header_timeout;
        move |io, data| idle::watch(io, data, limit)
    })
    .workers(settings.workers)
    .client_request_timeout(settings.header_timeout)
    .client_disconnect_timeout(std::time::Duration::from_secs(1))
    .keep_alive(settings.keep_alive)
    .max_connections(settings.max_connections)
    // It takes whole seconds; none would cut off what is under way.
    .shutdown_timeout(u64::try_from(settings.shutdown_timeout.as_millis().div_ceil(1000)).unwrap_or(u64::MAX))
    .tcp_nodelay(true)
    // Signals are the business of whoever called.
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    let mut running = std::pin::pin!(server);
    tokio::select! {
        ended = &mut running => return ended,
        () = shutdown => {}
    }
    tracing::info!("stopping: no new connections; requests under way are answered");
    let ((), ended) = tokio::join!(handle.stop(true), running);
    ended
}
