//! The real binary, as an operator runs it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokensmith::domain::ProjectId;

use super::{Project, app::COMPATIBILITY, log};

/// How long to wait for what takes a moment on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The command, in a directory of the test's, with nothing of this process's environment that it would heed.
pub fn tokensmith(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokensmith"));
    for (key, _) in std::env::vars_os() {
        if key.as_encoded_bytes().starts_with(b"TOKENSMITH_") {
            command.env_remove(key);
        }
    }
    // Help is wrapped to it, and Postgres' own variables fill in what an address leaves out.
    for key in ["COLUMNS", "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"] {
        command.env_remove(key);
    }
    command
        .current_dir(directory)
        .env("TOKENSMITH_HASHING__MEMORY_KIB", "64")
        .env("TOKENSMITH_HASHING__ITERATIONS", "1");
    command
}

/// The command as the first process of a space of processes, as in a container. `None` where the system does not let this user
/// make one.
pub fn in_a_container(command: &Command) -> Option<Command> {
    let unshare = |program: &std::ffi::OsStr| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--pid", "--fork", "--kill-child"]).arg(program);
        command
    };
    let tried = unshare("true".as_ref()).stderr(Stdio::null()).status();
    if !tried.is_ok_and(|status| status.success()) {
        println!("unshare cannot make a space of processes here");
        return None;
    }
    let mut inside = unshare(command.get_program());
    inside.args(command.get_args()).current_dir(command.get_current_dir().unwrap());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => inside.env(key, value),
            None => inside.env_remove(key),
        };
    }
    Some(inside)
}

/// What a command left behind.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ran {
    /// It did what it was asked; what it printed.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    /// As `done`, read as JSON.
    #[track_caller]
    pub fn json(self) -> Value {
        serde_json::from_str(&self.done()).unwrap()
    }

    /// It was refused, and said nothing on stdout; what it complained.
    #[track_caller]
    pub fn refused(self) -> String {
        self.failed(1)
    }

    /// The command line or the configuration was wrong, and it said nothing on stdout; what it complained.
    #[track_caller]
    pub fn misused(self) -> String {
        self.failed(2)
    }

    #[track_caller]
    fn failed(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert!(self.stderr.starts_with("error: "), "{self:?}");
        self.stderr
    }
}

/// Runs a command to its end, with nothing on stdin.
pub fn run(command: &mut Command) -> Ran {
    run_with(command, b"")
}

/// Runs a command to its end. What it says on stderr goes into the log of the test run.
pub fn run_with(command: &mut Command, stdin: &[u8]) -> Ran {
    run_within(PATIENCE, command, stdin)
}

/// As `run_with`, for what may take longer or must not take as long.
pub fn run_within(patience: Duration, command: &mut Command, stdin: &[u8]) -> Ran {
    let began = Instant::now();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut input, stdin) = (child.stdin.take().unwrap(), stdin.to_vec());
    // It may end without having read everything.
    thread::spawn(move || drop(input.write_all(&stdin)));
    let stdout = read_in_background(child.stdout.take().unwrap());
    let stderr = read_in_background(child.stderr.take().unwrap());
    let mut child = Killed(child);
    let status = child.wait(patience);
    let took = began.elapsed();
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    stderr.lines().for_each(log::append);
    Ran { code: status.code().expect("no signal ended it"), stdout, stderr, took }
}

fn read_in_background(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    })
}

/// A child that does not outlive the test.
struct Killed(Child);

impl Killed {
    #[track_caller]
    fn wait(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// All that can be logged, with what is left out at the plain level.
const EVERYTHING: &str = "trace,actix_http=trace";

/// A running `tokensmith serve` on a free port, killed when dropped. It logs JSON at level trace, and its lines
/// go into the log of the test run.
pub struct Binary {
    child: Killed,
    /// Where it serves.
    pub address: String,
    /// Every log line that `wait_for` has passed.
    pub seen: Vec<String>,
    lines: mpsc::Receiver<String>,
    stdout: Option<thread::JoinHandle<String>>,
    client: Client,
}

impl Binary {
    /// Starts `serve` and waits until it serves. The command's arguments and environment are the caller's.
    pub fn serve(command: Command) -> Self {
        Self::serve_to(command, Stdio::piped())
    }

    /// As `serve`, with a stdout of the test's own.
    pub fn serve_to(command: Command, stdout: Stdio) -> Self {
        Self::start(command, stdout, EVERYTHING)
    }

    /// As `serve`, with a log of that level, which must be no less than info.
    pub fn serve_at(command: Command, level: &str) -> Self {
        Self::start(command, Stdio::piped(), level)
    }

    fn start(mut command: Command, stdout: Stdio, level: &str) -> Self {
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let mut child = command
            .args(["--set", "server.bind=127.0.0.1:0", "--set", "log.format=json", "--set"])
            .arg(format!("log.level={level}"))
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It holds the test's end of stdout, which would never close.
        drop(command);
        let (sender, lines) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let stdout = child.stdout.take().map(read_in_background);
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                log::append(&line);
                let _gone = sender.send(line);
            }
        });
        let (address, seen) = (String::new(), Vec::new());
        let mut binary = Self { child: Killed(child), address, seen, lines, stdout, client };
        let serving = binary.wait_for("serving");
        binary.address = serving["address"].as_str().unwrap().to_owned();
        binary
    }

    /// Waits for the log line with that message.
    #[track_caller]
    pub fn wait_for(&mut self, message: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("no log line {message:?}"));
            let parsed: Value = serde_json::from_str(&line).unwrap_or_default();
            self.seen.push(line);
            if parsed["message"] == message {
                return parsed;
            }
        }
    }

    /// The next log line. It is not in `seen`.
    #[track_caller]
    pub fn next_line(&mut self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("one more line in the log")
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Kills it with SIGKILL and waits until it is gone. Gives back the lines of its log.
    pub fn kill(mut self) -> Vec<String> {
        self.signal("KILL");
        self.wait();
        self.seen.extend(self.lines.iter());
        self.seen
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Sends a signal, by the name that kill(1) knows.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.0.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait(PATIENCE)
    }

    /// Ends it as a supervisor does. Gives back all that it wrote: stdout, and the lines of its log.
    #[track_caller]
    pub fn stop(mut self) -> (String, Vec<String>) {
        self.signal("TERM");
        let status = self.wait();
        assert_eq!(status.code(), Some(0));
        self.seen.extend(self.lines.iter());
        (self.stdout.take().map_or(String::new(), |read| read.join().unwrap()), self.seen)
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// A request to the compatibility API, with a project's management token.
    pub fn compatibility(&self, method: Method, as_project: &Project, path: &str) -> RequestBuilder {
        self.request(method, &format!("{COMPATIBILITY}{path}"))
            .basic_auth(as_project.id.to_string(), Some(&as_project.secret))
    }

    /// Issues a token that manages, and gives back its id and secret.
    pub async fn issue(&self, as_project: &Project) -> (String, String) {
        let path = format!("/Accounts/{}/tokens", as_project.id);
        let body = json!({ "name": "issued", "permissions": ["management"] });
        let response = self.compatibility(Method::POST, as_project, &path).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let body: Value = response.json().await.unwrap();
        (body["id"].as_str().unwrap().to_owned(), body["token"].as_str().unwrap().to_owned())
    }

    /// Whether a credential manages: a call that changes nothing and finds nothing.
    pub async fn manages(&self, project: ProjectId, secret: &str) -> bool {
        let nothing = format!("{COMPATIBILITY}/nothing");
        let response = self.request(Method::GET, &nothing).basic_auth(project, Some(secret)).send().await.unwrap();
        match response.status().as_u16() {
            404 => true,
            401 => false,
            other => panic!("{other} for a credential"),
        }
    }
}
