//! What clients send by mistake or by malice: each has its exact answer and leaves no trace in the store.

mod bodies;
mod connection;
mod credentials;
mod fields;
mod framing;
mod noise;
mod slow;

use reqwest::Method;
use serde_json::Value;

use super::{NOBODY, assert_common, assert_refused};
use crate::support::{Answer, App, Project};

/// A POST of a body to a project's tokens.
async fn post(app: &App, project: &Project, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = app.authorized(Method::POST, &project.tokens(), project).header("content-type", content_type);
    Answer::to(request.body(body)).await
}

async fn post_form(app: &App, project: &Project, form: impl Into<reqwest::Body>) -> Answer {
    post(app, project, "application/x-www-form-urlencoded", form).await
}

async fn post_json(app: &App, project: &Project, json: &Value) -> Answer {
    post(app, project, "application/json", json.to_string()).await
}

/// The head of a raw request to create a token, up to the headers of the body.
fn head(project: &Project) -> String {
    format!("POST {} HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\n", project.tokens(), project.authorization())
}
