//! The programs of `examples/`, which `docs/in-code.md` shows: APIs that check their clients' tokens at Tokensmith.

use std::{
    fs,
    io::{Write as _, stderr},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use reqwest::{Client, Method};
use rstest::rstest;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    clients::{FETCHED_WITHIN, folder_of_what_is_fetched, node_modules_of, python_of},
    support::{Backend, Binary, Operator, Project, find_program, masked, program, run_within, without_words_to_tests},
};

const PAGE: &str = include_str!("../../docs/in-code.md");

/// How long a program may take to listen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The folder of an example.
pub fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// The command that starts a program. `directory` is a place for what it needs.
fn express(directory: &Path) -> Command {
    // A module looks for its packages beside itself.
    for name in ["package.json", "server.js"] {
        fs::copy(example("express").join(name), directory.join(name)).unwrap();
    }
    let modules = node_modules_of("express", &example("express"));
    std::os::unix::fs::symlink(modules, directory.join("node_modules")).unwrap();
    let mut command = Command::new(program("node", "nodejs"));
    command.arg(directory.join("server.js"));
    command
}

fn fastapi(_: &Path) -> Command {
    let mut command = Command::new(python_of("fastapi", &example("fastapi")));
    // Else it leaves compiled files beside the sources.
    command.arg("-B").arg(example("fastapi").join("server.py"));
    command
}

/// `cargo test --test it` does not build examples. Where they are built this takes a moment.
fn axum(_: &Path) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--example", "axum"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    without_words_to_tests(&mut cargo);
    run_within(FETCHED_WITHIN, &mut cargo, b"").done();
    Command::new(Path::new(env!("CARGO_BIN_EXE_tokensmith")).with_file_name("examples").join("axum"))
}

fn go(go: &Path, directory: &Path) -> Command {
    let mut build = Command::new(go);
    build
        .args(["build", "-o"])
        .arg(directory.join("server"))
        .arg(".")
        .current_dir(example("go"))
        // It needs no module but its own, and no other version of Go.
        .env("GOPROXY", "off")
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "")
        .env("GOCACHE", folder_of_what_is_fetched().join("go"));
    run_within(FETCHED_WITHIN, &mut build, b"").done();
    Command::new(directory.join("server"))
}

/// A program that runs, until it is dropped.
struct Program {
    child: Child,
    url: String,
    client: Client,
}

impl Program {
    /// Starts it with that environment and nothing else of this process's but the `PATH`.
    fn start(mut command: Command, directory: &TempDir, environment: &[(&str, &str)]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let said = fs::File::create(directory.path().join("said")).unwrap();
        let mut child = command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", directory.path())
            .env("LANG", "C.UTF-8")
            .env("PORT", port.to_string())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = child.try_wait().unwrap();
            let said = fs::read_to_string(directory.path().join("said")).unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "it does not listen: {ended:?}\n{said}");
            thread::sleep(Duration::from_millis(20));
        }
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { child, url: format!("http://127.0.0.1:{port}/calls"), client }
    }

    /// What it answers to a client that sends this: the status, the challenge and the body.
    async fn answer(&self, authorization: Option<&str>) -> (u16, String, String) {
        let mut request = self.client.get(&self.url);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let response = request.send().await.unwrap();
        let challenges = response.headers().get_all("www-authenticate").iter();
        let challenge: Vec<_> = challenges.map(|value| value.to_str().unwrap().to_owned()).collect();
        (response.status().as_u16(), challenge.join(", "), response.text().await.unwrap())
    }

    async fn status(&self, authorization: &str) -> u16 {
        self.answer(Some(authorization)).await.0
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// A token of the project with one permission: its id, and what a client sends.
fn issue(operator: &Operator, project: &Project, permission: &str) -> (String, String) {
    let project = project.id.to_string();
    let create = ["token", "create", "--project", &project, "--name", "x", "-p", permission, "--json"];
    let token = operator.run(&create).json();
    (token["id"].as_str().unwrap().to_owned(), format!("Bearer {}", token["token"].as_str().unwrap()))
}

/// Everything that a program must do with its clients' tokens.
async fn lets_in_who_may(
    backend: Backend,
    command: impl FnOnce(&Path) -> Command,
    environment: impl Fn(&Binary, &str, &str) -> Vec<(&'static str, String)>,
) {
    let operator = Operator::migrated(backend).await;
    let project = operator.project("Ours");
    let (_, own) = issue(&operator, &project, "introspection");
    let (id, calling) = issue(&operator, &project, "calling");
    let (_, other) = issue(&operator, &project, "calling");
    let (_, fax) = issue(&operator, &project, "fax");
    let server = operator.serve();
    let directory = TempDir::new().unwrap();
    let environment = environment(&server, &project.id.to_string(), own.trim_start_matches("Bearer "));
    let environment: Vec<_> = environment.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let asked = Program::start(command(directory.path()), &directory, &environment);

    let (status, _, body) = asked.answer(Some(&calling)).await;
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["project"], &body["token"]), (&project.id.to_string().into(), &id.as_str().into()));

    let unknown = format!("Bearer PT{}", "0".repeat(48));
    for authorization in [None, Some("Bearer wrong"), Some("Bearer"), Some("Basic !"), Some(unknown.as_str())] {
        let (status, challenge, _) = asked.answer(authorization).await;
        assert_eq!(status, 401, "{authorization:?}");
        assert!(challenge.contains("Bearer realm="), "{authorization:?}: {challenge}");
    }
    let (status, challenge, _) = asked.answer(Some(&fax)).await;
    assert_eq!(status, 403, "{challenge}");
    assert!(challenge.contains(r#"error="insufficient_scope""#), "{challenge}");

    let path = format!("/api/project/tokens/{id}");
    let revoke = server.request(Method::DELETE, &path).basic_auth(project.id.to_string(), Some(&project.secret));
    assert_eq!(revoke.send().await.unwrap().status(), 204);
    assert_eq!(asked.status(&calling).await, 401, "revoked");
    assert_eq!(asked.status(&other).await, 200, "not revoked");

    server.signal("STOP");
    // Its threads stop one by one.
    while server.request(Method::GET, "/livez").timeout(Duration::from_millis(500)).send().await.is_ok() {}
    let began = Instant::now();
    assert_eq!(asked.status(&other).await, 503, "silent");
    assert!(began.elapsed() < Duration::from_secs(20), "it waits too long");
    server.kill();
    assert_eq!(asked.status(&other).await, 503, "gone");
}

fn introspection(server: &Binary, id: &str, secret: &str) -> Vec<(&'static str, String)> {
    vec![
        ("INTROSPECTION_URL", server.url("/oauth/introspect")),
        ("INTROSPECTION_ID", id.to_owned()),
        ("INTROSPECTION_SECRET", secret.to_owned()),
    ]
}

fn forward_auth(server: &Binary, _: &str, _: &str) -> Vec<(&'static str, String)> {
    vec![("AUTH_URL", server.url("/auth"))]
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_express_api_checks_its_tokens(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    lets_in_who_may(backend, express, introspection).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_fastapi_api_checks_its_tokens(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    lets_in_who_may(backend, fastapi, introspection).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_axum_api_checks_its_tokens(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    lets_in_who_may(backend, axum, forward_auth).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_go_api_checks_its_tokens(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    match find_program("go") {
        Some(found) => lets_in_who_may(backend, |directory| go(&found, directory), forward_auth).await,
        // Written past the test's captured output, so that it is seen.
        None => writeln!(stderr(), "skipped: examples/go, because go is not installed").unwrap(),
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_pages_commands_answer_as_it_says(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;
    let project = operator.project("Ours");
    let server = operator.serve();
    let directory = TempDir::new().unwrap();
    let asked = Program::start(axum(directory.path()), &directory, &[("AUTH_URL", &server.url("/auth"))]);
    let script: String = PAGE.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    let expected: Vec<&str> = script.lines().filter_map(|line| Some(line.rsplit_once("# ")?.1)).collect();

    let tokensmith = operator.command(&[]);
    let folder = Path::new(tokensmith.get_program()).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new(program("bash", "bash"));
    bash.args(["-euo", "pipefail", "-c", &script.replace("http://127.0.0.1:3000/calls", &asked.url)])
        .envs(tokensmith.get_envs().filter_map(|(key, value)| Some((key, value?))))
        .current_dir(tokensmith.get_current_dir().unwrap())
        .env("PROJECT_ID", project.id.to_string())
        .env("PATH", path)
        .env("no_proxy", "*");
    let said = run_within(PATIENCE, &mut bash, b"").done();

    let (body, statuses) = said.split_once('}').unwrap();
    let shown = PAGE.split("```json\n").nth(1).unwrap().split('}').next().unwrap();
    assert_eq!(masked(body), masked(shown));
    assert_eq!(statuses.lines().collect::<Vec<_>>(), expected);
    assert_eq!(expected, ["401", "401", "403", "200"]);
}

#[test]
fn the_page_shows_each_program_as_it_is() {
    for (file, language) in
        [("express/server.js", "js"), ("fastapi/server.py", "python"), ("axum/main.rs", "rust"), ("go/main.go", "go")]
    {
        let text = fs::read_to_string(example(file)).unwrap();

        assert!(PAGE.contains(&format!("```{language}\n{text}```\n")), "docs/in-code.md does not show examples/{file}");
        assert!(text.lines().count() <= 60, "examples/{file} is too long to be read at a glance");
    }
}
