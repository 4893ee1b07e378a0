//! The log: who did what and from where, what strangers cannot write into it, and what each line looks like.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use tokensmith::{domain::Secret, entropy::SystemEntropy};

use crate::support::{Backend, Binary, Operator, Project, created, in_a_container};

fn serve_at(operator: &Operator, level: &str) -> Binary {
    Binary::serve_at(operator.command(&["serve", "--set", "server.trusted_proxies=127.0.0.1"]), level)
}

/// A secret of the same selector that is another one.
fn with_another_end(secret: &str) -> String {
    let mut bytes = base16ct::lower::decode_vec(&secret[2..]).unwrap();
    bytes[19] ^= 1;
    let checksum = crc32fast::hash(&bytes[..20]).to_be_bytes();
    bytes[20..].copy_from_slice(&checksum);
    format!("PT{}", base16ct::lower::encode_string(&bytes))
}

/// The lines with that message.
fn lines(log: &[String], message: &str) -> Vec<Value> {
    let parsed = log.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    parsed.filter(|line| line["message"] == message).collect()
}

/// Sends bytes, and gives back what comes until the connection ends.
fn send(binary: &Binary, bytes: &str) -> String {
    let mut stream = TcpStream::connect(&binary.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(bytes.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_leave_no_line(#[values("info", "debug", "trace", "info,tokensmith=debug")] level: &str) {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let binary = serve_at(&operator, level);

    for _ in 0..10 {
        let answer = send(&binary, "GET / HTTP/1.1\r\nHost x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    let (_, log) = binary.stop();

    let about: Vec<_> = log.iter().filter(|line| line.contains("dispatcher") || line.contains("ERROR")).collect();
    assert!(about.is_empty(), "{about:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_the_dispatcher_can_be_asked_for() {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let binary = serve_at(&operator, "info,actix_http=error");

    send(&binary, "GET / HTTP/1.1\r\nHost x\r\n\r\n");
    let (_, log) = binary.stop();

    assert!(log.iter().any(|line| line.contains("actix_http::h1::dispatcher")), "{log:#?}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_method_of_a_strangers_is_not_logged(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;
    let binary = serve_at(&operator, "trace");
    let method = Secret::generate(&SystemEntropy).reveal().to_uppercase();

    for path in ["/livez", "/auth", "/api/projects"] {
        let answer = send(&binary, &format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let (_, log) = binary.stop();

    assert!(!log.iter().any(|line| line.contains(&method)));
    let methods: Vec<_> = lines(&log, "answered").iter().map(|line| line["span"]["http.method"].clone()).collect();
    assert_eq!(methods, [json!("_OTHER"), Value::Null, json!("_OTHER")], "/auth has no span");
}

/// A request by a proxy for a client, sent and answered.
async fn by_proxy(binary: &Binary, as_project: &Project, method: Method, path: &str, body: Option<Value>) -> Value {
    let request = binary
        .compatibility(method, as_project, path)
        .header("x-request-id", "who-did-it")
        .header("x-forwarded-for", "192.0.2.1, 203.0.113.9");
    let request = if let Some(body) = body { request.json(&body) } else { request };
    let response = request.send().await.unwrap();
    assert!(response.status().is_success(), "{response:?}");
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default()
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn each_change_says_who_made_it_and_from_where(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;
    let project = operator.project("Acme");
    let tokens = format!("/Accounts/{}/tokens", project.id);
    let binary = serve_at(&operator, "info");

    let issue = json!({ "name": "x", "permissions": ["chat", "fax"] });
    let issued = by_proxy(&binary, &project, Method::POST, &tokens, Some(issue)).await;
    let token = format!("{tokens}/{}", issued["id"].as_str().unwrap());
    by_proxy(&binary, &project, Method::PATCH, &token, Some(json!({ "permissions": ["fax", "video"] }))).await;
    by_proxy(&binary, &project, Method::PATCH, &token, Some(json!({ "name": "y" }))).await;
    by_proxy(&binary, &project, Method::DELETE, &token, None).await;
    let child = by_proxy(&binary, &project, Method::POST, "/Accounts", Some(json!({ "FriendlyName": "Child" }))).await;
    let account = format!("/Accounts/{}", child["sid"].as_str().unwrap());
    by_proxy(&binary, &project, Method::POST, &account, Some(json!({ "FriendlyName": "Renamed" }))).await;
    let (_, log) = binary.stop();

    let of = |message: &str| lines(&log, message);
    let (updated, revoked) = (of("token updated"), of("token revoked"));
    let all = [of("token issued"), updated.clone(), revoked.clone(), of("project created"), of("project updated")];
    assert_eq!(all.each_ref().map(Vec::len), [1, 2, 1, 1, 1]);
    for line in all.iter().flatten() {
        let span = &line["span"];
        assert_eq!(line["caller"], json!(project.token_id), "{line}");
        assert_eq!(span["caller.token"], json!(project.token_id), "{line}");
        assert_eq!(span["caller.project"], json!(project.id.to_string()), "{line}");
        assert_eq!(span["client.address"], "203.0.113.9", "{line}");
        assert_eq!(span["request.id"], "who-did-it", "{line}");
    }
    assert_eq!(all[0][0]["permissions"], "chat fax");
    assert_eq!(
        (&updated[0]["permissions.before"], &updated[0]["permissions.after"]),
        (&json!("chat fax"), &json!("fax video"))
    );
    assert_eq!(updated[1]["permissions.before"], Value::Null, "they were not changed");
    assert_eq!(revoked[0]["token.id"], issued["id"]);
}

/// The client has hung up before the write could begin, and the write goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_is_logged_although_its_client_has_gone() {
    const WAITING: &str = "select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    let operator = Operator::migrated(Backend::Postgres).await;
    let project = operator.project("Acme");
    let mut binary = serve_at(&operator, "info");
    let (token, _) = binary.issue(&project).await;
    let mut holding = operator.database.postgres().await;
    sqlx::raw_sql("begin; select 1 from projects for update").execute(&mut holding).await.unwrap();

    let path = format!("/Accounts/{}/tokens/{token}", project.id);
    let revoking = tokio::spawn(binary.compatibility(Method::DELETE, &project, &path).send());
    while operator.database.count(WAITING).await == 0 {}
    revoking.abort();
    assert!(revoking.await.is_err());
    sqlx::raw_sql("rollback").execute(&mut holding).await.unwrap();

    let line = binary.wait_for("token revoked");
    assert_eq!((&line["token.id"], &line["caller"]), (&json!(token), &json!(project.token_id)));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_are_counted_by_reason(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;
    let (project, other) = (operator.project("Acme"), operator.project("Other"));
    let chat = ["token", "create", "--project", &project.id.to_string(), "--name", "x", "-p", "chat", "--json"];
    let chat = operator.run(&chat).json()["token"].as_str().unwrap().to_owned();
    let binary = serve_at(&operator, "info");
    let unknown = Secret::generate(&SystemEntropy).reveal().to_string();
    let secret = &project.secret;
    let wrong = with_another_end(secret);
    let ask = async |path: &str, id: &str, secret: &str| {
        let request = binary.request(Method::GET, path).header("x-request-id", "a-strangers-id");
        let response = if id.is_empty() { request } else { request.basic_auth(id, Some(secret)) }.send().await.unwrap();
        response.status().as_u16()
    };
    let (id, other) = (project.id.to_string(), other.id.to_string());

    for path in ["/auth?permission=video", "/api/projects"] {
        let refused = if path == "/api/projects" { 401 } else { 403 };
        assert_eq!(ask(path, "", "").await, 401);
        assert_eq!(ask(path, &id, "no secret").await, 401);
        assert_eq!(ask(path, &id, &unknown).await, 401);
        assert_eq!(ask(path, &id, &wrong).await, 401);
        assert_eq!(ask(path, &other, secret).await, 401);
        assert_eq!(ask(path, &id, &chat).await, refused);
    }
    let introspected = binary
        .request(Method::POST, "/oauth/introspect")
        .basic_auth(&id, Some(secret))
        .form(&[("token", &unknown)])
        .send();
    assert_eq!(introspected.await.unwrap().text().await.unwrap(), "{\"active\":false}");
    let (_, log) = binary.stop();

    let count = |reason: &str| {
        let lines = lines(&log, "credentials refused");
        assert!(lines.iter().all(|line| line["level"] == "INFO" && line["span"].is_null()), "{lines:#?}");
        let counts = lines.iter().filter(|line| line["reason"] == reason).map(|line| line["count"].as_u64().unwrap());
        counts.sum::<u64>()
    };
    assert_eq!(count("no_credentials"), 4);
    assert_eq!(count("unknown_token"), 2, "a token that is looked up is no credential");
    assert_eq!(count("wrong_secret"), 2);
    assert_eq!(count("wrong_project"), 2);
    assert_eq!(count("missing_permission"), 2);
    let refused: Vec<_> = log.iter().filter(|line| line.contains("refused")).collect();
    for stranger in ["a-strangers-id", &id, &other, &unknown] {
        assert!(!refused.iter().any(|line| line.contains(stranger)), "{refused:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_one_line_a_second_with_the_number_of_the_others() {
    const REQUESTS: u64 = 60;
    let operator = Operator::migrated(Backend::Sqlite).await;
    let project = operator.project("Acme");
    let binary = serve_at(&operator, "info");
    // The database is not where it was: every request fails at once.
    let file = operator.database.path();
    std::fs::rename(&file, file.with_extension("moved")).unwrap();

    let began = Instant::now();
    for number in 0..REQUESTS {
        let request = binary.request(Method::GET, if number % 2 == 0 { "/auth" } else { "/api/projects" });
        let answer = request.basic_auth(project.id, Some(&project.secret)).send().await.unwrap();
        assert_eq!(answer.status(), 503);
    }
    let seconds = began.elapsed().as_secs();
    std::fs::rename(file.with_extension("moved"), &file).unwrap();
    let (_, log) = binary.stop();

    let written = lines(&log, "the database cannot be reached");
    let others = lines(&log, "the database could not be reached for more requests");
    let number = |line: &Value| line["suppressed"].as_u64().unwrap_or_default();
    let told: u64 = written.iter().map(|line| 1 + number(line)).chain(others.iter().map(number)).sum();
    assert_eq!(told, REQUESTS, "{written:#?} {others:#?}");
    assert!((written.len() + others.len()) as u64 <= seconds + 3, "{written:#?} {others:#?}");
    assert!(written.iter().all(|line| line["level"] == "ERROR" && line["cause"].is_string()));
    assert!(written[0]["span"]["request.id"].is_string());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_json_says_each_thing_once(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;
    let project = operator.project("Acme");
    let binary = operator.serve();

    binary.issue(&project).await;
    let request = binary.request(Method::GET, "/auth").header("x-request-id", "find-me");
    request.basic_auth(project.id, Some(&project.secret)).send().await.unwrap();
    let (_, log) = binary.stop();

    for line in &log {
        for word in ["\"spans\"", "log.file", ".cargo/registry", env!("CARGO_MANIFEST_DIR"), "already exists, skipping"]
        {
            assert!(!line.contains(word), "{line}");
        }
        assert!(line.matches("find-me").count() <= 1, "{line}");
    }
    let answered = lines(&log, "answered");
    assert!(answered.len() >= 2, "{answered:#?}");
    for line in answered {
        let written = line["duration_ms"].to_string();
        let decimals = written.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        assert!(line["duration_ms"].is_f64() && decimals <= 3, "{line}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_command_logs_what_it_changed_where_a_level_is_asked_for(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::migrated(backend).await;
    let silent = operator.run(&["project", "create", "Acme", "--json"]);
    assert_eq!((silent.code, silent.stderr.as_str()), (0, ""));
    let project = created(&silent.json());
    let at_info = ["--set", "log.level=info", "--set", "log.format=json"];
    let run = |arguments: &[&str]| {
        let ran = operator.run(&[arguments, &at_info].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        (ran.stdout, ran.stderr.lines().map(str::to_owned).collect::<Vec<_>>())
    };

    let id = project.id.to_string();
    let (issued, log) = run(&["token", "create", "--project", &id, "--name", "x", "-p", "chat", "--json"]);
    let issued: Value = serde_json::from_str(&issued).unwrap();
    let token = issued["id"].as_str().unwrap();
    assert_eq!(log.len(), 1, "{log:#?}");
    let line = &lines(&log, "token issued")[0];
    assert_eq!(
        (&line["caller"], &line["token.id"], &line["permissions"]),
        (&json!("operator"), &json!(token), &json!("chat"))
    );

    let (_, log) = run(&["token", "update", token, "-p", "fax"]);
    let line = &lines(&log, "token updated")[0];
    assert_eq!((&line["caller"], &line["permissions.before"]), (&json!("operator"), &json!("chat")));
    let (stdout, log) = run(&["token", "revoke", token]);
    assert!(stdout.starts_with(&format!("revoked {token}")), "{stdout}");
    assert_eq!(lines(&log, "token revoked")[0]["caller"], "operator");
    let (_, log) = run(&["project", "rename", &id, "Renamed"]);
    assert_eq!(lines(&log, "project updated")[0]["caller"], "operator");
    let (_, log) = run(&["project", "delete", &id, "--yes"]);
    assert_eq!(lines(&log, "project deleted")[0]["caller"], "operator");
    let (_, log) = run(&["project", "create", "Another"]);
    assert_eq!(lines(&log, "project created")[0]["caller"], "operator");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_is_told_in_the_form_of_the_log(#[values("json", "text")] format: &str) {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();

    let serve = ["serve", "--bind", &address, "--set", &format!("log.format={format}")];
    let ran = operator.run(&serve);

    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    let log: Vec<String> = ran.stderr.lines().map(str::to_owned).collect();
    let last = log.last().unwrap();
    if format == "json" {
        let line: Value = serde_json::from_str(last).unwrap();
        assert_eq!(line["level"], "ERROR");
        assert!(line["message"].as_str().unwrap().starts_with(&format!("cannot listen on {address}: ")), "{line}");
        assert!(log.iter().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log:#?}");
    } else {
        assert!(last.starts_with(&format!("error: cannot listen on {address}: ")), "{last}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_over_a_network_without_a_full_check_is_warned_of() {
    const WARNING: &str = "the connection to Postgres can be overheard";
    let operator = Operator::new(Backend::Sqlite).await;
    let start = |url: &str| {
        let mut command = operator.command(&["serve", "--bind", "127.0.0.1:0"]);
        // A name that leads nowhere (RFC 6761, section 6.4): the start fails after the warning.
        command.env("TOKENSMITH_DATABASE__URL", url).env("TOKENSMITH_SERVER__KEY", "07".repeat(32));
        crate::support::run(&mut command).stderr
    };

    assert_eq!(start("postgres://me:hunter2@db.invalid/t").matches(WARNING).count(), 1);
    assert_eq!(start("postgres://me:hunter2@db.invalid/t?sslmode=verify-full").matches(WARNING).count(), 0);
    assert_eq!(start("postgres://me:hunter2@127.0.0.1:1/t").matches(WARNING).count(), 0);
    assert!(!start("postgres://me:hunter2@db.invalid/t").contains("hunter2"));
}

/// Where the system cannot show it, the unit tests do.
#[tokio::test(flavor = "multi_thread")]
async fn as_process_1_a_loopback_address_is_warned_of() {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let Some(command) = in_a_container(&operator.command(&["serve"])) else { return };

    let binary = Binary::serve(command);

    let warned: Vec<_> = binary.seen.iter().filter(|line| line.contains("nobody outside this container")).collect();
    assert_eq!(warned.len(), 1, "{warned:#?}");
    assert!(warned[0].contains("\"WARN\""));
}
