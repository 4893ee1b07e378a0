//! Bodies of every size and form, connections that are kept, and the commands of the page that explains it all.

use std::{fs, process::Command};

use reqwest::Method;
use rstest::rstest;
use tempfile::TempDir;

use super::{Front, Own, assert_refused, token};
use crate::{
    proxies::relay::Relay,
    support::{Answer, App, Backend, Certificates, Raw, program, run},
};

const PAGE: &str = include_str!("../../../../docs/nginx.md");

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_body_arrives_whole(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let front = Front::asking(app.address);
    let authorization = app.root.authorization();
    let body: Vec<u8> = (0..1 << 20).map(|i: u32| (i % 251) as u8).collect();

    for method in [Method::POST, Method::PUT, Method::DELETE, Method::GET] {
        let request = front.request(method.clone(), "/me").header("authorization", &authorization);
        let answer = Answer::to(request.body(body.clone())).await;

        assert_eq!(answer.status, 200, "{method}");
        assert!(front.backend.only().body == body, "{method}");
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_chunks_arrives_whole_and_the_next_request_on_its_connection_is_another(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let front = Front::asking(app.address);
    let authorization = app.root.authorization();
    let mut raw = Raw::to(front.nginx.address()).await;

    for (credential, status) in [(authorization.as_str(), 200), ("Bearer x", 401), (&authorization, 200)] {
        for method in ["GET", "POST"] {
            let head = format!("{method} /me HTTP/1.1\r\nHost: h\r\nAuthorization: {credential}\r\n");
            raw.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n1\r\n \r\n4\r\nbody\r\n0\r\n\r\n"))
                .await;
            let answer = raw.answer().await.unwrap();

            if status == 200 {
                assert_eq!(answer.status, 200, "{method}: {answer:?}");
                assert_eq!(front.backend.only().body, "whole body");
            } else {
                assert_refused(&front, &answer, status, method);
            }
        }
    }
    // What could be read as two requests is read as none.
    raw.send("POST /me HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").await;
    assert_refused(&front, &raw.answer().await.unwrap(), 400, "two lengths");
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_on_one_connection_cost_one_connection_to_the_service(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let way = Relay::to(app.address).await;
    let front = Front::asking(way.address);
    let (_, good) = token(&app, &["calling"]).await;
    let mut raw = Raw::to(front.nginx.address()).await;

    for i in 0..1000 {
        let (path, credential, status) = match i % 5 {
            0 => ("/rooms/", good.as_str(), 403),
            1 => ("/calls/", "Bearer x", 401),
            _ => ("/calls/", good.as_str(), 200),
        };
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: {credential}\r\n\r\n")).await;
        let answer = raw.answer().await.unwrap_or_else(|| panic!("the connection ended before answer {i}"));
        assert_eq!(answer.status, status, "{i}: {answer:?}");
    }

    assert_eq!(front.backend.take().len(), 600);
    // More than nginx lets through one connection unless told otherwise.
    for _ in 0..100 {
        assert_eq!(front.get("/calls/", &good).await.status, 200);
    }
    assert_eq!(way.opened(), 1);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_pages_commands_answer_as_it_says(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let (mut app, certificates, directory) = (App::start(backend).await, Certificates::new(), TempDir::new().unwrap());
    let front = Front::start(&[app.address], &Own { certificates: Some(&certificates), ..Own::default() });
    let script = PAGE.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let expected: Vec<&str> = script.lines().filter_map(|line| Some(line.rsplit_once("# ")?.1)).collect();
    assert!(expected.len() > 8, "{expected:?}");
    let (id, secret) = app.issue(&app.root, &["calling"]).await;
    // The names of the page lead to this nginx, whose certificate has another one.
    let settings = format!("insecure\nconnect-to = \"::{}\"\n", front.nginx.address());
    fs::write(directory.path().join(".curlrc"), settings).unwrap();

    let mut bash = Command::new(program("bash", "bash"));
    bash.args(["-euo", "pipefail", "-c", script])
        .current_dir(directory.path())
        .env("HOME", directory.path())
        .env("CURL_HOME", directory.path())
        .envs([("PROJECT_ID", app.root.id.to_string()), ("MANAGEMENT_TOKEN", app.root.secret.clone())])
        .envs([("TOKEN_ID", id), ("TOKEN", secret)]);
    let said = tokio::task::spawn_blocking(move || run(&mut bash)).await.unwrap().done();

    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    app.stop().await;
}
