//! Clients that hang up in the middle: of the head, of the body, or of the answer's making.

use std::time::Duration;

use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};

use super::{Dice, assert_no_panic, ledger, place::Place, until};
use crate::support::{Backend, Binary, COMPATIBILITY, Database, Holder, basic};

const CLIENTS: u64 = 200;

/// As many as hang up at the same time.
const AT_ONCE: usize = 8;

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_hang_up_leave_nothing_by_half_and_nobody_waiting(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut dice = Dice::new();
    let database = Database::bare(backend).await;
    let place = Place::new(database.url()).await;
    let server = place.serve();
    let (victim, secret) = server.issue(&place.root).await;

    let (mut hanging_up, mut cut_off) = (JoinSet::new(), Vec::new());
    for number in 0..CLIENTS {
        if hanging_up.len() == AT_ONCE {
            cut_off.extend(hanging_up.join_next().await.unwrap().unwrap());
        }
        let target = if dice.below(2) == 0 { String::new() } else { victim.clone() };
        let (name, address, dice) = (name_of(number), server.address.clone(), dice.split());
        let request = request(&place, &target, &name);
        hanging_up.spawn(async move { (!hang_up(address, request, dice).await).then_some(name) });
    }
    cut_off.extend(hanging_up.join_all().await.into_iter().flatten());

    // Nobody is in the way of a writer that stays.
    let path = format!("/Accounts/{}/tokens/{victim}", place.root.id);
    until("a client that stays is served", Duration::from_secs(5), async || {
        let change = json!({ "name": name_of(CLIENTS), "permissions": ledger::permissions_of(&name_of(CLIENTS)) });
        let request = server.compatibility(Method::PATCH, &place.root, &path).json(&change);
        request.send().await.unwrap().status() == 200
    })
    .await;
    assert!(server.manages(place.root.id, &secret).await);
    assert_no_panic(&server.stop().1);

    let tables = place.tables().await;
    assert_eq!(tables.faults, Vec::<String>::new());
    for (id, name, permissions) in &tables.tokens {
        if name.starts_with("hung up") {
            assert!(!cut_off.contains(name), "{name} was never asked for");
            assert_eq!(*permissions, ledger::permissions_of(name).join(" "), "{name} of {id}");
        }
    }
    // The root's token, the one that all of them changed, and some of those that were asked for.
    println!("{} were cut off, {} issued for nobody", cut_off.len(), tables.tokens.len() - 2);
}

#[derive(Clone, Copy, Debug)]
enum Change {
    CreateProject,
    UpdateProject,
    RotateSigningKey,
    IssueToken,
}

impl Change {
    /// The request, and the body of it.
    fn request(self, place: &Place) -> (String, &'static str) {
        let (head, body) = match self {
            Self::CreateProject => ("POST /api/projects".to_owned(), r#"{"name":"reset"}"#),
            Self::UpdateProject => (format!("PATCH /api/projects/{}", place.root.id), r#"{"name":"reset"}"#),
            Self::RotateSigningKey => (format!("POST /api/projects/{}/signing-key/rotate", place.root.id), ""),
            Self::IssueToken => ("POST /api/project/tokens".to_owned(), r#"{"name":"reset","permissions":["chat"]}"#),
        };
        let authorization = basic(&format!("{}:{}", place.root.id, place.root.secret));
        let length = body.len();
        let head = format!(
            "{head} HTTP/1.1\r\nhost: x\r\nx-request-id: gone\r\nauthorization: {authorization}\r\n\
            content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        (head, body)
    }

    fn line(self) -> &'static str {
        match self {
            Self::CreateProject => "project created",
            Self::UpdateProject => "project updated",
            Self::RotateSigningKey => "signing key rotated",
            Self::IssueToken => "token issued",
        }
    }

    /// Counts what it has changed.
    fn changed(self) -> &'static str {
        match self {
            Self::CreateProject | Self::UpdateProject => "select count(*) from projects where name = 'reset'",
            Self::RotateSigningKey => "select count(*) from projects where signing_key is not null",
            Self::IssueToken => "select count(*) from tokens where name = 'reset'",
        }
    }
}

/// The connection is reset while the write waits for another one's end.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_client_resets_is_made_and_logged(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values(Change::CreateProject, Change::UpdateProject, Change::RotateSigningKey, Change::IssueToken)]
    change: Change,
) {
    const WAITING: &str = "select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    let database = Database::bare(backend).await;
    let place = Place::new(database.url()).await;
    let mut command = place.command();
    command.args(["--set", "database.acquire_timeout=20s"]);
    let mut server = Binary::serve(command);
    assert!(server.manages(place.root.id, &place.root.secret).await);
    let holder = Holder::of(&database, backend).await;

    let (head, body) = change.request(&place);
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    match backend {
        Backend::Sqlite => tokio::time::sleep(Duration::from_secs(1)).await,
        Backend::Postgres => while database.count(WAITING).await == 0 {},
    }
    stream.set_zero_linger().unwrap();
    drop(stream);
    tokio::time::sleep(Duration::from_millis(300)).await;
    holder.let_go().await;

    let line = server.wait_for(change.line());
    assert_eq!(line["caller"], json!(place.root.token_id), "{line}");
    let span = &line["span"];
    assert_eq!((&span["request.id"], &span["client.address"]), (&json!("gone"), &json!("127.0.0.1")), "{line}");
    assert_eq!(span["caller.project"], json!(place.root.id.to_string()), "{line}");
    assert_eq!(database.count(change.changed()).await, 1);
    assert_no_panic(&server.stop().1);
}

fn name_of(number: u64) -> String {
    format!("hung up {number}")
}

/// A whole request: a change of the target, or a new token where there is none.
fn request(place: &Place, target: &str, name: &str) -> (String, String) {
    let method = if target.is_empty() { "POST" } else { "PATCH" };
    let body = json!({ "name": name, "permissions": ledger::permissions_of(name) }).to_string();
    let head = format!(
        "{method} {COMPATIBILITY}/Accounts/{root}/tokens/{target} HTTP/1.1\r\nhost: x\r\nauthorization: {authorization}\r\n\
        content-type: application/json\r\ncontent-length: {length}\r\n\r\n",
        root = place.root.id,
        authorization = basic(&format!("{}:{}", place.root.id, place.root.secret)),
        length = body.len(),
    );
    (head, body)
}

/// Sends some of it and goes. Returns whether it was all of it.
async fn hang_up(address: String, (head, body): (String, String), mut dice: Dice) -> bool {
    let whole = head.len() + body.len();
    let sent = match dice.below(4) {
        0 => dice.below(head.len() as u64) as usize,
        1 => head.len() + dice.below(body.len() as u64) as usize,
        _ => whole,
    };
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&(head + &body).as_bytes()[..sent]).await.unwrap();
    tokio::time::sleep(dice.moment(Duration::from_millis(8))).await;
    if dice.below(2) == 0 {
        // Gone at once, where it would otherwise say that it has nothing more to send.
        stream.set_zero_linger().unwrap();
    }
    sent == whole
}
