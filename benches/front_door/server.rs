//! The servers under load, each a process of its own with one worker, since wrk takes the other core: Tokensmith, and
//! bare handlers that do the least that could be done.

use std::{env, process::Command, str::FromStr, sync::Arc, time::Duration};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::{
        StatusCode,
        header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
    },
    web,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sqlx::postgres::PgConnectOptions;
use tokensmith::{
    domain::{Catalogue, Secret},
    store::{Store, postgres, sqlite},
};

use super::support::Server;

/// In the environment of a process of this program that is to be a bare server.
const BARE: &str = "TOKENSMITH_BENCH_BARE";

/// What the bare server reads from; nothing: it answers a constant.
const BARE_DATABASE: &str = "TOKENSMITH_BENCH_DATABASE";

/// The real binary, on a database that is migrated.
pub fn tokensmith(database: &str, settings: &[&str]) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokensmith"));
    command
        .args(["serve", "--set", "server.workers=1", "--set", "limits.tokens_per_project=1000000000"])
        .args(["--set", &format!("database.url={database}")])
        .env("TOKENSMITH_SERVER__KEY", super::seed::KEY_DIGITS);
    for setting in settings {
        command.args(["--set", setting]);
    }
    Server::tokensmith(command)
}

/// A handler that answers a constant, with the headers of a real answer.
pub fn constant() -> Server {
    bare("")
}

/// The same, after it has read the one row that the credential's selector finds.
pub fn reading(database: &str) -> Server {
    bare(database)
}

fn bare(database: &str) -> Server {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env(BARE, "1").env(BARE_DATABASE, database);
    Server::printing(command)
}

/// Opens a database as the binary does by default.
pub fn open(database: &str) -> Arc<dyn Store> {
    let time_limit = Duration::from_secs(2);
    match database.strip_prefix("sqlite://") {
        Some(path) => sqlite::open(&sqlite::Options { path: path.into(), readers: 4, time_limit }, catalogue()),
        None => {
            let connect = PgConnectOptions::from_str(database).unwrap();
            let fresh_for = postgres::FRESH_FOR;
            postgres::open(&postgres::Options { connect, max_connections: 10, time_limit, fresh_for }, catalogue())
        }
    }
}

pub fn catalogue() -> Arc<Catalogue> {
    let names = "calling chat datasphere fax management messaging numbers pubsub storage tasking video";
    Arc::new(Catalogue::new(names.split(' ').map(str::to_owned)).unwrap())
}

/// Becomes a bare server, in a process that was started as one; else returns.
pub fn be_bare() {
    if env::var_os(BARE).is_none() {
        return;
    }
    let database = env::var(BARE_DATABASE).unwrap();
    actix_web::rt::System::new().block_on(async move {
        // The store's connections live in a runtime that outlives the worker's, as they do in the binary.
        let store = (!database.is_empty()).then(|| open(&database));
        let server = HttpServer::new(move || {
            let app = App::new();
            match store.clone() {
                None => app.service(web::resource("/auth").route(web::route().to(answer_constant))),
                Some(store) => app
                    .app_data(web::Data::from(store))
                    .service(web::resource("/auth").route(web::route().to(read_and_answer))),
            }
        })
        .workers(1)
        .keep_alive(Duration::from_secs(75))
        .tcp_nodelay(true)
        .bind("127.0.0.1:0")
        .unwrap();
        println!("http://{}", server.addrs()[0]);
        server.run().await.unwrap();
    });
    std::process::exit(0);
}

async fn answer_constant() -> HttpResponse {
    answer()
}

async fn read_and_answer(request: HttpRequest, store: web::Data<dyn Store>) -> HttpResponse {
    let secret = secret(request.headers());
    match store.find_holder(secret.selector()).await {
        Ok(Some(holder)) if holder.secret.as_uuid().get_version_num() > 0 => answer(),
        Ok(_) | Err(_) => HttpResponse::Unauthorized().finish(),
    }
}

/// No check of anything: only what it takes to know which row to read.
fn secret(headers: &HeaderMap) -> Secret {
    let text = headers.get(AUTHORIZATION).unwrap().to_str().unwrap();
    let decoded = STANDARD.decode(text.strip_prefix("Basic ").unwrap()).unwrap();
    Secret::parse(std::str::from_utf8(&decoded[37..]).unwrap()).unwrap()
}

fn answer() -> HttpResponse {
    const ID: &str = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d";
    const HEADERS: [(HeaderName, HeaderValue); 8] = [
        (HeaderName::from_static("x-auth-project-id"), HeaderValue::from_static(ID)),
        (HeaderName::from_static("x-auth-parent-project-id"), HeaderValue::from_static(ID)),
        (HeaderName::from_static("x-auth-token-id"), HeaderValue::from_static(ID)),
        (HeaderName::from_static("x-auth-token-name"), HeaderValue::from_static("token%20number%200000")),
        (HeaderName::from_static("x-auth-permissions"), HeaderValue::from_static("calling chat messaging")),
        (HeaderName::from_static("vary"), HeaderValue::from_static("Authorization")),
        (HeaderName::from_static("x-request-id"), HeaderValue::from_static(ID)),
        (HeaderName::from_static("cache-control"), HeaderValue::from_static("no-store")),
    ];
    let mut response = HttpResponse::new(StatusCode::OK);
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
    response
}
