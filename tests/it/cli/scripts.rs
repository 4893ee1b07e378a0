//! What scripts rely on: single fields, readers that stop early, completions, man pages, and waiting for a server.

use std::{net::TcpListener, time::Duration};

use rstest::rstest;
use tempfile::TempDir;

use crate::support::{Backend, Binary, Operator, run, tokensmith};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn one_field_of_a_result_is_printed_alone(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;

    let create = ["project", "create", "Acme", "--field", "project.id", "--field", "token.token"];
    let both = operator.run(&create).done();
    let (project, secret) = both.trim_end().split_once('\n').unwrap();
    let issued =
        operator.run(&["token", "create", "--project", project, "--name", "x", "-p", "chat,fax", "--field", "token"]);
    let issued = issued.done();
    let verify = |field: &str| operator.run_with(&["token", "verify", "--field", field], &issued).done();
    let token = verify("token_id");
    let show = |field: &str| operator.run(&["token", "show", token.trim_end(), "--field", field]).done();

    assert!(operator.verifies(project.parse::<uuid::Uuid>().unwrap().into(), secret));
    assert_eq!((issued.len(), &issued[..2]), (51, "PT"));
    assert_eq!(verify("project_id"), format!("{project}\n"));
    assert_eq!(verify("parent_project_id"), "\n");
    assert_eq!(verify("permissions"), "chat,fax\n");
    assert_eq!((show("name"), show("permissions")), ("x\n".to_owned(), "chat,fax\n".to_owned()));
    assert_eq!(operator.run(&["project", "show", project, "--field", "subproject"]).done(), "false\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_of_a_token_that_is_not_created_is_refused_first() {
    let operator = Operator::migrated(Backend::Sqlite).await;

    let create = ["project", "create", "Acme", "--no-token", "--field", "project.id", "--field", "token.token"];
    let complaint = operator.run(&create).misused();

    assert_eq!(complaint, "error: --no-token creates no token, so there is no token.token to print\n");
    assert_eq!(operator.database.count("select count(*) from projects").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stops_early_is_not_an_error() {
    let operator = Operator::migrated(Backend::Sqlite).await;
    operator.project("Acme");

    for arguments in [
        &["openapi"][..],
        &["config", "check"],
        &["completions", "bash"],
        &["project", "list"],
        &["project", "show", "Acme"],
        &["token", "list", "--project", "Acme", "--json"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = operator.command(arguments).stdout(writer).output().unwrap();

        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{arguments:?}");
    }
    // What is shown only once must not be lost in silence.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = operator.command(&["project", "create", "Lost"]).stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: stdout cannot be written: "));
}

#[rstest]
#[case("bash", "complete -F _tokensmith")]
#[case("zsh", "#compdef tokensmith")]
#[case("fish", "complete -c tokensmith")]
fn completions_name_the_commands_of_this_version(#[case] shell: &str, #[case] marker: &str) {
    let directory = TempDir::new().unwrap();

    // A configuration that is wrong must not matter.
    let mut command = tokensmith(directory.path());
    let script = run(command.env("TOKENSMITH_PORT", "80").args(["completions", shell])).done();

    for part in [marker, "healthcheck", "revoke", "delete", "permission", "project.id"] {
        assert!(script.contains(part), "{part} is not in the script for {shell}");
    }
}

#[test]
fn bash_takes_the_completions_and_completes() {
    let directory = TempDir::new().unwrap();
    let script = run(tokensmith(directory.path()).args(["completions", "bash"])).done();
    std::fs::write(directory.path().join("script"), script).unwrap();

    let ask = "source ./script; COMP_WORDS=(tokensmith token re); COMP_CWORD=2; _tokensmith tokensmith re token; \
               echo \"${COMPREPLY[*]}\"";
    let output = std::process::Command::new("bash").args(["-c", ask]).current_dir(directory.path()).output().unwrap();

    assert_eq!(String::from_utf8_lossy(&output.stdout), "revoke\n", "{output:?}");
}

#[test]
fn man_writes_a_page_for_each_command() {
    let directory = TempDir::new().unwrap();

    let said = run(tokensmith(directory.path()).args(["man", "share/man1"])).done();
    let again = run(tokensmith(directory.path()).args(["man", "share/man1"])).done();
    let page = |name: &str| std::fs::read_to_string(directory.path().join("share/man1").join(name)).unwrap();

    assert_eq!((said.as_str(), &again), ("wrote man pages to share/man1\n", &said));
    assert!(page("tokensmith.1").contains("tokensmith serve"));
    let create = page("tokensmith-token-create.1");
    assert!(create.contains("Issue a token") && create.contains("Examples:"), "{create}");
    for name in ["tokensmith-serve.1", "tokensmith-project-delete.1", "tokensmith-healthcheck.1", "tokensmith-man.1"] {
        assert!(page(name).starts_with(".ie"), "{name}");
    }
    std::fs::write(directory.path().join("file"), "").unwrap();
    let complaint = run(tokensmith(directory.path()).args(["man", "file"])).refused();
    assert!(complaint.starts_with("error: cannot write man pages to file: "), "{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn healthcheck_waits_for_a_server_that_starts_later() {
    let operator = Operator::new(Backend::Sqlite).await;
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let bind = format!("server.bind={address}");

    let soon = operator.run(&["healthcheck", "--set", &bind, "--wait", "300ms"]);
    assert!(soon.took >= Duration::from_millis(300), "{soon:?}");
    assert!(soon.refused().contains("/readyz does not answer that it is ready"));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| operator.run(&["healthcheck", "--set", &bind, "--wait", "60s"]));
        let mut command = operator.command(&["serve"]);
        command.args(["--bind", &address]);
        let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        let healthy = waiting.join().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(healthy.done(), "ready\n");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_one_file_says_that_it_does_not_cache() {
    const SAID: &str =
        "another server uses this database file, so this one caches no grants until that one has stopped";
    let operator = Operator::new(Backend::Sqlite).await;

    let first = operator.serve();
    let mut second = operator.serve();
    let warned = loop {
        match second.next_line() {
            line if line.contains(SAID) => break line,
            _ => {}
        }
    };
    second.kill();
    let (_, log) = first.stop();

    assert!(warned.contains("WARN") && warned.contains("run one server on an SQLite file"), "{warned}");
    assert!(!log.iter().any(|line| line.contains(SAID)), "{log:#?}");
    let third: Binary = operator.serve();
    assert!(!third.stop().1.iter().any(|line| line.contains(SAID)));
}
