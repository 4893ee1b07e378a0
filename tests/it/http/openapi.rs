//! The OpenAPI document: every route is in it and nothing else, and people can read it without another host.

use reqwest::Method;
use serde_json::Value;

use crate::support::{Answer, App, Backend};

/// The patterns of the page of routes as the document writes them, with their methods.
fn routes() -> Vec<(String, String)> {
    let page = include_str!("../../../src/http/mod.rs");
    let mut base = "";
    let mut path = String::new();
    let mut found = Vec::new();
    for line in page.lines().map(str::trim) {
        if line.contains("web::scope(") {
            base = match line.split(['(', ')']).nth(2).or_else(|| line.split(['(', ')']).nth(1)) {
                Some(argument) if argument.contains('"') => argument.trim_matches('"'),
                _ => "/api/laml/2010-04-01",
            };
            if let Some(at) = line.find("web::scope(\"") {
                base = line[at + 12..].split('"').next().unwrap();
            }
        }
        if let Some((_, rest)) = line.split_once("resource(\"") {
            let pattern = rest.split('"').next().unwrap();
            let own =
                if line.starts_with(".service(web::resource") || line.starts_with("app.service") { "" } else { base };
            path = format!("{own}{pattern}");
        }
        if let Some((_, route)) = line.split_once(".route(") {
            let method = route.trim_start_matches("web::").split('(').next().unwrap();
            found.push((path.clone(), method.to_owned()));
        }
    }
    let parameter = |path: &str| {
        let project = if path.contains("/Accounts") { "{account_sid}" } else { "{project_id}" };
        path.replace("{project}", project).replace("{token}", "{token_id}")
    };
    let mut found: Vec<_> = found
        .into_iter()
        // The page's own files are no part of the API.
        .filter(|(path, _)| path != "/docs/{file}")
        .map(|(path, method)| (parameter(&path), method))
        .collect();
    // The door itself answers it, whatever the method: the document shows one.
    found.push(("/auth".to_owned(), "get".to_owned()));
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_and_the_routes_name_the_same_calls() {
    let mut app = App::start(Backend::Sqlite).await;

    let answer = Answer::to(app.request(Method::GET, "/openapi.json")).await;
    let document = answer.json();
    let mut documented: Vec<(String, String)> = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        documented.extend(methods.as_object().unwrap().keys().map(|method| (path.clone(), method.clone())));
    }
    documented.sort();

    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(documented, routes());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_the_document_has_a_name_its_credentials_and_its_errors() {
    let mut app = App::start(Backend::Sqlite).await;
    let document = Answer::to(app.request(Method::GET, "/openapi.json")).await.json();

    let mut names = std::collections::BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, call) in methods.as_object().unwrap() {
            let case = format!("{method} {path}");
            assert!(names.insert(call["operationId"].as_str().unwrap().to_owned()), "{case}");
            assert!(call["summary"].is_string(), "{case}");
            let is_open = ["/livez", "/readyz", "/docs", "/openapi.json"].contains(&path.as_str());
            assert_ne!(call["security"].is_array(), is_open, "{case}");
            let responses = call["responses"].as_object().unwrap();
            if path.starts_with("/api/") {
                for status in ["401", "500", "503"] {
                    assert!(responses.contains_key(status), "{case} {status}");
                }
            }
            for (status, response) in responses {
                let has_body = status != "204" && path != "/auth";
                assert_eq!(response["content"].is_object(), has_body, "{case} {status}");
            }
        }
    }
    assert_eq!(document["components"]["securitySchemes"]["basic"]["scheme"], "basic");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_for_people_loads_nothing_from_another_host() {
    let mut app = App::start(Backend::Sqlite).await;

    let page = Answer::to(app.request(Method::GET, "/docs")).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let links: Vec<&str> = page.text.split(['"', '\'']).filter(|part| part.starts_with("docs/")).collect();
    assert_eq!(links, ["docs/swagger-ui.css", "docs/swagger-ui-bundle.js", "docs/start.js"]);
    assert!(!page.text.contains("//"), "{}", page.text);
    for code in ["20404", "10003", "page_token_is_invalid", "only_subprojects_can_be_deleted"] {
        assert!(page.text.contains(&format!("id=\"error-{code}\"")), "errors link to {code}");
    }
    for path in ["docs"].into_iter().chain(links) {
        let answer = Answer::to(app.request(Method::GET, &format!("/{path}"))).await;
        let policy = answer.header("content-security-policy").unwrap();

        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-length"), Some(answer.text.len().to_string().as_str()), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), None, "{path}");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("http") && !policy.contains('*'), "{policy}");
    }
    assert_eq!(Answer::to(app.request(Method::GET, "/docs/x.js")).await.status, 404);
    app.stop().await;
}

#[test]
fn the_command_line_prints_the_same_document() {
    let printed = std::process::Command::new(env!("CARGO_BIN_EXE_tokensmith")).arg("openapi").output().unwrap();

    let document: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(
        document,
        serde_json::from_str::<Value>(&tokensmith::http::openapi::json(&crate::support::catalogue())).unwrap()
    );
}
