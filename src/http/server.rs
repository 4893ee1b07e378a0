//! The server itself: its limits on time and size, its start and its end.

use std::{
    future::{Future, ready},
    io,
    net::TcpListener,
    sync::Arc,
    time::Duration,
};

use actix_http::HttpService;
use actix_server::Server;
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_web::{App, Error, dev::AppConfig, web};
use tokio::{task::yield_now, time::sleep};

use super::{
    Settings,
    connection::{Patience, Socket},
    docs::Site,
    door::Door,
    openapi::Written,
    routes,
    stopping::{LAST_CALL, Stopping},
};
use crate::service::Service;

/// Serves on a listener until `shutdown` resolves. Then it goes on for `drain`, in which it is not ready and ends connections
/// with the next answer on them; closes the listener; answers what is under way, for at most `shutdown_timeout`, and returns.
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
    let site = web::Data::new(Site::new());
    let patience = Patience { head: settings.header_timeout, idle: settings.keep_alive + settings.header_timeout };
    let drain = settings.drain;
    let server = Server::build()
        .workers(settings.workers)
        .max_concurrent_connections(settings.max_connections)
        // It takes whole seconds; none would cut off what is under way.
        .shutdown_timeout(u64::try_from(settings.shutdown_timeout.as_millis().div_ceil(1000)).unwrap_or(u64::MAX))
        // Signals are the business of the caller.
        .disable_signals();
    let closing = server.graceful_shutdown_signal();
    let stopping = Stopping::default();
    let begun = stopping.clone();
    // As actix-web's own server does it, but on sockets with a gate.
    let server = server
        .listen("http", listener, move || {
            let app = App::new()
                .app_data(service.clone())
                .app_data(shared.clone())
                .app_data(document.clone())
                .app_data(site.clone())
                .app_data(web::Data::new(stopping.clone()))
                .configure(routes);
            let door = Door { service: service.clone(), settings: shared.clone(), stopping: stopping.clone() };
            let door = actix_service::apply(door, app).map_err(|error: Error| error.error_response());
            let closing = closing.clone();
            let http = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let closing = closing.clone();
                    async move {
                        closing.notified().await;
                        sleep(LAST_CALL).await;
                        // What has come by now is read before the end.
                        yield_now().await;
                    }
                })
                .keep_alive(shared.keep_alive)
                .client_request_timeout(shared.header_timeout)
                .client_disconnect_timeout(Duration::from_secs(1))
                .on_connect_ext(|socket: &Socket, data| {
                    data.insert(socket.connection());
                })
                .h1(map_config(door, |()| AppConfig::default()));
            fn_service(move |io| ready(Ok(Socket::accept(io, patience)))).and_then(http)
        })?
        .run();
    let handle = server.handle();
    let mut running = std::pin::pin!(server);
    tokio::select! {
        ended = &mut running => return ended,
        () = shutdown => {}
    }
    begun.begin();
    if !drain.is_zero() {
        tracing::info!(
            drain_ms = u64::try_from(drain.as_millis()).unwrap_or(u64::MAX),
            "draining: not ready; each answer is the last of its connection"
        );
        tokio::select! {
            ended = &mut running => return ended,
            () = sleep(drain) => {}
        }
    }
    tracing::info!("stopping: no new connections; requests under way are answered");
    let ((), ended) = tokio::join!(handle.stop(true), running);
    ended
}
