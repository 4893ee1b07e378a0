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
        .filter(|(path, _)| !["/docs/{file}", "/", "/favicon.ico"].contains(&path.as_str()))
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
    let tags = document["tags"].as_array().unwrap();
    let compatibility = tags.iter().find(|tag| tag["name"] == "Compatibility").unwrap();
    assert!(compatibility["description"].as_str().unwrap().contains("`/2010-04-01`"), "the second base is named");
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
                for status in ["401", "403", "500", "503"] {
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
    let plain: Vec<String> = links.iter().map(|link| without_hash(link)).collect();
    assert_eq!(plain, ["docs/swagger-ui.css", "docs/page.css", "docs/swagger-ui-bundle.js", "docs/start.js"]);
    assert!(!page.text.contains("//"), "{}", page.text);
    for code in ["20404", "10003", "page_token_is_invalid", "page_token_required", "unknown_parameter"] {
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
        let kept = if path == "docs" { "no-store" } else { "public, max-age=31536000, immutable" };
        assert_eq!(answer.header("cache-control"), Some(kept), "{path}");
    }
    for gone in ["/docs/x.js", "/docs/start.js", "/docs/swagger-ui.css", "/docs/start.00000000.js"] {
        let answer = Answer::to(app.request(Method::GET, gone)).await;
        assert_eq!((answer.status, answer.header("cache-control")), (404, Some("no-store")), "{gone}");
    }
    app.stop().await;
}

/// `docs/start.0a1b2c3d.js` is `docs/start.js`.
fn without_hash(link: &str) -> String {
    let (rest, extension) = link.rsplit_once('.').unwrap();
    let (stem, hash) = rest.rsplit_once('.').unwrap();
    assert!(hash.len() == 8 && hash.bytes().all(|digit| digit.is_ascii_hexdigit()), "{link}");
    format!("{stem}.{extension}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_files_are_compressed_for_those_who_take_it() {
    use std::io::Read;

    let mut app = App::start(Backend::Sqlite).await;
    let page = Answer::to(app.request(Method::GET, "/docs")).await.text;
    let bundle = page.split('"').find(|part| part.starts_with("docs/swagger-ui-bundle.")).unwrap().to_owned();
    let get = async |accepted: Option<&str>| {
        let mut request = app.request(Method::GET, &format!("/{bundle}"));
        if let Some(accepted) = accepted {
            request = request.header("accept-encoding", accepted);
        }
        let response = request.send().await.unwrap();
        let encoding = response.headers().get("content-encoding").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(response.headers()["vary"], "Accept-Encoding");
        assert_eq!(response.headers()["content-type"], "text/javascript; charset=utf-8");
        (encoding, response.bytes().await.unwrap())
    };

    let (encoding, plain) = get(None).await;
    assert_eq!(encoding, None);
    for accepted in ["gzip", "gzip, deflate, br, zstd", "GZIP;q=0.5"] {
        let (encoding, packed) = get(Some(accepted)).await;
        assert_eq!(encoding.as_deref(), Some("gzip"), "{accepted}");
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();

        assert_eq!(unpacked, plain, "{accepted}");
        assert!(packed.len() * 3 < plain.len(), "{} of {} bytes", packed.len(), plain.len());
    }
    for refused in ["identity", "gzip;q=0", "br", "br, *", "", "gzip;q=x", "*;q=0"] {
        assert_eq!(get(Some(refused)).await, (None, plain.clone()), "{refused:?}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_address_leads_to_the_page() {
    let mut app = App::start(Backend::Sqlite).await;
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();

    for method in [Method::GET, Method::HEAD] {
        let answer = Answer::to(client.request(method, app.url("/"))).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("docs")));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let followed = Answer::to(app.request(Method::GET, "/")).await;
    assert_eq!((followed.status, followed.text.contains("<title>Tokensmith API</title>")), (200, true));
    assert_eq!(Answer::to(app.request(Method::POST, "/")).await.status, 405);

    let icon = Answer::to(app.request(Method::GET, "/favicon.ico")).await;
    assert_eq!((icon.status, icon.header("content-type")), (200, Some("image/svg+xml")));
    assert!(icon.text.starts_with("<svg") && icon.text.len() < 1024, "{}", icon.text);
    app.stop().await;
}

#[rstest::rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_pages_script_gets_no_basic_challenge(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let page = Answer::to(app.request(Method::GET, "/docs")).await.text;
    let start = page.split('"').find(|part| part.starts_with("docs/start.")).unwrap().to_owned();
    let script = Answer::to(app.request(Method::GET, &format!("/{start}"))).await.text;
    assert!(script.contains("request.headers['X-Requested-With'] = 'XMLHttpRequest'"), "{script}");
    assert!(script.contains("requestInterceptor"), "{script}");
    // The field that gets the cursor is one that Swagger UI has.
    let bundle = page.split('"').find(|part| part.starts_with("docs/swagger-ui-bundle.")).unwrap().to_owned();
    let bundle = Answer::to(app.request(Method::GET, &format!("/{bundle}"))).await.text;
    let field = script.split("getElementById('").nth(1).unwrap().split('\'').next().unwrap();
    assert!(bundle.contains(&format!("\"{field}\"")), "Swagger UI has no field {field}");

    for path in ["/api/projects", "/2010-04-01/Accounts", "/api/laml/2010-04-01/Accounts", "/oauth/introspect", "/auth"]
    {
        for credential in [None, Some("Basic junk")] {
            let ask = |header: Option<&str>| {
                let mut request = app.request(Method::GET, path);
                for (name, value) in [("authorization", credential), ("x-requested-with", header)] {
                    if let Some(value) = value {
                        request = request.header(name, value);
                    }
                }
                Answer::to(request)
            };
            for said in ["XMLHttpRequest", "xmlhttprequest"] {
                let answer = ask(Some(said)).await;
                let challenges = answer.headers.iter().filter(|(name, _)| name == "www-authenticate");
                assert_eq!(answer.status, 401, "{path}");
                assert!(challenges.clone().all(|(_, value)| !value.starts_with("Basic")), "{path}");
                assert_eq!(challenges.count(), usize::from(path == "/auth"), "{path}");
            }
            for said in [None, Some(""), Some("com.example.app")] {
                let answer = ask(said).await;
                let first = answer.headers.iter().find(|(name, _)| name == "www-authenticate").unwrap();
                assert!(first.1.starts_with("Basic"), "{path} {said:?}");
            }
        }
    }
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
