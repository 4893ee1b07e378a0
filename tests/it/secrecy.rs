//! No secret is written down anywhere but in the one answer that may hold it: not in a log at level trace, not in
//! the database, whatever a client or an operator does with it.

use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, COOKIE, HeaderValue, USER_AGENT},
};
use rstest::rstest;
use serde_json::json;
use tokensmith::{
    config::{Config, Overrides},
    domain::{Credential, Name, Secret},
    entropy::SystemEntropy,
};

use crate::support::{App, Backend, Binary, Operator, Project, created, forms_of};

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// A secret that belongs to nobody.
fn stranger() -> String {
    Secret::generate(&SystemEntropy).reveal().to_string()
}

#[test]
fn what_is_sought_would_be_found() {
    let (project, secret) = ("0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d", stranger());
    let credential = Credential::parse(format!("{project}:{secret}")).unwrap();
    let basic = reqwest::Client::new().get("http://x/").basic_auth(project, Some(&secret)).build().unwrap();
    let header = basic.headers()[AUTHORIZATION].to_str().unwrap().to_owned();

    let forms = forms_of(project, &secret);
    let found = |text: &str| forms.iter().any(|(_, form)| contains(text.as_bytes(), form));

    assert!(found(&secret));
    assert!(found(&header));
    assert!(found(&format!("{:?}", secret.as_bytes())));
    assert!(!found(credential.secret.selector().hint().as_str()));
    assert!(!found(&format!("{credential:?}")));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_logged_or_stored(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;
    let mut seen: Vec<(String, String)> = Vec::new();
    let mut logged = String::new();

    // The command line.
    let trace = ["--set", "log.level=trace", "--set", "log.format=json"];
    let mut run = |arguments: &[&str], stdin: &str| {
        let ran = operator.run_with(&[arguments, &trace].concat(), stdin);
        logged.push_str(&ran.stderr);
        ran
    };
    let root = created(&run(&["project", "create", "Acme", "--json"], "").json());
    let id = root.id.to_string();
    seen.push((id.clone(), root.secret.clone()));
    let text = run(&["token", "create", "--project", &id, "--name", "x", "-p", "chat"], "").done();
    let by_operator = text.lines().find_map(|line| line.strip_prefix("secret")).unwrap().trim().to_owned();
    seen.push((id.clone(), by_operator.clone()));
    let unknown = stranger();
    seen.push((id.clone(), unknown.clone()));
    run(&["token", "verify", "--json"], &format!("{id}:{by_operator}")).done();
    assert_eq!(run(&["token", "verify", "--json"], &format!("{id}:{unknown}")).code, 1);
    assert_eq!(run(&["token", "verify"], &format!("{id}:{by_operator} ")).code, 1);
    assert_eq!(run(&["token", "create", "--project", &id, "--name", "x", "-p", &unknown], "").code, 1);
    run(&["token", "revoke", &root.token_id], "").done();
    let root = created(&run(&["project", "create", "Acme", "--json"], "").json());
    seen.push((root.id.to_string(), root.secret.clone()));

    // The door.
    let mut command = operator.command(&["serve"]);
    command.args(["--set", "hashing.iterations=2"]);
    let mut binary = Binary::serve(command);
    for secret in by_http(&binary, &root).await {
        seen.push((root.id.to_string(), secret));
    }
    binary.wait_for("hash renewed at today's cost");
    let (stdout, log) = binary.stop();
    logged.push_str(&stdout);
    logged.push_str(&log.join("\n"));

    assert!(logged.contains("token revoked"), "the log holds what it should");
    assert!(logged.contains("actix") && logged.contains("sqlx"), "the log holds what others say");
    let stored = operator.database.dump_bytes().await;
    assert!(contains(&stored, b"$argon2id$"), "the dump holds what it should");
    for (project, secret) in &seen {
        for (form, bytes) in forms_of(project, secret) {
            assert!(!contains(logged.as_bytes(), &bytes), "{form} of a secret was logged");
            assert!(!contains(&stored, &bytes), "{form} of a secret was stored");
        }
    }
}

/// Does what clients do, right and wrong, and gives back every secret that came up.
async fn by_http(binary: &Binary, root: &Project) -> Vec<String> {
    let tokens = format!("/Accounts/{}/tokens", root.id);
    let unknown = stranger();
    let mut seen = vec![unknown.clone()];

    // Issued by JSON and by form.
    let (id, secret) = binary.issue(root).await;
    seen.push(secret.clone());
    let form = binary.compatibility(Method::POST, root, &tokens).form(&[("name", "x"), ("permissions", "chat")]);
    let body: serde_json::Value = form.send().await.unwrap().json().await.unwrap();
    seen.push(body["token"].as_str().unwrap().to_owned());

    // Wrong credentials: an unknown one, a near miss, one as a bearer, one in a cookie.
    let mut near = secret.clone();
    near.replace_range(30..31, if &secret[30..31] == "0" { "1" } else { "0" });
    seen.push(near.clone());
    for wrong in [&unknown, &near] {
        assert!(!binary.manages(root.id, wrong).await);
    }
    let path = format!("/api/laml/2010-04-01{tokens}");
    for (name, value) in [
        (AUTHORIZATION, format!("Bearer {secret}")),
        (AUTHORIZATION, format!("Basic {secret}")),
        (AUTHORIZATION, secret.clone()),
        (COOKIE, secret.clone()),
    ] {
        let response = binary.request(Method::POST, &path).header(name, value).send().await.unwrap();
        assert_eq!(response.status(), 401);
    }

    // At the front door, right and wrong, and where no secret belongs.
    for (authorization, query, status) in [
        (format!("Bearer {secret}"), String::new(), 200),
        (format!("Bearer {near}"), String::new(), 401),
        (format!("Bearer {unknown}"), String::new(), 401),
        (format!("Basic {secret}"), String::new(), 401),
        (format!("Bearer {secret}"), format!("?permission={secret}"), 403),
        (format!("Bearer {secret}"), format!("/{secret}?{secret}"), 200),
    ] {
        let path = if query.starts_with('/') { format!("/auth{query}") } else { format!("/auth/{query}") };
        let request = binary.request(Method::GET, &path).header(AUTHORIZATION, authorization);
        let response = request.header("x-required-permission", "management").send().await.unwrap();
        assert_eq!(response.status(), status);
    }
    for (query, form, status) in [
        ("", [("token", &secret)], 200),
        ("", [("token", &near)], 200),
        ("", [("tokens", &secret)], 400),
        (&*format!("?token={secret}"), [("token", &secret)], 400),
    ] {
        let path = format!("/oauth/introspect{query}");
        let request = binary.request(Method::POST, &path).basic_auth(root.id, Some(&root.secret));
        assert_eq!(request.form(&form).send().await.unwrap().status(), status);
    }

    // Bodies that hold a secret where none belongs.
    let credential = format!("{}:{secret}", root.id);
    for body in [
        json!({ "name": "x", "permissions": [secret] }).to_string(),
        json!({ "name": "x", "permissions": [credential] }).to_string(),
        json!({ "name": "x", "permissions": secret }).to_string(),
        json!({ "name": "x", "permissions": ["chat"], "subproject_id": secret }).to_string(),
        json!({ "name": { "x": secret }, "permissions": ["chat"] }).to_string(),
        json!({ "name": secret.repeat(6), "permissions": ["chat"] }).to_string(),
        json!({ "name": "x", "permissions": ["chat"], "expires_at": secret }).to_string(),
        format!("{{\"name\":\"{secret}\",\"name\":\"{secret}\"}}"),
        format!("{{\"{secret}\""),
        secret.clone(),
        String::new(),
    ] {
        for content_type in ["application/json", "application/x-www-form-urlencoded", "text/plain", secret.as_str()] {
            let request = binary.compatibility(Method::POST, root, &tokens).header(CONTENT_TYPE, content_type);
            let response = request.body(body.clone()).send().await.unwrap();
            assert!(response.status().is_client_error(), "{}", response.status());
        }
    }
    let encoded = binary.compatibility(Method::POST, root, &tokens).header(CONTENT_ENCODING, &secret);
    assert_eq!(encoded.form(&[("name", "x"), ("permissions", "chat")]).send().await.unwrap().status(), 400);

    // In the path, in the query, and in headers that are written down.
    for path in [
        format!("/{secret}"),
        format!("/livez?token={secret}"),
        format!("/api/laml/2010-04-01/Accounts/{secret}/tokens?a={secret}"),
        format!("/api/laml/2010-04-01/Accounts/{}/tokens/{secret}", root.id),
        format!("/api/laml/2010-04-01/{secret}?{secret}"),
    ] {
        let basic = binary.request(Method::DELETE, &path).basic_auth(root.id, Some(&root.secret));
        let response = basic.header(USER_AGENT, &secret).send().await.unwrap();
        assert!(response.status().is_client_error(), "{path}: {}", response.status());
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!(id.len(), 36, "{id}");
    }
    let basic = HeaderValue::from_str(&base64_of(root.id.to_string(), &secret)).unwrap();
    for id in [HeaderValue::from_str(&secret).unwrap(), HeaderValue::from_str(&format!("a/{secret}")).unwrap(), basic] {
        let response = binary.request(Method::GET, "/livez").header("X-Request-Id", &id).send().await.unwrap();
        assert_ne!(response.headers()["x-request-id"], id);
    }
    let kept = binary.request(Method::GET, "/livez").header("X-Request-Id", "trace-1").send().await.unwrap();
    assert_eq!(kept.headers()["x-request-id"], "trace-1");

    // Names are kept as they are given, so a secret in a name is its giver's; everything else is done with it.
    let token = format!("{tokens}/{id}");
    let itself = Project { id: root.id, token_id: id, secret };
    let patch = binary.compatibility(Method::PATCH, &itself, &token).json(&json!({ "name": "renamed" }));
    assert_eq!(patch.send().await.unwrap().status(), 200);
    assert_eq!(binary.compatibility(Method::DELETE, &itself, &token).send().await.unwrap().status(), 204);
    assert!(!binary.manages(root.id, &itself.secret).await);
    seen
}

fn base64_of(project: String, secret: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(format!("{project}:{secret}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn debug_of_what_holds_a_secret_shows_none() {
    let mut app = App::start(Backend::Sqlite).await;
    let created = app.service.create_project(Name::parse("x").unwrap(), None, true).await.unwrap();
    let issued = created.token.as_ref().unwrap();
    let (project, secret) = (created.project.id, issued.secret.reveal().to_string());
    let credential = Credential::parse(format!("{project}:{secret}")).unwrap();
    let first = app.service.draw_first(Name::parse("x").unwrap()).await.unwrap();
    let first_secret = first.token.secret.reveal().to_string();
    let holder = app.store.find_holder(credential.secret.selector()).await.unwrap().unwrap();
    let grant = app.service.verify(&credential).await.unwrap();
    let caller = app.service.authenticate(&credential, "management").await.unwrap();
    let mut fields = tokensmith::domain::Fields::default();
    fields.insert("token", tokensmith::domain::Raw::Text(secret.clone()));
    fields.append("tokens", secret.clone());

    let shown = format!(
        "{created:?} {issued:?} {:?} {:?} {:?} {credential:?} {first:?} {holder:?} {grant:?} {caller:?} {fields:?}",
        issued.secret,
        issued.secret.selector(),
        issued.secret.check(),
    );

    for secret in [secret, first_secret] {
        for (form, bytes) in forms_of(&project.to_string(), &secret) {
            assert!(!contains(shown.as_bytes(), &bytes), "{form} of a secret in {shown}");
        }
    }
    assert!(shown.contains("[secret]"));
    app.stop().await;
}

#[test]
fn debug_of_the_configuration_shows_no_secret() {
    let key = "0f1e2d3c".repeat(8);
    let environment = vec![
        ("TOKENSMITH_SERVER__KEY".to_owned(), key.clone()),
        ("TOKENSMITH_SERVER__PREVIOUS_KEYS".to_owned(), format!("{key},{key}")),
        ("TOKENSMITH_DATABASE__URL".to_owned(), "postgres://me:hunter2@db.example/tokens".to_owned()),
    ];

    let config = Config::load(&Overrides { environment, ..Overrides::default() }).unwrap();
    let shown = format!("{config:?} {config:#?} {}", config.to_toml());

    assert_eq!(config.server.key.bytes().map(|bytes| bytes[0]), Some(0x0f));
    assert_eq!(config.server.previous_keys.len(), 2);
    assert!(!shown.contains("0f1e2d3c") && !shown.contains("15, 30, 45") && !shown.contains("hunter2"), "{shown}");
}
