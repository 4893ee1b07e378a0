//! Debian's nginx as a reverse proxy: started by the test on a port of 127.0.0.1, as whoever runs the tests, with
//! everything that it writes in a directory of its own.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{log, program};

const PATIENCE: Duration = Duration::from_secs(30);
/// A port that was free may be taken before nginx has it.
const TRIES: usize = 5;

/// A running nginx, gone when this is dropped.
pub struct Nginx {
    child: Child,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    _directory: TempDir,
}

impl Nginx {
    /// Starts one and waits until it listens. The caller writes what stands inside `http {}`, for the port that it is told.
    pub fn serve(http: impl Fn(u16) -> String) -> Self {
        let mut said = String::new();
        for _ in 0..TRIES {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            match Self::start(port, &http(port)) {
                Ok(running) => return running,
                Err(complaint) if complaint.contains("Address already in use") => said = complaint,
                Err(complaint) => panic!("nginx did not start: {complaint}"),
            }
        }
        panic!("nginx found no free port: {said}");
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn start(port: u16, http: &str) -> Result<Self, String> {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("nginx.conf");
        fs::write(&file, configuration(directory.path(), http)).unwrap();
        let mut child = Command::new(program("nginx", "nginx-light"))
            .arg("-p")
            .arg(directory.path())
            .arg("-c")
            .arg(&file)
            .args(["-e", "stderr"])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, said) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                log::append(&line);
                let _gone = sender.send(line);
            }
        });
        let mut started = Self { child, port, _directory: directory };
        let pid = file.with_file_name("nginx.pid");
        let deadline = Instant::now() + PATIENCE;
        // It writes the file once it listens.
        while fs::read_to_string(&pid).unwrap_or_default().is_empty() {
            if started.child.try_wait().unwrap().is_some() {
                return Err(said.iter().collect::<Vec<_>>().join("\n"));
            }
            assert!(Instant::now() < deadline, "nginx does not listen: {:?}", said.try_iter().collect::<Vec<_>>());
            thread::sleep(Duration::from_millis(5));
        }
        Ok(started)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// One process, so that whoever ends it leaves no workers behind.
fn configuration(directory: &Path, http: &str) -> String {
    let directory = directory.display();
    format!(
        r#"daemon off;
master_process off;
pid "{directory}/nginx.pid";
error_log stderr notice;
events {{}}
http {{
  access_log off;
  client_body_temp_path "{directory}/body";
  proxy_temp_path "{directory}/proxy";
  fastcgi_temp_path "{directory}/fastcgi";
  uwsgi_temp_path "{directory}/uwsgi";
  scgi_temp_path "{directory}/scgi";
{http}
}}
"#
    )
}

#[test]
fn an_nginx_ends_with_its_test() {
    let nginx = Nginx::serve(|port| format!("server {{ listen 127.0.0.1:{port}; return 204; }}"));
    let address = nginx.address();
    let listens = || std::net::TcpStream::connect(&address).is_ok();
    assert!(listens());

    drop(nginx);

    assert!(!listens());
}

#[test]
#[should_panic(expected = "unknown directive")]
fn a_configuration_that_nginx_refuses_fails_the_test_with_its_words() {
    Nginx::serve(|_| "nonsense;".to_owned());
}
