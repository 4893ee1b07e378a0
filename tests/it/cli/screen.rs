//! What a person sees on a terminal: tables that fit, times from now, secrets unseen, and questions.

use std::{
    fs::File,
    process::{Child, Command, Stdio},
};

use rstest::rstest;
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::support::{Backend, Operator, Screen};

/// Runs a command on a terminal of that width, and gives back what stands there.
fn shown(operator: &Operator, arguments: &[&str], width: u16) -> String {
    let (screen, terminal) = Screen::with_terminal();
    resize(&terminal, width);
    let mut command = operator.command(arguments);
    command.env("NO_COLOR", "1").stdin(Stdio::null()).stdout(terminal);
    let mut child = command.spawn().unwrap();
    drop(command);
    assert!(child.wait().unwrap().success());
    screen.read_to_end()
}

fn resize(terminal: &File, width: u16) {
    tcsetwinsize(terminal, Winsize { ws_row: 24, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
}

/// Starts a command whose stdin and stderr are the terminal.
fn at(terminal: &File, mut command: Command) -> Child {
    command.stdin(terminal.try_clone().unwrap()).stderr(terminal.try_clone().unwrap()).stdout(Stdio::piped());
    command.spawn().unwrap()
}

fn echoes(terminal: &File) -> bool {
    tcgetattr(terminal).unwrap().local_modes.contains(LocalModes::ECHO)
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_table_fits_the_terminal_and_tells_times_from_now(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::migrated(backend).await;
    let root = operator.project("A platform with a rather long name");
    let id = root.id.to_string();
    operator.run(&["project", "create", "Kind 子プロジェクト", "--parent", &id, "--no-token"]).done();
    let permissions = "calling,chat,datasphere,fax,management,messaging,numbers";
    operator
        .run(&["token", "create", "--project", &id, "--name", "a token with a long name", "-p", permissions])
        .done();

    for (arguments, begun) in
        [(&["project", "list"][..], &id[..8]), (&["token", "list", "--project", &id], &root.token_id[..8])]
    {
        for width in [80, 100, 120] {
            let table = shown(&operator, arguments, width);

            assert!(table.lines().all(|line| line.chars().count() <= usize::from(width)), "{width}: {table}");
            assert!(table.contains(begun), "{table}");
            assert!(table.contains(" ago") || table.contains("just now"), "{table}");
            assert!(!table.contains([':', 'Z']), "no time of a clock: {table}");
        }
        let wide = shown(&operator, arguments, 250);
        assert!(wide.contains(&id) || wide.contains(&root.token_id), "there is room for whole ids: {wide}");
        // A file has what it always had.
        let file = operator.run(arguments).done();
        assert!(file.contains('Z') && (file.contains(&id) || file.contains(&root.token_id)), "{file}");
    }
    let show = shown(&operator, &["project", "show", &id], 80);
    let created = show.lines().find(|line| line.starts_with("created ")).unwrap();
    assert!(created.contains("Z (") && (created.ends_with(" ago)") || created.ends_with("(just now)")), "{created}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_typed_is_not_shown(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;
    let project = operator.project("Acme");
    let whole = format!("{}:{}", project.id, project.secret);

    for typed in [project.secret.as_str(), &whole] {
        let (mut screen, terminal) = Screen::with_terminal();
        let child = at(&terminal, operator.command(&["token", "verify", "--field", "project_id"]));
        screen.wait_for("Secret, or PROJECT_ID:SECRET (not shown): ");
        assert!(!echoes(&terminal));
        screen.type_in(&format!("{typed}\n"));
        let output = child.wait_with_output().unwrap();

        assert_eq!(output.status.code(), Some(0));
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{}\n", project.id));
        assert!(echoes(&terminal), "the terminal is as it was");
        drop(terminal);
        let text = screen.read_to_end();
        assert!(!text.contains(&project.secret[2..10]), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_while_a_secret_is_typed_shows_typing_again() {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let (mut screen, terminal) = Screen::with_terminal();

    let child = at(&terminal, operator.command(&["token", "verify"]));
    screen.wait_for("(not shown): ");
    assert!(!echoes(&terminal));
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(echoes(&terminal));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn before_a_token_is_revoked_it_asks_and_a_script_is_not_asked(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::migrated(backend).await;
    let project = operator.project("Acme");
    let id = project.token_id.as_str();

    for (answer, code) in [("\n", 1), ("n\n", 1), ("y\n", 0)] {
        let (mut screen, terminal) = Screen::with_terminal();
        let child = at(&terminal, operator.command(&["token", "revoke", &id[..8]]));
        screen.wait_for("[y/N] ");
        screen.type_in(answer);
        let output = child.wait_with_output().unwrap();

        assert_eq!(output.status.code(), Some(code), "{answer:?}");
        let asked = format!(
            "This revokes the token \"management\" ({id}, {}) of the project {}.",
            &project.secret[..10],
            project.id
        );
        assert!(screen.text.contains(&asked), "{}", screen.text);
        assert_eq!(operator.verifies(project.id, &project.secret), code != 0);
    }
    let other = operator.project("Other");
    let (screen, terminal) = Screen::with_terminal();
    let child = at(&terminal, operator.command(&["token", "revoke", &other.token_id, "--yes"]));
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    drop(terminal);
    assert!(!screen.read_to_end().contains("[y/N]"));
}
