//! `serve --bootstrap` where stdout is no terminal.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use insta::{allow_duplicates, assert_snapshot};
use rstest::rstest;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Backend, Binary, Operator, created, masked, tokensmith};

const SAID_WHEN_NOT_EMPTY: &str = "the store is not empty, so --bootstrap does nothing";

fn serve(operator: &Operator) -> Binary {
    Binary::serve(operator.command(&["serve", "--bootstrap"]))
}

/// The path in what a server printed, which is one line of JSON where its log is, or nothing.
fn printed_path(stdout: &str) -> Option<PathBuf> {
    if stdout.is_empty() {
        return None;
    }
    let line: Value = serde_json::from_str(stdout).unwrap();
    assert_eq!(line["message"], "the first project and its token are in this file");
    Some(line["path"].as_str().unwrap().into())
}

/// The files of starts that were interrupted.
fn unconfirmed(operator: &Operator) -> Vec<PathBuf> {
    let entries = fs::read_dir(operator.bootstrap_file().parent().unwrap()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.to_string_lossy().ends_with(".unconfirmed")).collect()
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_first_project_and_token_go_into_a_file_whose_path_is_printed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::new(backend).await;
    let file = operator.bootstrap_file();

    let binary = serve(&operator);
    let text = fs::read_to_string(&file).unwrap();
    let body: Value = serde_json::from_str(&text).unwrap();
    let project = created(&body);
    let manages = binary.manages(project.id, &project.secret).await;
    let (stdout, log) = binary.stop();

    assert_eq!(printed_path(&stdout), Some(file.canonicalize().unwrap()));
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(manages);
    assert!(!log.iter().any(|line| line.contains(&project.secret)));
    allow_duplicates! {
        assert_snapshot!(masked(&text), @r#"
        {
          "project": {
            "id": "<uuid>",
            "name": "Default project",
            "parent_project_id": null,
            "subproject": false,
            "region_preference": "us",
            "protect_recordings": false,
            "protect_message_media": false,
            "protect_fax_media": false,
            "force_https_requests": false,
            "created_at": "<time>",
            "updated_at": "<time>"
          },
          "token": {
            "id": "<uuid>",
            "name": "management",
            "permissions": [
              "management"
            ],
            "token": "<secret>",
            "project_id": "<uuid>",
            "hint": "<hint>",
            "created_at": "<time>",
            "updated_at": "<time>",
            "created_by": null
          }
        }
        "#);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_what_project_create_prints(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::new(backend).await;
    serve(&operator).stop();
    let kept: Value = serde_json::from_slice(&fs::read(operator.bootstrap_file()).unwrap()).unwrap();

    let printed = operator.run(&["project", "create", "Default project", "--json"]).json();

    assert_eq!(masked(&kept.to_string()), masked(&printed.to_string()));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_project_can_be_given_a_name(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::new(backend).await;

    Binary::serve(operator.command(&["serve", "--bootstrap", "Acme"])).stop();

    let kept: Value = serde_json::from_slice(&fs::read(operator.bootstrap_file()).unwrap()).unwrap();
    assert_eq!(kept["project"]["name"], "Acme");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_there_already_is_kept_and_the_store_stays_empty(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::new(backend).await;
    let file = operator.bootstrap_file();
    fs::write(&file, "precious").unwrap();

    let bootstrap = ["serve", "--bootstrap", "--bind", "127.0.0.1:0", "--set", "log.level=off"];
    let complaint = operator.run(&bootstrap).refused();

    assert!(complaint.contains("bootstrap.json is there already"), "{complaint}");
    assert!(complaint.contains("move it away and start again"), "{complaint}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    fs::remove_file(&file).unwrap();
    serve(&operator).stop();
    assert!(file.exists(), "the store was not empty");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_dangling_link_in_the_place_of_the_file_is_not_followed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::new(backend).await;
    let elsewhere = TempDir::new().unwrap();
    let target = elsewhere.path().join("taken");
    std::os::unix::fs::symlink(&target, operator.bootstrap_file()).unwrap();

    operator.run(&["serve", "--bootstrap", "--bind", "127.0.0.1:0", "--set", "log.level=off"]).refused();

    assert!(!target.exists());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_be_written_to_leaves_the_store_empty(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::new(backend).await;
    // Not by its mode, which means nothing to root: a directory cannot be made into a file.
    fs::create_dir(operator.bootstrap_file()).unwrap();

    operator.run(&["serve", "--bootstrap", "--bind", "127.0.0.1:0", "--set", "log.level=off"]).refused();
    fs::remove_dir(operator.bootstrap_file()).unwrap();
    serve(&operator).stop();

    assert!(operator.bootstrap_file().is_file());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_says_one_line_and_serves(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::new(backend).await;
    serve(&operator).stop();
    let kept = fs::read(operator.bootstrap_file()).unwrap();
    let project = created(&serde_json::from_slice(&kept).unwrap());

    let binary = serve(&operator);
    let manages = binary.manages(project.id, &project.secret).await;
    let (stdout, log) = binary.stop();

    assert!(manages);
    assert_eq!(stdout, "");
    assert_eq!(log.iter().filter(|line| line.contains(SAID_WHEN_NOT_EMPTY)).count(), 1);
    assert_eq!(log.iter().filter(|line| line.contains("bootstrap")).count(), 1, "{log:#?}");
    assert_eq!(fs::read(operator.bootstrap_file()).unwrap(), kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_log_of_text_the_path_is_printed_alone() {
    let operator = Operator::new(Backend::Sqlite).await;
    // The address is not its own: it ends as soon as it is seen to serve.
    let mut command = operator.command(&["serve", "--bootstrap", "--bind", "127.0.0.1:0"]);
    let stdout = operator.bootstrap_file().with_extension("stdout");
    command.stdout(fs::File::create(&stdout).unwrap()).stderr(std::process::Stdio::null());

    let mut server = command.spawn().unwrap();
    let began = std::time::Instant::now();
    while fs::read_to_string(&stdout).unwrap().is_empty() {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "nothing is printed");
    }
    server.kill().unwrap();
    server.wait().unwrap();

    let path = operator.bootstrap_file().canonicalize().unwrap();
    assert_eq!(fs::read_to_string(&stdout).unwrap(), format!("{}\n", path.display()));
}

/// Killed after its commit, before the file had its name.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_was_interrupted_is_finished_by_the_next_one(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::new(backend).await;
    serve(&operator).stop();
    let file = operator.bootstrap_file();
    let kept = fs::read(&file).unwrap();
    let project = created(&serde_json::from_slice(&kept).unwrap());
    fs::rename(&file, file.with_file_name(format!("bootstrap-{}.json.unconfirmed", project.id))).unwrap();

    let binary = serve(&operator);
    let manages = binary.manages(project.id, &project.secret).await;
    let (stdout, _) = binary.stop();

    assert!(manages);
    assert_eq!(fs::read(&file).unwrap(), kept);
    assert_eq!(printed_path(&stdout), Some(file.canonicalize().unwrap()));
    assert!(unconfirmed(&operator).is_empty());
}

/// Killed before its commit: the file is of no project.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_a_start_that_made_nothing_is_in_nobodys_way(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::new(backend).await;
    let stray = uuid::Uuid::from_u128(7);
    let stray = operator.bootstrap_file().with_file_name(format!("bootstrap-{stray}.json.unconfirmed"));
    fs::write(&stray, "precious").unwrap();

    for _ in 0..2 {
        let binary = serve(&operator);
        let kept: Value = serde_json::from_slice(&fs::read(operator.bootstrap_file()).unwrap()).unwrap();
        let project = created(&kept);
        assert!(binary.manages(project.id, &project.secret).await);
        binary.stop();
    }

    assert_eq!(unconfirmed(&operator), std::slice::from_ref(&stray));
    assert_eq!(fs::read_to_string(stray).unwrap(), "precious");
}

/// Others may write to the working directory.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_file_of_another_is_ignored(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values("a link", "another user's")] kind: &str,
) {
    let operator = Operator::new(backend).await;
    serve(&operator).stop();
    let file = operator.bootstrap_file();
    let project = created(&serde_json::from_slice(&fs::read(&file).unwrap()).unwrap());
    let elsewhere = file.with_file_name("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    let stray = file.with_file_name(format!("bootstrap-{}.json.unconfirmed", project.id));
    if kind == "a link" {
        std::os::unix::fs::symlink(&elsewhere, &stray).unwrap();
    } else {
        fs::write(&stray, "forged").unwrap();
        if std::os::unix::fs::chown(&stray, Some(65_534), None).is_err() {
            println!("only root can give a file away");
            return;
        }
    }

    let (stdout, log) = serve(&operator).stop();

    assert_eq!(stdout, "");
    assert!(!file.exists());
    assert!(stray.symlink_metadata().is_ok());
    assert_eq!(log.iter().filter(|line| line.contains("so it is ignored")).count(), 1, "{log:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_another_command_has_filled_is_left_alone() {
    let operator = Operator::migrated(Backend::Sqlite).await;
    operator.run(&["project", "create", "Acme", "--no-token"]).done();

    let mut binary = serve(&operator);

    assert!(binary.seen.iter().any(|line| line.contains(SAID_WHEN_NOT_EMPTY)));
    assert!(!operator.bootstrap_file().exists());
    binary.signal("TERM");
    binary.wait();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_make_one_project_and_leave_one_file() {
    let operator = Operator::new(Backend::Postgres).await;
    let directories: Vec<TempDir> = (0..4).map(|_| TempDir::new().unwrap()).collect();

    let binaries: Vec<Binary> = std::thread::scope(|scope| {
        let starting: Vec<_> = directories
            .iter()
            .map(|directory| operator.command_in(directory.path(), &["serve", "--bootstrap"]))
            .map(|command| scope.spawn(|| Binary::serve(command)))
            .collect();
        starting.into_iter().map(|binary| binary.join().unwrap()).collect()
    });

    let files: Vec<_> = directories
        .iter()
        .map(|directory| directory.path().join("bootstrap.json"))
        .filter(|path| path.exists())
        .collect();
    assert_eq!(files.len(), 1);
    let project = created(&serde_json::from_slice(&fs::read(&files[0]).unwrap()).unwrap());
    let mut printed = Vec::new();
    for binary in binaries {
        assert!(binary.manages(project.id, &project.secret).await);
        printed.push(binary.stop().0);
    }
    let printed: Vec<_> = printed.iter().filter_map(|printed| printed_path(printed)).collect();
    assert_eq!(printed, [files[0].canonicalize().unwrap()]);
    assert_eq!(operator.database.dump().await.matches("Default project").count(), 1);
}

#[test]
fn a_name_that_will_not_do_makes_nothing() {
    let directory = TempDir::new().unwrap();

    let mut command = tokensmith(directory.path());
    let arguments = ["serve", "--bind", "127.0.0.1:0", "--set", "log.level=off", "--bootstrap", " "];
    let complaint = crate::support::run(command.args(arguments)).refused();

    assert_eq!(complaint, "error: name must not be blank\n");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
