//! What goes over the wire, laid out like the URLs and like what can be wrong with a request.

mod accounts;
mod auth;
mod bad_input;
mod browsers;
mod credentials;
mod errors;
mod introspect;
mod openapi;
mod order;
mod paging;
mod request_id;
mod rest;
mod routes;
mod scope;
mod tokens;
mod updates;

use reqwest::Method;
use serde_json::Value;

use crate::support::Answer;

/// An id that no row has.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

const METHODS: [Method; 8] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::TRACE,
];

const CHALLENGE: &str = "Basic realm=\"tokensmith\", charset=\"UTF-8\"";

/// An error of the compatibility API, whole: its numbered object or its validation object, and the headers.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, code: impl Into<Value>, case: &str) {
    let code = code.into();
    assert_eq!(answer.status, status, "{case}: {}", answer.text);
    assert_common(answer, case);
    let body = answer.json();
    assert_eq!(body["code"], code, "{case}: {body}");
    let keys: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    if code.is_string() {
        assert_eq!(keys, ["attribute", "code", "message", "type", "url"], "{case}");
    } else {
        assert_eq!(keys, ["code", "message", "more_info", "status"], "{case}");
        assert_eq!(body["status"], status, "{case}");
    }
}

/// What every answer of the API has, and what no answer but a 401 has.
#[track_caller]
fn assert_common(answer: &Answer, case: &str) {
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{case}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{case}");
    assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{case}");
    let challenge = (answer.status == 401).then_some(CHALLENGE);
    assert_eq!(answer.header("www-authenticate"), challenge, "{case}");
    assert_eq!(answer.header("allow").is_some(), answer.status == 405, "{case}");
    assert_eq!(answer.header("access-control-allow-origin"), None, "{case}");
}

/// What `Allow` of an answer names.
fn allow(answer: &Answer) -> Vec<String> {
    let mut methods: Vec<String> =
        answer.header("allow").unwrap().split(',').map(|method| method.trim().to_owned()).collect();
    methods.sort();
    methods
}

/// Whether a route of these methods takes that one.
fn takes(allowed: &[Method], method: &Method) -> bool {
    allowed.contains(method) || (method == Method::HEAD && allowed.contains(&Method::GET))
}

/// What `Allow` names.
fn with_head(allowed: &[Method]) -> Vec<String> {
    let all: Vec<Method> = METHODS.iter().filter(|method| takes(allowed, method)).cloned().collect();
    sorted(&all)
}

fn sorted(methods: &[Method]) -> Vec<String> {
    let mut methods: Vec<String> = methods.iter().map(ToString::to_string).collect();
    methods.sort();
    methods
}
