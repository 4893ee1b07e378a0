//! `tokensmith token create` and `tokensmith token revoke`

use insta::{allow_duplicates, assert_snapshot};
use rstest::rstest;

use crate::support::{Backend, Operator, masked};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_printed_with_its_secret(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;
    let project = operator.project("Acme").id.to_string();

    let create = ["token", "create", "--project", &project, "--name", "John Doe's Token"];
    let text = operator.run(&[&create[..], &["--permission", "video", "--permission", "calling"]].concat()).done();
    let json = operator.run(&[&create[..], &["-p", "video,calling,video", "--json"]].concat()).done();

    allow_duplicates! {
        assert_snapshot!(masked(&text), @"
        token        <uuid>
        name         John Doe's Token
        of project   <uuid>
        permissions  calling, video
        secret       <secret>

        The secret is shown this once. Keep it now.
        ");
        assert_snapshot!(masked(&json), @r#"{"id":"<uuid>","name":"John Doe's Token","permissions":["calling","video"],"token":"<secret>","project_id":"<uuid>","hint":"<hint>","created_at":"<time>","updated_at":"<time>","created_by":null}"#);
    }
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["project_id"], project);
    assert!(
        operator.run_with(&["token", "verify"], format!("{project}:{}", json["token"].as_str().unwrap())).code == 0
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_no_project_is_refused(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;

    let project = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d";
    let create = ["token", "create", "--project", project, "--name", "x", "-p", "chat", "--json"];
    let complaint = operator.run(&create).refused();

    assert_eq!(complaint, "error: no such project\n");
}

/// How an error lists the permissions of the default configuration.
const ALLOWED: &str = "allowed are calling, chat, datasphere, fax, management, messaging, numbers, pubsub, storage, \
    tasking, video, introspection (from the default of permissions.catalogue)";

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_field_of_a_token_is_named() {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let project = operator.project("Acme").id.to_string();

    for (name, permissions, reason) in [
        ("x", "swim", format!("permissions contains the unknown permission \"swim\"; {ALLOWED}")),
        ("x", "chat,Chat", format!("permissions contains the unknown permission \"Chat\"; {ALLOWED}")),
        ("x", "", format!("permissions contains the unknown permission \"\"; {ALLOWED}")),
        (" ", "chat", "name must not be blank".to_owned()),
        (
            "a\nb",
            "swim",
            format!(
                "name must not contain control characters; permissions contains the unknown permission \"swim\"; {ALLOWED}"
            ),
        ),
    ] {
        let create = ["token", "create", "--project", &project, "--name", name, "-p", permissions];
        let complaint = operator.run(&create).refused();

        assert_eq!(complaint, format!("error: {reason}\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configured_catalogue_and_limit_hold_for_the_operator_too() {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let project = operator.project("Acme").id.to_string();

    let create = |permission| {
        let mut command = operator.command(&["token", "create", "--project", &project, "--name", "x"]);
        command.args(["-p", permission]).args(["--set", "permissions.catalogue=swim,run"]);
        command.args(["--set", "limits.tokens_per_project=2"]);
        crate::support::run(&mut command)
    };
    assert!(create("chat").refused().contains("\"chat\""));
    create("swim").done();
    let complaint = create("run").refused();

    assert!(complaint.contains("already has 2 tokens"), "{complaint}");
    assert!(complaint.contains("limits.tokens_per_project"), "{complaint}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_verifies_no_more_and_cannot_be_revoked_again(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::migrated(backend).await;
    let project = operator.project("Acme");
    assert!(operator.verifies(project.id, &project.secret));

    let printed = operator.run(&["token", "revoke", &project.token_id]).done();
    let again = operator.run(&["token", "revoke", &project.token_id]).refused();

    assert_eq!(printed, format!("revoked {} ({}, \"management\")\n", project.token_id, &project.secret[..10]));
    assert_eq!(again, "error: no such token\n");
    assert!(!operator.verifies(project.id, &project.secret));
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_cannot_be_written_is_a_failure_and_no_panic() {
    let operator = Operator::migrated(Backend::Sqlite).await;

    for arguments in [&["project", "create", "Acme"][..], &["config", "check"], &["migrate"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = operator.command(arguments).stdout(full).output().unwrap();

        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{complaint}");
        assert!(complaint.starts_with("error: stdout cannot be written: "), "{complaint}");
    }
}
