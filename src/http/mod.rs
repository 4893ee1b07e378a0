//! The *door*: the only room that knows HTTP. Every path, its methods and the permission that it needs stand on
//! this page; handlers take a shape in, make one call and give a shape out.

mod auth;
mod authenticate;
mod authorization;
mod body;
mod browsers;
mod client_address;
mod compatibility;
mod connection;
mod dialect;
mod docs;
mod door;
mod error;
mod health;
mod introspect;
mod links;
mod listed;
mod mislabelled;
pub mod openapi;
mod paging;
mod path;
mod request;
mod rest;
mod server;
mod stopping;
mod unread;

use std::time::Duration;

use actix_web::{Resource, dev::HttpServiceFactory, guard, middleware::from_fn, web};

use compatibility::Base;
pub use server::serve;

use crate::{domain::MANAGEMENT, error::Error};

/// How the door behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Threads that serve.
    pub workers: usize,
    /// How long a request's head may take.
    pub header_timeout: Duration,
    /// How long a request's body may take.
    pub body_timeout: Duration,
    /// The most bytes of a body.
    pub body_bytes: usize,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// The most connections of one worker.
    pub max_connections: usize,
    /// How long the server goes on when it is to stop, while it asks clients to go elsewhere.
    pub drain: Duration,
    /// How long requests under way may take when the server stops.
    pub shutdown_timeout: Duration,
    /// What clients see as the server's address, without a slash at the end; empty where nobody said.
    pub public_url: String,
    /// Proxies whose `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// What answers say of a project that has no region preference of its own.
    pub region_preference: String,
}

/// SignalWire's compatibility API.
const COMPATIBILITY: &str = "/api/laml/2010-04-01";

/// Its second name, which SignalWire's SDKs and Twilio's ask for. Links in an answer keep the name that was asked.
const COMPATIBILITY_OF_SDKS: &str = "/2010-04-01";

/// Forward-auth, here and at every path below, with any method. The door answers it before it looks for a route.
const AUTH: &str = "/auth";

/// Every other route. `tests/it/http/routes.rs` walks the same table with every kind of wrong credential.
fn routes(app: &mut web::ServiceConfig) {
    app.service(web::resource("/").route(get().to(docs::home)))
        .service(web::resource("/favicon.ico").route(get().to(docs::favicon)))
        .service(web::resource("/livez").route(get().to(health::livez)))
        .service(web::resource("/readyz").route(get().to(health::readyz)))
        .service(web::resource("/openapi.json").route(get().to(openapi::document)))
        .service(web::resource("/docs").route(get().to(docs::page)))
        .service(web::resource("/docs/{file}").route(get().to(docs::file)))
        .service(
            web::resource("/oauth/introspect")
                .wrap(from_fn(introspect::authenticate))
                .wrap(from_fn(dialect::oauth))
                .route(web::post().to(introspect::answer)),
        )
        .service(
            web::scope("/api/project")
                .wrap(from_fn(|request, next| authenticate::needs(MANAGEMENT, request, next)))
                .service(
                    web::resource("/tokens")
                        .route(get().to(rest::tokens::list))
                        .route(web::post().to(rest::tokens::create)),
                )
                .service(
                    web::resource("/tokens/{token}")
                        .route(get().to(rest::tokens::show))
                        .route(web::patch().to(rest::tokens::update))
                        .route(web::delete().to(rest::tokens::delete)),
                )
                .default_service(web::to(unknown_path)),
        )
        .service(
            web::scope("/api/projects")
                .wrap(from_fn(|request, next| authenticate::needs(MANAGEMENT, request, next)))
                .service(
                    web::resource("")
                        .route(get().to(rest::projects::list))
                        .route(web::post().to(rest::projects::create)),
                )
                .service(
                    web::resource("/{project}")
                        .route(get().to(rest::projects::show))
                        .route(web::patch().to(rest::projects::update))
                        .route(web::delete().to(rest::projects::delete)),
                )
                .service(
                    web::resource("/{project}/signing-key/rotate")
                        .route(web::post().to(rest::projects::rotate_signing_key)),
                )
                .default_service(web::to(unknown_path)),
        )
        .service(compatibility_scope(COMPATIBILITY))
        .service(compatibility_scope(COMPATIBILITY_OF_SDKS))
        .default_service(web::to(unknown_path));
}

/// The compatibility API below one of its names. All of it needs `management`.
fn compatibility_scope(base: &'static str) -> impl HttpServiceFactory {
    web::scope(base)
        .app_data(Base(base))
        .wrap(from_fn(|request, next| authenticate::needs(MANAGEMENT, request, next)))
        .wrap(from_fn(dialect::compatibility))
        .service(
            compatibility_resource("/Accounts")
                .route(get().to(compatibility::accounts::list))
                .route(web::post().to(compatibility::accounts::create)),
        )
        .service(
            compatibility_resource("/Accounts/{project}")
                .route(get().to(compatibility::accounts::show))
                .route(web::post().to(compatibility::accounts::update)),
        )
        .service(
            compatibility_resource("/Accounts/{project}/tokens").route(web::post().to(compatibility::tokens::create)),
        )
        .service(
            compatibility_resource("/Accounts/{project}/tokens/{token}")
                .route(web::patch().to(compatibility::tokens::update))
                .route(web::delete().to(compatibility::tokens::delete)),
        )
        .default_service(web::to(unknown_path))
}

/// Each path of the compatibility API is served as `X`, `X/` and `X.json`. The last comes first here, because a
/// path parameter takes in dots.
fn compatibility_resource(path: &str) -> Resource {
    web::resource([format!("{path}.json"), path.to_owned(), format!("{path}/")]).name(path)
}

/// HEAD answers where GET does (RFC 9110, section 9.3.2).
fn get() -> actix_web::Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn unknown_path() -> Result<(), Error> {
    Err(Error::UnknownPath)
}
