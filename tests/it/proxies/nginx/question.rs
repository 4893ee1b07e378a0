//! What the recipe asks the service, and what it makes of each answer: with a stand-in for the service.

use reqwest::Method;

use super::{BASIC, BEARER, Front, assert_refused};
use crate::{
    proxies::{TOLD, recorder::Recorder},
    support::Answer,
};

/// A stand-in that lets everyone in, and tells the five headers.
pub(super) fn service() -> Recorder {
    let service = Recorder::start();
    service.answer(200, &TOLD.map(|name| (name, format!("told {name}"))));
    service
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_credential_the_address_and_an_id_are_passed_on() {
    let service = service();
    let front = Front::asking(service.address);

    for (path, asked) in [
        ("/calls/?permission=swim&x=y", "/auth?permission=calling"),
        ("/rooms/1/2", "/auth?permission=messaging,video"),
        ("/me?permission=swim", "/auth"),
    ] {
        for method in ["GET", "POST", "HEAD", "OPTIONS"] {
            let request = front
                .request(method.parse().unwrap(), path)
                .header("authorization", "Anything at all")
                .header("x-forwarded-for", "10.0.0.1, 127.0.0.1")
                .header("forwarded", "for=10.0.0.1")
                .header("x-request-id", "the client's")
                .header("x-required-permission", "swim")
                .header("x-auth-project-id", "forged")
                .header("x-original-method", "BREW")
                .header("x-http-method-override", "BREW")
                .header("cookie", "a=b")
                .header("range", "bytes=0-1")
                .header("if-none-match", "*")
                .header("if-modified-since", "Tue, 24 Nov 2026 04:34:44 GMT")
                .header("upgrade", "websocket")
                .header("connection", "upgrade, authorization")
                .header("te", "trailers")
                .header("content-type", "text/plain")
                .body("a body");
            let answer = Answer::to(request).await;

            assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
            let heard = service.only();
            assert_eq!((heard.method.as_str(), heard.target.as_str()), ("GET", asked));
            assert_eq!(heard.names(), ["authorization", "host", "x-forwarded-for", "x-request-id"]);
            assert_eq!(heard.all("authorization"), ["Anything at all"]);
            assert_eq!(heard.all("x-forwarded-for"), ["127.0.0.1"]);
            assert_ne!(heard.all("x-request-id"), ["the client's"]);
            assert!(heard.body.is_empty());
            assert_eq!(front.backend.only().body, "a body");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backend_is_told_where_the_client_is_and_under_which_id_the_service_was_asked() {
    let service = service();
    let front = Front::asking(service.address);

    front.get("/calls/", "Anything").await;

    let heard = front.backend.only();
    assert_eq!(heard.all("x-request-id"), service.only().all("x-request-id"));
    assert_eq!(
        ["host", "x-forwarded-for", "x-forwarded-proto"].map(|name| heard.all(name).join(" ")),
        ["127.0.0.1", "127.0.0.1", "http"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_the_answer_lacks_is_none_and_not_the_clients() {
    let service = service();
    let front = Front::asking(service.address);
    service.answer(200, &[]);

    let request =
        TOLD.iter().fold(front.request(Method::GET, "/calls/"), |request, name| request.header(*name, "forged"));
    Answer::to(request).await;

    let heard = front.backend.only();
    assert!(TOLD.iter().all(|name| heard.all(name).is_empty()), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_that_says_neither_yes_nor_no_is_503() {
    let service = service();
    let front = Front::asking(service.address);

    for status in [301, 302, 304, 400, 404, 405, 408, 413, 429, 431, 500, 502, 503, 504] {
        service.answer(status, &[("location", "/elsewhere".to_owned())]);
        let answer = front.get("/calls/", "Anything").await;

        assert_refused(&front, &answer, 503, &status.to_string());
        assert_eq!(answer.header("location"), None, "{status}");
    }
    service.answer(403, &[]);
    assert_refused(&front, &front.get("/calls/", "Anything").await, 403, "403");
}

#[tokio::test(flavor = "multi_thread")]
async fn challenges_that_come_in_one_line_as_from_a_newer_nginx_are_not_told_twice() {
    let service = service();
    let front = Front::asking(service.address);
    let both = format!("{BASIC}, {BEARER}");
    service.answer(401, &[("www-authenticate", both.clone())]);

    let answer = front.get("/calls/", "Anything").await;

    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("www-authenticate"), Some(both.as_str()));
}
