//! The whole service in this process, on a port of its own, with cheap hashes, fixed time and seeded randomness.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokensmith::{
    domain::{Catalogue, Issued, Name, ProjectId},
    http::{self, Settings},
    service::{Cost, Hasher, Key, Keys, Limits, Service, Watch},
    store::Store,
};
use tokio::{sync::oneshot, task::JoinHandle};

use super::{Backend, Database, FixedClock, SeededEntropy, catalogue};

/// The compatibility API.
pub const COMPATIBILITY: &str = "/api/laml/2010-04-01";

/// Both of its names.
pub const COMPATIBILITY_BASES: [&str; 2] = [COMPATIBILITY, "/2010-04-01"];

/// A running service.
pub struct App {
    pub address: SocketAddr,
    pub clock: Arc<FixedClock>,
    pub service: Arc<Service>,
    pub store: Arc<dyn Store>,
    /// A root project and its management token.
    pub root: Project,
    pub client: Client,
    pub database: Database,
    watch: Option<Watch>,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<std::io::Result<()>>>,
}

/// A project, and a token of it that holds `management`.
#[derive(Clone, Debug)]
pub struct Project {
    pub id: ProjectId,
    pub token_id: String,
    pub secret: String,
}

impl Project {
    fn new(id: ProjectId, issued: &Issued) -> Self {
        Self { id, token_id: issued.token.id.to_string(), secret: issued.secret.reveal().to_string() }
    }

    /// The value of the `Authorization` header.
    pub fn authorization(&self) -> String {
        basic(&format!("{}:{}", self.id, self.secret))
    }

    /// The path of its tokens.
    pub fn tokens(&self) -> String {
        format!("{COMPATIBILITY}/Accounts/{}/tokens", self.id)
    }

    /// The path of one of its tokens.
    pub fn token(&self, id: &str) -> String {
        format!("{}/{id}", self.tokens())
    }
}

/// The value of an `Authorization` header with that text in it.
pub fn basic(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

/// What a test may choose.
pub struct Options {
    pub tokens_per_project: u64,
    pub subprojects_per_project: u64,
    pub cache_bytes: u64,
    pub keys: Keys,
    pub header_timeout: Duration,
    pub body_timeout: Duration,
    pub keep_alive: Duration,
    pub public_url: String,
    pub trusted_proxies: Vec<ipnet::IpNet>,
    pub region_preference: String,
    pub cost: Cost,
    pub catalogue: Catalogue,
    /// What the randomness grows from. Two apps on one database need two.
    pub seed: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tokens_per_project: 10_000,
            subprojects_per_project: 1000,
            cache_bytes: 1 << 20,
            keys: Keys::new(Some(Key::new([7; 32])), Vec::new()),
            header_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            public_url: String::new(),
            trusted_proxies: Vec::new(),
            region_preference: "us".to_owned(),
            cost: Cost { memory_kib: 64, iterations: 1, parallelism: 1 },
            catalogue: catalogue(),
            seed: "tokensmith",
        }
    }
}

impl App {
    pub async fn start(backend: Backend) -> Self {
        Self::start_with(backend, Options::default()).await
    }

    pub async fn start_with(backend: Backend, options: Options) -> Self {
        let database = Database::migrated(backend).await;
        let store = database.open(options.catalogue.clone());
        Self::start_on(database, store, options).await
    }

    /// On a store of the test's own, which may be a broken one.
    pub async fn start_on(database: Database, store: Arc<dyn Store>, options: Options) -> Self {
        let clock = Arc::new(FixedClock::default());
        let entropy = Arc::new(SeededEntropy::new(options.seed));
        let hasher = Hasher::start(options.cost, 2, 128, entropy.clone()).unwrap();
        let limits = Limits {
            tokens_per_project: options.tokens_per_project,
            subprojects_per_project: options.subprojects_per_project,
            cache_bytes: options.cache_bytes,
        };
        let catalogue = Arc::new(options.catalogue);
        let service = Service::new(store.clone(), hasher, clock.clone(), entropy, catalogue, limits, &options.keys);
        let service = Arc::new(service);
        let watch = Some(service.watch());
        let created = service.create_project(Name::parse("Root").unwrap(), None, true).await.unwrap();
        let root = Project::new(created.project.id, &created.token.unwrap());

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let settings = Settings {
            workers: 2,
            header_timeout: options.header_timeout,
            body_timeout: options.body_timeout,
            body_bytes: 65_536,
            keep_alive: options.keep_alive,
            max_connections: 1000,
            drain: Duration::ZERO,
            shutdown_timeout: Duration::from_secs(10),
            public_url: options.public_url,
            trusted_proxies: options.trusted_proxies,
            region_preference: options.region_preference,
        };
        let serving = http::serve(listener, service.clone(), settings, async move {
            let _dropped = stopped.await;
        });
        let served = Some(tokio::spawn(serving));
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        Self { address, clock, service, store, root, client, database, watch, stop: Some(stop), served }
    }

    /// A subproject of the root, with a management token of its own.
    pub async fn subproject(&self, name: &str) -> Project {
        self.project(name, Some(self.root.id)).await
    }

    /// A project, with a management token of its own.
    pub async fn project(&self, name: &str, parent: Option<ProjectId>) -> Project {
        let created = self.service.create_project(Name::parse(name).unwrap(), parent, true).await.unwrap();
        Project::new(created.project.id, &created.token.unwrap())
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request without a credential. The path is whole.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// A request to the compatibility API, with a project's management token.
    pub fn compatibility(&self, method: Method, as_project: &Project, path: &str) -> RequestBuilder {
        self.request(method, &format!("{COMPATIBILITY}{path}"))
            .basic_auth(as_project.id.to_string(), Some(&as_project.secret))
    }

    /// A request with a project's management token. The path is whole.
    pub fn authorized(&self, method: Method, path: &str, as_project: &Project) -> RequestBuilder {
        self.request(method, path).header("authorization", as_project.authorization())
    }

    /// A request to the REST API with a JSON body, sent.
    pub async fn send(&self, method: Method, path: &str, as_project: &Project, body: Value) -> super::Answer {
        super::Answer::to(self.authorized(method, path, as_project).json(&body)).await
    }

    /// What a GET with a project's management token answers.
    pub async fn fetch(&self, path: &str, as_project: &Project) -> super::Answer {
        super::Answer::to(self.authorized(Method::GET, path, as_project)).await
    }

    /// Issues a token by HTTP and gives back its id and secret.
    pub async fn issue(&self, as_project: &Project, permissions: &[&str]) -> (String, String) {
        let response = self
            .compatibility(Method::POST, as_project, &format!("/Accounts/{}/tokens", as_project.id))
            .json(&json!({ "name": "issued", "permissions": permissions }))
            .send()
            .await
            .unwrap();
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

    /// Ends the watch over others' writes.
    pub fn stop_watching(&mut self) {
        drop(self.watch.take());
    }

    /// Stops the server and waits until it has.
    pub async fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(served) = self.served.take() {
            served.await.unwrap().unwrap();
        }
        self.stop_watching();
        self.store.close().await;
    }
}
