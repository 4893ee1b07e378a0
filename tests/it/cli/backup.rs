//! `tokensmith backup`: copies of a database that is in use.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection, Executor, sqlite::SqliteConnectOptions};

use crate::{
    crash::Tables,
    support::{Backend, COMPATIBILITY, Operator, Project, Ran, Screen, run},
};

/// The ids of all tokens in a database, and what contradicts itself in it.
pub(super) async fn tokens(file: &Path) -> BTreeSet<String> {
    let tables = Tables::read(&format!("sqlite://{}", file.display())).await;
    assert_eq!(tables.faults, Vec::<String>::new());
    tables.tokens.iter().map(|(id, _, _)| id.to_string()).collect()
}

pub(super) fn names_in(directory: &Path) -> BTreeSet<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

pub(super) fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

/// Makes the database so large that copying it takes a while.
pub(super) async fn fill(operator: &Operator, project: &Project, rows: u32) {
    let mut connection = SqliteConnectOptions::new().filename(operator.database.path()).connect().await.unwrap();
    for (statement, takes_project) in [
        (
            "insert into tokens (id, project_id, name, permissions, created_at, updated_at)
            with recursive n(i) as (select 1 union all select i + 1 from n where i < $2)
            select randomblob(16), $1, 'filler ' || i, 'chat', i, i from n",
            true,
        ),
        (
            "insert into token_secrets (id, token_id, selector, hash, check_bytes, created_at)
            select randomblob(16), id, randomblob(6), hex(randomblob(48)), x'0000', 0 from tokens where name like 'filler %'",
            false,
        ),
        (
            "update projects set token_count = (select count(*) from tokens where project_id = projects.id)",
            false,
        ),
    ] {
        let query = sqlx::query(statement);
        let query = if takes_project { query.bind(project.id.as_uuid()).bind(rows) } else { query };
        query.execute(&mut connection).await.unwrap();
    }
    connection.execute("pragma wal_checkpoint(truncate)").await.unwrap();
    connection.close().await.unwrap();
}

/// The same command behind a program that runs it in other circumstances.
fn behind(program: &[&str], command: &Command) -> Ran {
    let mut whole = Command::new(program[0]);
    whole.args(&program[1..]).arg(command.get_program()).args(command.get_args());
    whole.current_dir(command.get_current_dir().unwrap());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => whole.env(key, value),
            None => whole.env_remove(key),
        };
    }
    run(&mut whole)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_whole_and_for_its_owner_alone() {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let project = operator.project("Ours");
    let server = operator.serve();
    let copy = operator.directory().join("copy.db");

    let said = operator.run(&["backup", "copy.db"]);
    let json = operator.run(&["backup", "copy.json.db", "--json"]).json();

    assert_eq!(said.stderr, "");
    let said = said.done();
    let bytes = copy.metadata().unwrap().len();
    let (before, after) = said.split_once(", in ").unwrap();
    assert_eq!(
        before,
        format!("copied {} to copy.db: 1 project, 1 token, {bytes} bytes", operator.database.path().display())
    );
    assert!(after.ends_with(" s\n"), "{said}");
    assert_eq!(json["duration_ms"].as_u64().map(|_| ()), Some(()));
    assert_eq!(
        json,
        json!({
            "file": "copy.json.db", "key_file": null, "bytes": bytes, "schema": json["schema"], "projects": 1,
            "tokens": 1, "duration_ms": json["duration_ms"],
        })
    );
    assert_eq!(mode(&copy), 0o600);
    assert_eq!(names_in(operator.directory()), ["copy.db", "copy.json.db"].map(str::to_owned).into());
    assert_eq!(tokens(&copy).await, tokens(&operator.database.path()).await);
    // It can be looked into as it is.
    let url = format!("database.url=sqlite://{}", copy.display());
    let listed = operator.run(&["token", "list", "--project", &project.id.to_string(), "--json", "--set", &url]).json();
    assert_eq!(listed["data"][0]["id"], project.token_id);
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_made_at_full_speed_hold_all_that_was_answered() {
    const CLIENTS: usize = 8;
    let operator = Operator::migrated(Backend::Sqlite).await;
    let project = operator.project("Ours");
    fill(&operator, &operator.project("Filler"), 50_000).await;
    let server = operator.serve();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let path = server.url(&format!("{COMPATIBILITY}/Accounts/{}/tokens", project.id));
    let (issued, revoked) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<Vec<String>>>::default());
    let is_over = Arc::new(AtomicBool::new(false));
    let slowest = Arc::new(Mutex::new(Duration::ZERO));
    let writing: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (client, path, project, is_over) = (client.clone(), path.clone(), project.clone(), is_over.clone());
            let (issued, revoked, slowest) = (issued.clone(), revoked.clone(), slowest.clone());
            tokio::spawn(async move {
                let send = async |method: Method, path: &str| {
                    let body = json!({ "name": "written", "permissions": ["chat"] });
                    let request = client.request(method, path).basic_auth(project.id, Some(&project.secret));
                    let began = Instant::now();
                    let answer = request.json(&body).send().await.unwrap();
                    let took = began.elapsed();
                    let mut slowest = slowest.lock().unwrap();
                    *slowest = (*slowest).max(took);
                    answer
                };
                let issue = async || {
                    let answer = send(Method::POST, &path).await;
                    assert_eq!(answer.status(), 200);
                    answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
                };
                while !is_over.load(Ordering::Relaxed) {
                    let (kept, dead) = (issue().await, issue().await);
                    assert_eq!(send(Method::DELETE, &format!("{path}/{dead}")).await.status(), 204);
                    issued.lock().unwrap().push(kept);
                    revoked.lock().unwrap().push(dead);
                }
            })
        })
        .collect();

    for round in 0..4 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let (issued_before, revoked_before) = (issued.lock().unwrap().clone(), revoked.lock().unwrap().clone());
        let name = format!("{round}.db");
        let mut command = operator.command(&["backup", &name]);
        tokio::task::spawn_blocking(move || run(&mut command)).await.unwrap().done();

        let copied = tokens(&operator.directory().join(&name)).await;
        assert!(issued_before.len() > round, "they write");
        let missing: Vec<_> = issued_before.iter().filter(|id| !copied.contains(*id)).collect();
        let alive: Vec<_> = revoked_before.iter().filter(|id| copied.contains(*id)).collect();
        assert!(missing.is_empty() && alive.is_empty(), "missing: {missing:?}, alive: {alive:?}");
    }

    is_over.store(true, Ordering::Relaxed);
    for task in writing {
        task.await.unwrap();
    }
    // No write waits for a copy.
    let slowest = *slowest.lock().unwrap();
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    println!("{} issued, {} revoked, {slowest:?}", issued.lock().unwrap().len(), revoked.lock().unwrap().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_file_stays_unless_it_is_to_be_replaced() {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let file = operator.directory().join("copy.db");
    fs::write(&file, "precious").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();

    let refused = operator.run(&["backup", "copy.db"]).refused();
    assert_eq!(refused, "error: copy.db exists already; name another file, or add --force to replace it\n");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");

    operator.run(&["backup", "copy.db", "--force"]).done();
    assert_eq!(tokens(&file).await, BTreeSet::new());
    assert_eq!(mode(&file), 0o600);

    // What fails leaves the earlier copy.
    let before = fs::read(&file).unwrap();
    fs::write(operator.database.path(), "these are my recipes, not a database\n".repeat(200)).unwrap();
    let refused = operator.run(&["backup", "copy.db", "--force"]).refused();
    assert!(refused.contains("not an SQLite database"), "{refused}");
    assert_eq!(fs::read(&file).unwrap(), before);
    assert_eq!(names_in(operator.directory()).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_will_not_do_is_named_and_left_empty() {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let database = operator.database.path();
    let before = fs::read(&database).unwrap();
    fs::create_dir(operator.directory().join("folder")).unwrap();
    let database = database.to_str().unwrap();
    std::os::unix::fs::symlink(database, operator.directory().join("link.db")).unwrap();

    for (file, told) in [
        ("nowhere/copy.db", "the directory nowhere does not exist; make it first"),
        ("folder", "folder is a directory; name a file in it"),
        (database, "is the database itself; name another file"),
        ("link.db", "is the database itself; name another file"),
    ] {
        for force in [&["--json"][..], &["--force"]] {
            let complaint = operator.run(&[&["backup", file], force].concat()).refused();
            assert!(complaint.contains(told), "{complaint}");
        }
    }

    assert_eq!(fs::read(database).unwrap(), before);
    assert_eq!(names_in(operator.directory()), ["folder", "link.db"].map(str::to_owned).into());
    assert_eq!(names_in(&operator.directory().join("folder")), BTreeSet::new());
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_without_permission_and_a_full_disk_leave_nothing() {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let project = operator.project("Ours");
    fill(&operator, &project, 5_000).await;
    let folder = operator.directory().join("folder");
    fs::create_dir(&folder).unwrap();

    // 64 blocks of 1,024 bytes: too few for the copy.
    let full = ["bash", "-c", "trap '' XFSZ; ulimit -S -f 64; exec \"$0\" \"$@\""];
    let complaint = behind(&full, &operator.command(&["backup", "folder/copy.db"])).refused();
    assert!(complaint.contains("cannot copy ") && complaint.contains("nothing was written"), "{complaint}");
    assert_eq!(names_in(&folder), BTreeSet::new());

    fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).unwrap();
    // root heeds no modes.
    let heeding: &[&str] = if folder.metadata().unwrap().uid() == 0 {
        &["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"]
    } else {
        &["env"]
    };
    let complaint = behind(heeding, &operator.command(&["backup", "folder/copy.db"])).refused();
    assert!(complaint.contains("cannot write folder/copy.db: Permission denied"), "{complaint}");
    assert_eq!(names_in(&folder), BTreeSet::new());
}

#[rstest]
#[case::ctrl_c("INT")]
#[case::a_supervisor("TERM")]
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_interrupted_leaves_nothing(#[case] signal: &str) {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let project = operator.project("Ours");
    fill(&operator, &project, 200_000).await;
    let folder = operator.directory().join("folder");
    fs::create_dir(&folder).unwrap();

    let mut command = operator.command(&["backup", "folder/copy.db"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while names_in(&folder).is_empty() {
        assert!(Instant::now() < deadline, "it begins");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for name in names_in(&folder) {
        // From the first byte on.
        assert_eq!(mode(&folder.join(name)), 0o600);
    }
    assert!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success());
    let ended = child.wait_with_output().unwrap();

    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "error: interrupted; folder/copy.db was not written\n");
    assert_eq!(names_in(&folder), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_copied_on_request_where_there_is_a_file() {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let missing = operator.run(&["backup", "copy.db", "--with-key"]).refused();
    assert!(missing.contains(".key cannot be read"), "{missing}");
    assert_eq!(names_in(operator.directory()), BTreeSet::new());

    operator.serve().stop();
    let key = PathBuf::from(format!("{}.key", operator.database.path().display()));
    let said = operator.run(&["backup", "copy.db", "--with-key"]).done();
    let copied = operator.directory().join("copy.db.key");
    assert_eq!(fs::read(&copied).unwrap(), fs::read(&key).unwrap());
    assert_eq!(mode(&copied), 0o600);
    assert!(said.contains("copied the server's key to copy.db.key; keep it apart from the database\n"), "{said}");

    // Neither takes the place of another.
    fs::remove_file(operator.directory().join("copy.db")).unwrap();
    let refused = operator.run(&["backup", "copy.db", "--with-key"]).refused();
    assert!(refused.contains("copy.db.key exists already"), "{refused}");
    assert_eq!(names_in(operator.directory()), ["copy.db.key".to_owned()].into());

    let mut command = operator.command(&["backup", "configured.db", "--with-key", "--json"]);
    let ran = run(command.env("TOKENSMITH_SERVER__KEY", "07".repeat(32)));
    assert!(ran.stderr.contains("is in the configuration (server.key), so it is not copied"), "{ran:?}");
    assert_eq!(ran.json()["key_file"], Value::Null);
    assert!(!operator.directory().join("configured.db.key").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_on_postgres_is_told_its_own_tool() {
    let operator = Operator::migrated(Backend::Postgres).await;

    let complaint = operator.run(&["backup", "copy.dump"]).misused();

    assert!(complaint.contains("pg_dump --format=custom --no-owner --file='copy.dump' 'postgres://"), "{complaint}");
    assert_eq!(names_in(operator.directory()), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_not_copied_in_silence() {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let project = operator.project("Ours");
    fill(&operator, &project, 2_000).await;
    let mut connection = SqliteConnectOptions::new().filename(operator.database.path()).connect().await.unwrap();
    // A row that refers to no project, as a tool without foreign keys leaves it.
    connection.execute("pragma foreign_keys = off").await.unwrap();
    connection
        .execute("update tokens set project_id = x'00000000000000000000000000000000' where rowid = 1")
        .await
        .unwrap();
    connection.close().await.unwrap();

    let complaint = operator.run(&["backup", "copy.db"]).refused();

    assert!(complaint.contains("it is damaged: rows refer to rows that do not exist"), "{complaint}");
    assert_eq!(names_in(operator.directory()), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_it_shows_how_far_it_is() {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let (screen, terminal) = Screen::with_terminal();
    let mut command = operator.command(&["backup", "copy.db"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(terminal).spawn().unwrap();
    drop(command);

    let output = child.wait_with_output().unwrap();
    let shown = screen.read_to_end();

    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("copied "));
    // What was shown is erased at the end.
    let shown = shown.replace(|c: char| c.is_ascii_digit(), "0");
    assert!(shown.starts_with("\rcopying: 0") && shown.ends_with("\r\u{1b}[K"), "{shown:?}");
    assert!(shown.contains("checking: 0"), "{shown:?}");
}
