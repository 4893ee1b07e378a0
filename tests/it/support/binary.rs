//! The real binary, as an operator runs it.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::log;

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
    command
        .current_dir(directory)
        .env("TOKENSMITH_HASHING__MEMORY_KIB", "64")
        .env("TOKENSMITH_HASHING__ITERATIONS", "1");
    command
}

/// A running `tokensmith serve` on a free port, killed when dropped. It logs JSON at level trace, and its lines
/// go into the log of the test run.
pub struct Binary {
    child: Child,
    /// Where it serves.
    pub address: String,
    lines: mpsc::Receiver<String>,
}

impl Binary {
    /// Starts `serve` and waits until it serves. The command's arguments and environment are the caller's.
    pub fn serve(mut command: Command) -> Self {
        let mut child = command
            .args(["--set", "server.bind=127.0.0.1:0", "--set", "log.format=json", "--set", "log.level=trace"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                log::append(&line);
                let _gone = sender.send(line);
            }
        });
        let mut binary = Self { child, address: String::new(), lines };
        let serving = binary.wait_for("serving");
        binary.address = serving["address"].as_str().unwrap().to_owned();
        binary
    }

    /// Waits for the log line with that message.
    pub fn wait_for(&mut self, message: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("no log line {message:?}"));
            if let Ok(line) = serde_json::from_str::<Value>(&line)
                && line["message"] == message
            {
                return line;
            }
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends a signal, by the name that kill(1) knows.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}
