//! `deploy/nginx`, in front of a backend. Only what an operator changes is changed: addresses, and where files are.

mod away;
mod careless;
mod forged;
mod question;
mod traffic;
mod upgrade;
mod who;

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use reqwest::{Client, Method, RequestBuilder};
use tempfile::TempDir;

use super::recorder::Recorder;
use crate::support::{Answer, App, Certificates, Nginx};

const BASIC: &str = "Basic realm=\"tokensmith\", charset=\"UTF-8\"";
const BEARER: &str = "Bearer realm=\"tokensmith\"";
const WRONG_BEARER: &str = "Bearer realm=\"tokensmith\", error=\"invalid_token\"";

/// The recipe at work.
struct Front {
    nginx: Nginx,
    backend: Recorder,
    client: Client,
    _directory: TempDir,
}

/// What an operator has beside the recipe.
#[derive(Default)]
struct Own<'o> {
    /// Before the recipe in `http {}`.
    http: &'o str,
    /// In the guarded server.
    locations: &'o str,
    /// With them TLS is spoken.
    certificates: Option<&'o Certificates>,
}

impl Front {
    /// In front of a backend of its own, with the service at that address.
    fn asking(service: SocketAddr) -> Self {
        Self::start(&[service], &Own::default())
    }

    /// With several nodes of the service, and what the operator has.
    fn start(services: &[SocketAddr], own: &Own) -> Self {
        let (backend, directory) = (Recorder::start(), TempDir::new().unwrap());
        let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/nginx");
        let servers: String = services.iter().map(|service| format!("server {service};")).collect();
        let nginx = Nginx::serve(|port| {
            for file in fs::read_dir(&recipe).unwrap() {
                let file = file.unwrap().path();
                let name = file.file_name().unwrap().to_str().unwrap();
                let text = fs::read_to_string(&file).unwrap();
                let text = match name {
                    "http.conf" => put(&text, "server 127.0.0.1:8080;", 1, &servers),
                    "site.conf" => {
                        let text = put(&text, "server 127.0.0.1:9000;", 1, &format!("server {};", backend.address));
                        site(&text, directory.path(), port, own)
                    }
                    _ => text,
                };
                fs::write(directory.path().join(name), text).unwrap();
            }
            let own = own.http.replace("CACHE", directory.path().join("cache").to_str().unwrap());
            format!("{own}\ninclude \"{}\";", directory.path().join("site.conf").display())
        });
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        Self { nginx, backend, client, _directory: directory }
    }

    /// A request to the API that the recipe guards.
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.nginx.address()))
    }

    /// What a GET with that `Authorization` is answered.
    async fn get(&self, path: &str, authorization: &str) -> Answer {
        Answer::to(self.request(Method::GET, path).header("authorization", authorization)).await
    }
}

/// The example's site, for a port without TLS or, given certificates, with it.
fn site(text: &str, here: &Path, port: u16, own: &Own) -> String {
    let included = "    include tokensmith/server.conf;\n";
    let text = put(text, included, 1, &format!("{included}{}", own.locations));
    let text = text.replace("include tokensmith/", &format!("include {}/", here.display()));
    let listen = if own.certificates.is_some() { "ssl" } else { "" };
    let text = put(&text, "listen 443 ssl;", 2, &format!("listen 127.0.0.1:{port} {listen};"));
    let lines = text.lines().filter_map(|line| match (line.trim().split_once(' '), own.certificates) {
        (Some(("ssl_certificate", _)), Some(made)) => Some(directive("ssl_certificate", &made.certificate())),
        (Some(("ssl_certificate_key", _)), Some(made)) => Some(directive("ssl_certificate_key", &made.key())),
        (Some(("ssl_certificate" | "ssl_certificate_key", _)), None) => None,
        _ => Some(line.to_owned()),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn directive(name: &str, path: &Path) -> String {
    format!("{name} \"{}\";", path.display())
}

/// Puts something in the place of what the recipe says, which must be there so many times.
fn put(text: &str, said: &str, times: usize, instead: &str) -> String {
    assert_eq!(text.matches(said).count(), times, "{said} in deploy/nginx");
    text.replace(said, instead)
}

/// A token with those permissions: its id, and its Bearer credential.
async fn token(app: &App, permissions: &[&str]) -> (String, String) {
    let (id, secret) = app.issue(&app.root, permissions).await;
    (id, format!("Bearer {secret}"))
}

/// A whole refusal: its status, and what else such a one says. The backend has heard nothing.
#[track_caller]
fn assert_refused(front: &Front, answer: &Answer, status: u16, case: &str) {
    assert_eq!(answer.status, status, "{case}: {answer:?}");
    let challenges: Vec<&str> =
        answer.headers.iter().filter(|(name, _)| name == "www-authenticate").map(|(_, value)| value.as_str()).collect();
    let expected: &[&str] = match (status, challenges.last()) {
        (401, Some(&WRONG_BEARER)) => &[BASIC, WRONG_BEARER],
        (401, _) => &[BASIC, BEARER],
        _ => &[],
    };
    assert_eq!(challenges, expected, "{case}");
    assert_eq!(answer.header("retry-after"), (status == 503).then_some("1"), "{case}");
    let heard = front.backend.take();
    assert!(heard.is_empty(), "{case}: the backend heard {heard:?}");
}
