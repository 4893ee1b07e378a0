//! `serve --bootstrap` and `project delete` on a terminal.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use insta::{allow_duplicates, assert_snapshot};
use rstest::rstest;

use crate::support::{Backend, Binary, Operator, Screen, created, in_a_container, masked};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn bootstrap_prints_two_lines_for_another_terminal(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::new(backend).await;
    let (mut screen, terminal) = Screen::with_terminal();

    let binary = Binary::serve_to(operator.command(&["serve", "--bootstrap"]), Stdio::from(terminal));
    while !screen.text.contains("MANAGEMENT_SECRET=") || !screen.text.ends_with("\n\n") {
        screen.read_more();
    }
    let shown = screen.text.as_str();

    allow_duplicates! {
        assert_snapshot!(masked(shown).replace(&binary.address, "<address>"), @r#"
        project      <uuid>
        name         Default project

        token        <uuid>
        name         management
        of project   <uuid>
        permissions  management
        secret       <secret>

        The secret is shown this once. Keep it now.

        Tokensmith serves on http://<address>. Copy these two lines into another terminal:

        PROJECT_ID=<uuid>
        MANAGEMENT_SECRET=<secret>
        "#);
    }
    assert!(!operator.bootstrap_file().exists());

    let lines = &shown[shown.find("PROJECT_ID=").expect("the first of the two lines")..];
    let script = format!("{lines}printf %s \"$PROJECT_ID:$MANAGEMENT_SECRET\"");
    let pasted = Command::new("sh").args(["-c", &script]).output().unwrap();
    operator.run_with(&["token", "verify", "-p", "management"], String::from_utf8(pasted.stdout).unwrap()).done();
    binary.stop();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn before_a_project_is_deleted_it_asks(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;
    let project = operator.project("Acme");
    let id = project.id.to_string();

    for (answer, code) in [("\n", 1), ("n\n", 1), ("yes please\n", 1), ("y\n", 0)] {
        let (mut screen, mut terminal) = Screen::with_terminal();
        let mut command = operator.command(&["project", "delete", &id]);
        command.stdin(terminal.try_clone().unwrap()).stderr(terminal.try_clone().unwrap()).stdout(Stdio::piped());
        let child = command.spawn().unwrap();
        screen.wait_for("[y/N] ");
        screen.type_in(answer);
        let output = child.wait_with_output().unwrap();

        assert_eq!(output.status.code(), Some(code), "{answer:?}");
        assert_eq!(output.stdout.is_empty(), code != 0);
        terminal.flush().unwrap();
        assert!(screen.text.contains("This deletes the project \"Acme\""), "{}", screen.text);
        assert!(screen.text.contains(&format!("({id}) and its 1 token.")), "{}", screen.text);
        assert_eq!(operator.verifies(project.id, &project.secret), code != 0);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn colours_go_to_no_file(#[values(Backend::Sqlite)] backend: Backend) {
    let operator = Operator::migrated(backend).await;

    let ran = operator.run(&["project", "create", "x", "--json", "--set", "log.level=trace"]);

    assert!(!ran.stderr.is_empty());
    assert!(!ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
    created(&ran.json());
}

/// Where the system cannot show it, a unit test does.
#[tokio::test(flavor = "multi_thread")]
async fn the_terminal_of_process_1_is_a_log_that_gets_no_secret() {
    let operator = Operator::new(Backend::Sqlite).await;
    let Some(command) = in_a_container(&operator.command(&["serve", "--bootstrap"])) else { return };
    let (mut screen, terminal) = Screen::with_terminal();

    let _binary = Binary::serve_to(command, Stdio::from(terminal));
    screen.wait_for("\n");

    assert!(screen.text.contains("bootstrap.json"), "{}", screen.text);
    let kept = std::fs::read_to_string(operator.bootstrap_file()).unwrap();
    let project = created(&serde_json::from_str(&kept).unwrap());
    assert!(!screen.text.contains(&project.secret));
}
