//! `tokensmith restore`: a copy takes the place of the database.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use insta::assert_snapshot;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};

use super::backup::{fill, mode, names_in, tokens};
use crate::support::{Backend, Operator, Project, Ran, Screen, masked, run};

/// A database, its copy, and what was done to the database since.
struct Changed {
    operator: Operator,
    project: Project,
    revoked: String,
    narrowed: String,
    issued: String,
}

impl Changed {
    async fn new() -> Self {
        let operator = Operator::migrated(Backend::Sqlite).await;
        let project = operator.project("Ours");
        let issue = |name: &str| {
            let id = project.id.to_string();
            let create = ["token", "create", "--project", &id, "--name", name, "-p", "chat,fax", "--field", "id"];
            operator.run(&create).done().trim().to_owned()
        };
        let (revoked, narrowed) = (issue("revoked\u{202e}"), issue("narrowed"));
        operator.run(&["backup", "copy.db"]).done();
        operator.run(&["token", "revoke", &revoked]).done();
        operator.run(&["token", "update", &narrowed, "-p", "chat"]).done();
        let issued = issue("issued");
        Self { operator, project, revoked, narrowed, issued }
    }

    fn database(&self) -> PathBuf {
        self.operator.database.path()
    }

    async fn tokens(&self) -> BTreeSet<String> {
        tokens(&self.database()).await
    }

    fn now(&self) -> BTreeSet<String> {
        [&self.project.token_id, &self.narrowed, &self.issued].map(Clone::clone).into()
    }

    fn before(&self) -> BTreeSet<String> {
        [&self.project.token_id, &self.narrowed, &self.revoked].map(Clone::clone).into()
    }

    fn restore(&self, more: &[&str]) -> Ran {
        self.operator.run(&[&["restore", "copy.db"], more].concat())
    }

    /// What is beside the database, but for the replaced ones that were kept.
    fn beside(&self) -> BTreeSet<String> {
        let names = names_in(self.database().parent().unwrap());
        names.into_iter().filter(|name| !name.contains(".before-restore-")).collect()
    }

    fn kept(&self) -> Vec<PathBuf> {
        let directory = self.database().parent().unwrap().to_owned();
        let names = names_in(&directory).into_iter().filter(|name| name.starts_with("tokensmith.db.before-restore-"));
        names.map(|name| directory.join(name)).collect()
    }

    /// Nothing has happened.
    async fn assert_as_it_was(&self) {
        assert_eq!(self.tokens().await, self.now());
        assert_eq!(self.beside(), ["tokensmith.db".to_owned()].into());
        assert_eq!(self.kept(), Vec::<PathBuf>::new());
    }
}

async fn open(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).foreign_keys(false).connect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_takes_the_place_of_a_database_which_is_kept() {
    let changed = Changed::new().await;

    let ran = changed.restore(&["--yes"]);

    assert_snapshot!(masked(&ran.stderr).replace(changed.database().to_str().unwrap(), "<database>"), @"
    database <database>
    from     copy.db

                   now                          after
    projects       1                            1
    tokens         3                            3
    newest change  <time>  <time>
    schema         V4                           V4
    1 token revoked since the copy was made: valid again
    1 token given other permissions since: they have the old ones again
    1 token issued since: gone
    ");
    let kept = changed.kept();
    assert_eq!(kept.len(), 1);
    let said = ran.done().replace(kept[0].to_str().unwrap(), "<kept>");
    assert_snapshot!(masked(&said).replace(changed.database().to_str().unwrap(), "<database>"), @r"
    restored <database> from copy.db: 1 project, 3 tokens
    the replaced database is <kept>
    revoked since the copy was made, and valid again (revoke them with 'tokensmith token revoke ID'):
      <uuid>  revoked\u{202e}
    with other permissions than before:
      <uuid>
    ");
    assert!(said.contains(&changed.revoked) && said.contains(&changed.narrowed), "{said}");
    assert_eq!(changed.tokens().await, changed.before());
    assert_eq!(tokens(&kept[0]).await, changed.now());
    assert_eq!(changed.beside(), ["tokensmith.db".to_owned()].into());
    assert_eq!((mode(&changed.database()), mode(&kept[0])), (0o600, 0o600));
    assert!(changed.operator.verifies(changed.project.id, &changed.project.secret));
    // The replaced one can be looked into.
    let (id, url) = (changed.project.id.to_string(), format!("database.url=sqlite://{}", kept[0].display()));
    let listed = changed.operator.run(&["token", "list", "--project", &id, "--set", &url]).done();
    assert!(listed.contains(&changed.issued) && !listed.contains(&changed.revoked), "{listed}");
    // And it serves.
    let server = changed.operator.serve();
    assert!(server.manages(changed.project.id, &changed.project.secret).await);
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn as_json_every_token_is_named_and_nothing_kept_if_so_asked() {
    let changed = Changed::new().await;

    let said = changed.restore(&["--yes", "--json", "--discard"]).json();

    assert_eq!(
        said,
        json!({
            "database": changed.database(), "file": "copy.db", "schema": said["schema"], "projects": 1, "tokens": 3,
            "kept": null, "kept_key": null,
            "revived": [{ "id": changed.revoked, "name": "revoked\u{202e}", "project_id": changed.project.id }],
            "changed": [changed.narrowed], "gone": 1,
        })
    );
    assert_eq!(changed.kept(), Vec::<PathBuf>::new());
    assert_eq!(changed.tokens().await, changed.before());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_in_use_is_not_replaced() {
    let changed = Changed::new().await;
    let in_use = format!(
        "error: a server or another process has the database {} open; stop it first\n",
        changed.database().display()
    );

    let server = changed.operator.serve();
    // Its claim comes a moment after its start; until then SQLite's own lock tells.
    for _ in 0..3 {
        assert_eq!(changed.restore(&["--yes"]).refused(), in_use);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (id, secret) = server.issue(&changed.project).await;
    assert!(server.manages(changed.project.id, &secret).await);
    changed.operator.run(&["token", "revoke", &id]).done();
    assert!(!server.manages(changed.project.id, &secret).await);
    server.stop();

    // Another program, which reads and knows of no claim.
    let mut other = open(&changed.database()).await;
    other.execute("pragma journal_mode = wal").await.unwrap();
    other.execute("select count(*) from tokens").await.unwrap();
    assert_eq!(changed.restore(&["--yes"]).refused(), in_use);
    other.close().await.unwrap();

    assert_eq!(changed.tokens().await, changed.now());
    assert_eq!(changed.kept(), Vec::<PathBuf>::new());
    changed.restore(&["--yes"]).done();
    assert_eq!(changed.tokens().await, changed.before());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_that_is_in_use_is_not_replaced() {
    let changed = Changed::new().await;
    let mut other = open(&changed.database()).await;
    other.execute("pragma journal_mode = wal").await.unwrap();
    other.execute("select count(*) from tokens").await.unwrap();
    // By another process: one that closes a file loses its locks on it.
    let mut damage = std::process::Command::new("sh");
    damage.args(["-c", "printf '%09999d' 7 > \"$0\""]).arg(changed.database());
    assert!(damage.status().unwrap().success());

    let complaint = changed.restore(&["--yes"]).refused();

    assert!(complaint.ends_with(" open; stop it first\n"), "{complaint}");
    assert_eq!(changed.database().metadata().unwrap().len(), 9999);
    drop(other);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_it_is_to_be_said() {
    let changed = Changed::new().await;

    let ran = changed.restore(&[]);

    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("1 token revoked since the copy was made: valid again"), "{}", ran.stderr);
    assert!(ran.stderr.ends_with(" Add --yes to do it.\n"), "{}", ran.stderr);
    changed.assert_as_it_was().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_it_asks() {
    let changed = Changed::new().await;

    for (answer, code) in [("\n", 1), ("n\n", 1), ("y\n", 0)] {
        let (mut screen, terminal) = Screen::with_terminal();
        let mut command = changed.operator.command(&["restore", "copy.db"]);
        command.stdin(terminal.try_clone().unwrap()).stderr(terminal.try_clone().unwrap()).stdout(Stdio::piped());
        let child = command.spawn().unwrap();
        screen.wait_for("[y/N] ");
        screen.type_in(answer);
        let output = child.wait_with_output().unwrap();

        assert_eq!(output.status.code(), Some(code), "{answer:?}");
        assert!(screen.text.contains("is replaced, and kept as "), "{}", screen.text);
        assert!(screen.text.contains("tokens         3"), "{}", screen.text);
        if code == 0 {
            assert_eq!(changed.tokens().await, changed.before());
        } else {
            changed.assert_as_it_was().await;
        }
    }
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Text,
    Empty,
    Another,
    Damaged,
    Truncated,
    Dangling,
    Newer,
    Rewritten,
    BesideIt,
    Missing,
    Directory,
    Itself,
}

#[rstest]
#[case(Fault::Text, "it is not an SQLite database")]
#[case(Fault::Empty, "it is not an SQLite database")]
#[case(Fault::Another, "it is not a database of tokensmith: it has no table \"refinery_schema_history\"")]
#[case(Fault::Damaged, "it is damaged: ")]
#[case(Fault::Truncated, "it is damaged: ")]
#[case(Fault::Dangling, "it is damaged: rows refer to rows that do not exist")]
#[case(Fault::Newer, "was migrated by a newer one; install that")]
#[case(Fault::Rewritten, "was applied to the database from another text")]
#[case(Fault::BesideIt, "copy.db-wal beside it holds a part of it")]
#[case(Fault::Missing, "cannot read copy.db: No such file")]
#[case(Fault::Directory, "copy.db is not a file")]
#[case(Fault::Itself, "is the database itself; name a copy of it")]
#[tokio::test(flavor = "multi_thread")]
async fn what_will_not_do_is_refused_before_anything_is_touched(#[case] fault: Fault, #[case] told: &str) {
    let changed = Changed::new().await;
    let copy = changed.operator.directory().join("copy.db");
    let bytes = fs::read(&copy).unwrap();
    match fault {
        Fault::Text => fs::write(&copy, "these are my recipes, not a database\n".repeat(200)).unwrap(),
        Fault::Empty => fs::write(&copy, "").unwrap(),
        Fault::Another => {
            fs::remove_file(&copy).unwrap();
            let options = SqliteConnectOptions::new().filename(&copy).create_if_missing(true);
            let mut connection = options.connect().await.unwrap();
            connection.execute("create table recipes (name text)").await.unwrap();
            connection.close().await.unwrap();
        }
        Fault::Damaged => {
            let mut bytes = bytes.clone();
            let page = bytes.len() / 4096 / 2 * 4096;
            bytes[page..page + 4096].fill(0xa5);
            fs::write(&copy, bytes).unwrap();
        }
        Fault::Truncated => fs::write(&copy, &bytes[..bytes.len() / 2]).unwrap(),
        Fault::Dangling | Fault::Newer | Fault::Rewritten => {
            let mut connection = open(&copy).await;
            let statement = match fault {
                Fault::Dangling => "delete from projects",
                Fault::Newer => {
                    "insert into refinery_schema_history (version, name, applied_on, checksum)
                    values (99, 'of_tomorrow', '2026-11-25T00:00:00Z', '1')"
                }
                _ => "update refinery_schema_history set checksum = '1' where version = 1",
            };
            connection.execute(statement).await.unwrap();
            connection.close().await.unwrap();
        }
        Fault::BesideIt => fs::write(copy.with_extension("db-wal"), "x").unwrap(),
        Fault::Missing => fs::remove_file(&copy).unwrap(),
        Fault::Directory => {
            fs::remove_file(&copy).unwrap();
            fs::create_dir(&copy).unwrap();
        }
        Fault::Itself => {
            fs::remove_file(&copy).unwrap();
            std::os::unix::fs::symlink(changed.database(), &copy).unwrap();
        }
    }

    let complaint = changed.restore(&["--yes"]).refused();

    assert!(complaint.contains(told), "{complaint}");
    changed.assert_as_it_was().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_an_older_schema_is_migrated_by_the_next_start() {
    let changed = Changed::new().await;
    let old = changed.operator.directory().join("old.db");
    let mut connection = SqliteConnectOptions::new().filename(&old).create_if_missing(true).connect().await.unwrap();
    connection.execute(include_str!("../../../migrations/sqlite/V1__projects_and_tokens.sql")).await.unwrap();
    sqlx::query("attach database $1 as now").bind(changed.database().to_str()).execute(&mut connection).await.unwrap();
    connection
        .execute(
            "create table refinery_schema_history as select * from now.refinery_schema_history where version = 1;
            insert into projects select id, name, parent_id, region_preference, protect_recordings,
                protect_message_media, protect_fax_media, force_https_requests, 1, created_at, updated_at
                from now.projects;
            insert into tokens select * from now.tokens where name = 'management';
            insert into token_secrets select id, token_id, selector, hash, check_bytes, created_at
                from now.token_secrets where token_id in (select id from tokens)",
        )
        .await
        .unwrap();
    connection.close().await.unwrap();

    let ran = changed.operator.run(&["restore", "old.db", "--yes"]);
    assert!(ran.stderr.contains("schema         V4                           V1\n"), "{}", ran.stderr);
    ran.done();
    let migrated = changed.operator.run(&["migrate"]).done();

    assert!(migrated.starts_with("applied V2__"), "{migrated}");
    assert!(changed.operator.verifies(changed.project.id, &changed.project.secret));
    assert_eq!(changed.tokens().await, [changed.project.token_id.clone()].into());
}

/// Which keys there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyCase {
    Same,
    Another,
    AnotherAndKept,
    NoneHere,
    NoneAnywhere,
    Configured,
}

#[rstest]
#[case(KeyCase::Same, None)]
#[case(KeyCase::Another, None)]
#[case(KeyCase::AnotherAndKept, Some("the copy was sealed with another server key"))]
#[case(KeyCase::NoneHere, None)]
#[case(KeyCase::NoneAnywhere, Some("'serve' does not start without it"))]
#[case(KeyCase::Configured, Some("the copy was sealed with another server key"))]
#[tokio::test(flavor = "multi_thread")]
async fn the_key_comes_with_the_copy_or_its_loss_is_said(#[case] case: KeyCase, #[case] told: Option<&str>) {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let project = operator.project("Ours");
    let server = operator.serve();
    let body = json!({ "name": "Sealed" });
    let made = server.request(Method::POST, "/api/projects").basic_auth(project.id, Some(&project.secret));
    assert_eq!(made.json(&body).send().await.unwrap().status(), 201);
    operator.run(&["backup", "copy.db", "--with-key"]).done();
    server.stop();
    let key = PathBuf::from(format!("{}.key", operator.database.path().display()));
    let sealed_with = fs::read_to_string(&key).unwrap();
    let another = format!("{}\n", "5a".repeat(32));
    let (mut arguments, mut here) = (vec!["restore", "copy.db", "--yes", "--json"], Some(another.clone()));
    match case {
        KeyCase::Same => here = Some(sealed_with.clone()),
        KeyCase::AnotherAndKept => arguments.push("--without-key"),
        KeyCase::NoneHere => here = None,
        KeyCase::NoneAnywhere => {
            here = None;
            fs::remove_file(operator.directory().join("copy.db.key")).unwrap();
        }
        KeyCase::Another | KeyCase::Configured => {}
    }
    match &here {
        Some(text) => fs::write(&key, text).unwrap(),
        None => fs::remove_file(&key).unwrap(),
    }
    let mut command = operator.command(&arguments);
    if case == KeyCase::Configured {
        command.env("TOKENSMITH_SERVER__KEY", "07".repeat(32));
    }

    let ran = run(&mut command);

    let is_said = ran.stderr.contains("signing keys of subprojects cannot be opened");
    assert_eq!(is_said, told.is_some(), "{}", ran.stderr);
    assert!(told.is_none_or(|told| ran.stderr.contains(told)), "{}", ran.stderr);
    let said = ran.json();
    let after = fs::read_to_string(&key).ok();
    match case {
        KeyCase::Same | KeyCase::Another | KeyCase::NoneHere => assert_eq!(after.as_ref(), Some(&sealed_with)),
        KeyCase::AnotherAndKept | KeyCase::NoneAnywhere | KeyCase::Configured => assert_eq!(after, here),
    }
    match &said["kept_key"] {
        Value::String(kept) if case == KeyCase::Another => {
            assert_eq!(fs::read_to_string(kept).unwrap(), another);
            assert_eq!((mode(Path::new(kept)), mode(&key)), (0o600, 0o600));
        }
        kept => assert_eq!((kept, case == KeyCase::Another), (&Value::Null, false)),
    }
    // What was said is what happens.
    if case == KeyCase::NoneAnywhere {
        let complaint = operator.run(&["serve", "--bind", "127.0.0.1:0"]).refused();
        assert!(complaint.contains("is gone"), "{complaint}");
    } else if case != KeyCase::Configured {
        let (_, log) = operator.serve().stop();
        let is_warned_of = log.iter().any(|line| line.contains("sealed with another server key"));
        assert_eq!(is_warned_of, told.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_that_holds_no_key_is_refused_before_anything_is_touched() {
    let changed = Changed::new().await;
    let key = changed.operator.directory().join("copy.db.key");
    fs::write(&key, "x").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();

    let complaint = changed.restore(&["--yes"]).refused();

    assert!(complaint.contains("64 hexadecimal digits"), "{complaint}");
    changed.assert_as_it_was().await;
    changed.restore(&["--yes", "--without-key"]).done();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_host_needs_no_question_but_a_directory() {
    let changed = Changed::new().await;
    let elsewhere = changed.operator.directory().join("elsewhere");
    let url = format!("database.url=sqlite://{}/t.db", elsewhere.display());

    let complaint = changed.restore(&["--set", &url]).refused();
    assert!(complaint.contains("elsewhere of the database does not exist; make it first"), "{complaint}");
    assert!(!elsewhere.exists());

    fs::create_dir(&elsewhere).unwrap();
    changed.restore(&["--set", &url]).done();
    assert_eq!(tokens(&elsewhere.join("t.db")).await, changed.before());
    assert_eq!(names_in(&elsewhere), ["t.db".to_owned()].into());
    changed.assert_as_it_was().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_can_be_replaced_and_is_kept_as_it_is() {
    let changed = Changed::new().await;
    let recipes = "these are my recipes, not a database\n".repeat(200);
    fs::write(changed.database(), &recipes).unwrap();
    // It would be taken for a part of the new database.
    let journal = changed.database().with_extension("db-wal");
    fs::write(&journal, "commits of the damaged one").unwrap();

    let ran = changed.restore(&["--yes"]);

    assert!(ran.stderr.contains("cannot be read, so nothing says which tokens were revoked"), "{}", ran.stderr);
    ran.done();
    assert_eq!(changed.tokens().await, changed.before());
    let kept = changed.kept();
    assert_eq!(fs::read_to_string(&kept[0]).unwrap(), recipes);
    let its = kept.iter().find(|path| path.to_string_lossy().ends_with("-wal")).expect("what was beside it is, too");
    assert_eq!(fs::read_to_string(its).unwrap(), "commits of the damaged one");
    assert!(!journal.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_are_only_in_the_wal_are_kept_with_the_replaced_one() {
    let changed = Changed::new().await;
    // A server that was killed leaves its last commits there.
    let server = changed.operator.serve();
    let (id, _) = server.issue(&changed.project).await;
    server.kill();
    assert!(changed.database().with_extension("db-wal").metadata().unwrap().len() > 0);

    changed.restore(&["--yes"]).done();

    let mut now = changed.now();
    now.insert(id);
    assert_eq!(tokens(&changed.kept()[0]).await, now);
    assert_eq!(changed.tokens().await, changed.before());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_killed_leaves_the_old_or_the_new() {
    let changed = Changed::new().await;
    fill(&changed.operator, &changed.operator.project("Filler"), 20_000).await;
    let large = changed.tokens().await;
    let (mut old, mut new) = (0, 0);
    for round in 0..16_u64 {
        let mut command = changed.operator.command(&["restore", "copy.db", "--yes"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(10 * round)).await;
        child.kill().unwrap();
        child.wait().unwrap();

        match changed.tokens().await {
            tokens if tokens == changed.before() => {
                new += 1;
                break;
            }
            tokens if tokens == large => old += 1,
            tokens => panic!("{} tokens", tokens.len()),
        }
    }
    println!("{old} old, {new} new");
    // Nothing that a dead one has left is in the way.
    changed.restore(&["--yes"]).done();
    assert_eq!(changed.tokens().await, changed.before());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_it_names_the_tool_of_postgres() {
    let operator = Operator::migrated(Backend::Postgres).await;

    let complaint = operator.run(&["restore", "copy.dump", "--yes"]).misused();

    assert!(complaint.contains("pg_restore --no-owner --exit-on-error --dbname='postgres://"), "{complaint}");
}
