//! An API that checks each request's token by asking Tokensmith's `/auth`, with axum and reqwest.
use std::{env, error::Error, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use reqwest::{Client, redirect::Policy};
use tokio::net::TcpListener;

/// Where to ask, and for which permission.
type Question = (Client, String);

async fn check(State((client, url)): State<Question>, mut request: Request, next: Next) -> Response {
    let mut headers = HeaderMap::new();
    for value in request.headers().get_all(header::AUTHORIZATION) {
        headers.append(header::AUTHORIZATION, value.clone());
    }
    match client.get(url).headers(headers).send().await {
        Ok(answer) if answer.status() == StatusCode::OK => {
            request.extensions_mut().insert(answer.headers().clone());
            next.run(request).await
        }
        Ok(answer) if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&answer.status()) => {
            let challenges = answer.headers().get_all(header::WWW_AUTHENTICATE);
            let mut refusal = answer.status().into_response();
            refusal.headers_mut().extend(challenges.iter().map(|value| (header::WWW_AUTHENTICATE, value.clone())));
            refusal
        }
        // No answer is not a yes.
        Ok(_) | Err(_) => (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")]).into_response(),
    }
}

async fn calls(request: Request) -> String {
    let caller = request.extensions().get::<HeaderMap>().expect("check puts it there");
    let said = |name| caller.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    format!(r#"{{"project":"{}","token":"{}"}}"#, said("x-auth-project-id"), said("x-auth-token-id"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::builder().timeout(Duration::from_secs(2)).redirect(Policy::none()).build()?;
    let question = (client, env::var("AUTH_URL")? + "?permission=calling");
    let app = Router::new().route("/calls", get(calls)).layer(from_fn_with_state(question, check));
    let listener = TcpListener::bind(format!("127.0.0.1:{}", env::var("PORT")?)).await?;
    Ok(axum::serve(listener, app).await?)
}
