//! A client that writes one request after another, and the book that it keeps: what was sent, what was answered, and
//! so what the database may hold.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{Client, Method, StatusCode, header::RETRY_AFTER};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{Dice, place::Place};
use crate::support::{COMPATIBILITY, Project};

/// "Within 2 s", and what a busy machine adds.
const REFUSED_WITHIN: Duration = Duration::from_secs(4);

/// Permissions by which a server can still be asked about a token with its own secret.
const PERMISSIONS: [&[&str]; 4] =
    [&["management"], &["chat", "management"], &["management", "video"], &["calling", "fax", "management"]];

/// What one client knows.
#[derive(Default)]
pub struct Ledger {
    client: String,
    names: u64,
    tokens: Vec<Entry>,
    /// Names of tokens that were asked for and answered 503: they were never written.
    refused: Vec<String>,
    /// Names of tokens whose fate was not told.
    untold: Vec<String>,
    pub counts: HashMap<&'static str, u64>,
}

struct Entry {
    id: String,
    secret: String,
    /// One state; two, where the last write was not told.
    may_be: Vec<State>,
    is_checked: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Name and permissions, which are always sent together.
    Live(String, String),
    Dead,
}

/// What became of a write.
enum Outcome {
    Done(Value),
    /// 503: nothing was written.
    Refused,
    /// 500: it may have been.
    Unknown,
    /// The server was gone before it answered.
    Unanswered,
}

/// Whether a server may go without answering.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Server {
    MayDie,
    AnswersAlways,
}

/// What all clients together have been told so far.
#[derive(Default)]
struct Counters {
    done: AtomicU64,
    failed: AtomicU64,
}

/// Clients at work.
pub struct Load {
    stop: Arc<AtomicBool>,
    counters: Arc<Counters>,
    clients: Vec<JoinHandle<Ledger>>,
}

impl Load {
    /// Sets one client to work for each ledger.
    pub fn start(ledgers: Vec<Ledger>, place: &Place, url: &str, server: Server, dice: &mut Dice) -> Self {
        let (stop, counters) = (Arc::new(AtomicBool::new(false)), Arc::new(Counters::default()));
        let clients = ledgers
            .into_iter()
            .map(|ledger| {
                let wire = Wire::new(url, &place.root, server);
                tokio::spawn(ledger.fill(wire, dice.split(), stop.clone(), counters.clone()))
            })
            .collect();
        Self { stop, counters, clients }
    }

    /// How many writes were answered as done.
    pub fn done(&self) -> u64 {
        self.counters.done.load(Ordering::SeqCst)
    }

    /// How many were answered as failed.
    pub fn failed(&self) -> u64 {
        self.counters.failed.load(Ordering::SeqCst)
    }

    /// Lets each finish the request that it is at.
    pub async fn stop(self) -> Vec<Ledger> {
        self.stop.store(true, Ordering::SeqCst);
        self.join().await
    }

    /// Waits until each has lost its server.
    pub async fn join(self) -> Vec<Ledger> {
        let mut ledgers = Vec::new();
        for client in self.clients {
            ledgers.push(client.await.unwrap());
        }
        ledgers
    }
}

/// Ledgers for so many clients, nothing written yet.
pub fn ledgers(count: usize) -> Vec<Ledger> {
    (0..count).map(|i| Ledger { client: format!("client {i}"), ..Ledger::default() }).collect()
}

/// How often that was answered, over all of them.
pub fn count(ledgers: &[Ledger], what: &str) -> u64 {
    ledgers.iter().filter_map(|ledger| ledger.counts.get(what)).sum()
}

/// Holds the database, and a server on it, to what the clients were told. What the last crash left open is settled then.
pub async fn verify(ledgers: &mut [Ledger], place: &Place, url: &str) {
    let tables = place.tables().await;
    assert_eq!(tables.faults, Vec::<String>::new());
    let mut found: HashMap<String, State> = HashMap::new();
    let mut named: HashMap<String, String> = HashMap::new();
    for (id, name, permissions) in tables.tokens {
        named.insert(name.clone(), permissions.clone());
        found.insert(id.to_string(), State::Live(name, permissions));
    }
    let wire = Wire::new(url, &place.root, Server::AnswersAlways);
    for ledger in ledgers {
        for name in &ledger.refused {
            assert!(!named.contains_key(name), "{name} was answered 503 and is there");
        }
        for name in ledger.untold.drain(..) {
            if let Some(permissions) = named.get(&name) {
                assert_eq!(*permissions, permissions_of(&name).join(" "), "{name} is there, but not as it was sent");
            }
        }
        for entry in &mut ledger.tokens {
            let is = found.remove(&entry.id).unwrap_or(State::Dead);
            assert!(entry.may_be.contains(&is), "{} is {is:?} and may be {:?}", entry.id, entry.may_be);
            if !entry.is_checked {
                assert_eq!(wire.show(entry).await, is, "what the server says of {}", entry.id);
            }
            entry.may_be = vec![is];
            entry.is_checked = true;
        }
    }
}

/// As [`verify`], and asks the server about every token there ever was.
pub async fn verify_all(ledgers: &mut [Ledger], place: &Place, url: &str) {
    for entry in ledgers.iter_mut().flat_map(|ledger| &mut ledger.tokens) {
        entry.is_checked = false;
    }
    verify(ledgers, place, url).await;
}

impl Ledger {
    async fn fill(mut self, wire: Wire, mut dice: Dice, stop: Arc<AtomicBool>, counters: Arc<Counters>) -> Self {
        while !stop.load(Ordering::SeqCst) {
            let settled: Vec<usize> = (0..self.tokens.len()).filter(|&i| self.tokens[i].is_live()).collect();
            let (told, what) = match (dice.below(10), settled.len()) {
                (0..4, _) | (_, 0..3) => self.issue(&wire).await,
                (4..7, live) => self.update(&wire, settled[dice.below(live as u64) as usize]).await,
                (_, live) => self.delete(&wire, settled[dice.below(live as u64) as usize]).await,
            };
            *self.counts.entry(what).or_default() += 1;
            match told {
                Told::Answer => {
                    counters.done.fetch_add(1, Ordering::SeqCst);
                }
                // Nobody hammers at a closed door.
                Told::Failure => {
                    counters.failed.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Told::Nothing => return self,
            }
        }
        self
    }

    async fn issue(&mut self, wire: &Wire) -> (Told, &'static str) {
        let name = self.next_name();
        let outcome = wire.send(Method::POST, "", Some(body(&name))).await;
        let summary = outcome.summary("issued");
        match outcome {
            Outcome::Done(answer) => {
                assert_eq!((&answer["name"], &answer["permissions"]), (&json!(name), &json!(permissions_of(&name))));
                self.tokens.push(Entry {
                    id: answer["id"].as_str().unwrap().to_owned(),
                    secret: answer["token"].as_str().unwrap().to_owned(),
                    may_be: vec![live(&name)],
                    is_checked: false,
                });
            }
            Outcome::Refused => self.refused.push(name),
            Outcome::Unknown | Outcome::Unanswered => self.untold.push(name),
        }
        summary
    }

    async fn update(&mut self, wire: &Wire, i: usize) -> (Told, &'static str) {
        let name = self.next_name();
        let outcome = wire.send(Method::PATCH, &self.tokens[i].id, Some(body(&name))).await;
        let summary = outcome.summary("updated");
        if let Outcome::Done(answer) = &outcome {
            assert_eq!((&answer["name"], &answer["permissions"]), (&json!(name), &json!(permissions_of(&name))));
        }
        self.tokens[i].note(&outcome, live(&name));
        summary
    }

    async fn delete(&mut self, wire: &Wire, i: usize) -> (Told, &'static str) {
        let outcome = wire.send(Method::DELETE, &self.tokens[i].id, None).await;
        self.tokens[i].note(&outcome, State::Dead);
        outcome.summary("deleted")
    }

    /// A name that no other write has, and that says which permissions go with it.
    fn next_name(&mut self) -> String {
        self.names += 1;
        format!("{} {}", self.client, self.names)
    }
}

impl Entry {
    fn is_live(&self) -> bool {
        matches!(self.may_be[..], [State::Live(..)])
    }

    fn note(&mut self, outcome: &Outcome, new: State) {
        match outcome {
            Outcome::Done(_) => self.may_be = vec![new],
            Outcome::Refused => {}
            Outcome::Unknown | Outcome::Unanswered => self.may_be.push(new),
        }
        self.is_checked = false;
    }
}

enum Told {
    Answer,
    Failure,
    Nothing,
}

impl Outcome {
    fn summary(&self, done: &'static str) -> (Told, &'static str) {
        match self {
            Self::Done(_) => (Told::Answer, done),
            Self::Refused => (Told::Failure, "503"),
            Self::Unknown => (Told::Failure, "500"),
            Self::Unanswered => (Told::Nothing, "unanswered"),
        }
    }
}

fn live(name: &str) -> State {
    State::Live(name.to_owned(), permissions_of(name).join(" "))
}

fn body(name: &str) -> Value {
    json!({ "name": name, "permissions": permissions_of(name) })
}

/// The permissions that go with a name.
pub fn permissions_of(name: &str) -> &'static [&'static str] {
    let number: usize = name.rsplit(' ').next().unwrap().parse().unwrap();
    PERMISSIONS[number % PERMISSIONS.len()]
}

/// The way to a server.
struct Wire {
    client: Client,
    tokens: String,
    root: Project,
    server: Server,
}

impl Wire {
    fn new(url: &str, root: &Project, server: Server) -> Self {
        // Long enough for an answer that is late to be seen as such, and short enough for one that never comes.
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        Self { client, tokens: format!("{url}{COMPATIBILITY}/Accounts/{}/tokens", root.id), root: root.clone(), server }
    }

    /// Asks for one write on the root's authority. Any answer that denies the root or a token of its own is a failure.
    async fn send(&self, method: Method, token: &str, body: Option<Value>) -> Outcome {
        let began = Instant::now();
        let mut request = self
            .client
            .request(method.clone(), format!("{}/{token}", self.tokens))
            .basic_auth(self.root.id, Some(&self.root.secret));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = async {
            let response = request.send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            response.bytes().await.map(|body| (status, headers, body))
        };
        let (status, headers, body) = match answer.await {
            Ok(answer) => answer,
            Err(_) if self.server == Server::MayDie => return Outcome::Unanswered,
            Err(error) => panic!("no answer to {method} after {:?}: {error:?}", began.elapsed()),
        };
        match status {
            StatusCode::OK => Outcome::Done(serde_json::from_slice(&body).unwrap()),
            StatusCode::NO_CONTENT => Outcome::Done(Value::Null),
            StatusCode::SERVICE_UNAVAILABLE => {
                assert!(headers.contains_key(RETRY_AFTER), "503 without Retry-After");
                assert!(began.elapsed() < REFUSED_WITHIN, "503 after {:?}", began.elapsed());
                Outcome::Refused
            }
            StatusCode::INTERNAL_SERVER_ERROR => Outcome::Unknown,
            other => panic!("{method} was answered {other}: {}", String::from_utf8_lossy(&body)),
        }
    }

    /// What the server knows of a token, asked with its own secret: a change of nothing.
    async fn show(&self, entry: &Entry) -> State {
        let request = self.client.patch(format!("{}/{}", self.tokens, entry.id)).json(&json!({}));
        let response = request.basic_auth(self.root.id, Some(&entry.secret)).send().await.unwrap();
        match response.status() {
            StatusCode::UNAUTHORIZED => State::Dead,
            StatusCode::OK => {
                let token: Value = response.json().await.unwrap();
                let permissions: Vec<_> =
                    token["permissions"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
                State::Live(token["name"].as_str().unwrap().to_owned(), permissions.join(" "))
            }
            other => panic!("{other} for {}", entry.id),
        }
    }
}
