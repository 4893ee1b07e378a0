//! `tokensmith project list, show, rename, delete` and `tokensmith token list, show, update`

use insta::{allow_duplicates, assert_snapshot};
use rstest::rstest;
use serde_json::Value;

use crate::support::{Backend, Operator, created, masked};

const NOBODY: &str = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d";

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_shown_and_renamed(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;
    let id = operator.project("Acme").id.to_string();
    operator.run(&["project", "create", "Child", "--parent", &id]).done();

    let shown = operator.run(&["project", "show", &id]).done();
    let renamed = operator.run(&["project", "rename", &id, " Zenith "]).done();
    let json = operator.run(&["project", "rename", &id, "Nadir", "--json"]).done();
    let again = operator.run(&["project", "show", &id, "--json"]).done();

    allow_duplicates! {
        assert_snapshot!(masked(&shown), @"
        project      <uuid>
        name         Acme
        subprojects  1
        tokens       1
        created      <time>
        updated      <time>
        ");
        assert_snapshot!(masked(&renamed), @"
        project      <uuid>
        name         Zenith
        ");
        assert_snapshot!(masked(&json), @r#"{"id":"<uuid>","name":"Nadir","parent_project_id":null,"subproject":false,"region_preference":"us","protect_recordings":false,"protect_message_media":false,"protect_fax_media":false,"force_https_requests":false,"created_at":"<time>","updated_at":"<time>"}"#);
    }
    assert_eq!(again, json);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn projects_are_listed_page_by_page_and_the_way_on_is_said_on_stderr(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::migrated(backend).await;
    let root = operator.project("Root").id.to_string();
    for name in ["One", "Two", "Three"] {
        operator.run(&["project", "create", name, "--no-token", "--parent", &root]).done();
    }
    let names = |page: &Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|project| project["name"].as_str().unwrap().to_owned()).collect()
    };

    let first = operator.run(&["project", "list", "--limit", "3", "--json"]).json();
    let cursor = first["next"].as_str().unwrap();
    let second = operator.run(&["project", "list", "--limit", "3", "--after", cursor, "--json"]).json();
    let children = operator.run(&["project", "list", "--parent", &root, "--all", "--json"]).json();
    let named = operator.run(&["project", "list", "--name", "Two", "--json"]).json();
    let table = operator.run(&["project", "list", "--limit", "1"]);

    assert_eq!(names(&first), ["Three", "Two", "One"]);
    assert_eq!((names(&second), &second["next"]), (vec!["Root".to_owned()], &Value::Null));
    assert_eq!(names(&children), ["Three", "Two", "One"]);
    assert_eq!(names(&named), ["Two"]);
    assert!(table.stderr.contains("More follow: --after "), "{}", table.stderr);
    let row = table.done();
    assert!(row.starts_with("ID ") && row.lines().count() == 2 && row.contains("Three"), "{row}");
    let whole = operator.run(&["project", "list"]);
    assert_eq!(whole.stderr, "");
    assert_eq!(whole.done().lines().count(), 5);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_deleted_with_its_tokens_where_it_was_said_and_nothing_hangs_on_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::migrated(backend).await;
    let root = operator.project("Root");
    let id = root.id.to_string();
    let child = created(&operator.run(&["project", "create", "C", "--json", "--parent", &id]).json()).id.to_string();

    let with_child = operator.run(&["project", "delete", &id, "--yes"]).refused();
    let unasked = operator.run(&["project", "delete", &child]).misused();
    let deleted = operator.run(&["project", "delete", &child, "--yes"]).done();
    let again = operator.run(&["project", "delete", &child, "-y"]).refused();
    let last = operator.run(&["project", "delete", &id, "-y"]).done();

    assert!(with_child.contains("subproject"), "{with_child}");
    assert!(unasked.contains("and its 1 token.") && unasked.contains("Add --yes"), "{unasked}");
    assert_eq!(deleted, format!("deleted {child} (\"C\") and its 1 token\n"));
    assert_eq!(again, "error: no such project\n");
    assert_eq!(last, format!("deleted {id} (\"Root\") and its 1 token\n"));
    assert!(!operator.verifies(root.id, &root.secret));
    assert_eq!(operator.run(&["project", "list", "--json"]).done(), "{\"data\":[],\"next\":null}\n");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_listed_shown_and_changed_without_its_secret(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::migrated(backend).await;
    let project = operator.project("Acme");
    let (id, owner) = (project.token_id.as_str(), project.id.to_string());

    let shown = operator.run(&["token", "show", id]).done();
    let renamed = operator.run(&["token", "update", id, "--name", "renamed", "--json"]).done();
    let narrowed = operator.run(&["token", "update", id, "-p", "fax,chat"]).done();
    let listed = operator.run(&["token", "list", "--project", &owner, "--json"]).done();
    let table = operator.run(&["token", "list", "--project", &owner]).done();

    allow_duplicates! {
        assert_snapshot!(masked(&shown), @"
        token        <uuid>
        name         management
        of project   <uuid>
        permissions  management
        hint         <hint>
        created      <time>
        updated      <time>
        created by   the operator
        ");
        assert_snapshot!(masked(&renamed), @r#"{"id":"<uuid>","name":"renamed","permissions":["management"],"project_id":"<uuid>","hint":"<hint>","created_at":"<time>","updated_at":"<time>","created_by":null}"#);
        assert_snapshot!(masked(&narrowed), @"
        token        <uuid>
        name         renamed
        of project   <uuid>
        permissions  chat, fax
        hint         <hint>
        created      <time>
        updated      <time>
        created by   the operator
        ");
        assert_snapshot!(masked(&listed), @r#"{"data":[{"id":"<uuid>","name":"renamed","permissions":["chat","fax"],"project_id":"<uuid>","hint":"<hint>","created_at":"<time>","updated_at":"<time>","created_by":null}],"next":null}"#);
        assert_snapshot!(masked(&table), @"
        ID                                    HINT        NAME     PERMISSIONS  CREATED
        <uuid>  <hint>  renamed  chat,fax     <time>
        ");
    }
    assert!(operator.verifies(project.id, &project.secret));
    for printed in [shown, renamed, narrowed, listed, table] {
        assert!(!printed.contains(&project.secret[10..]), "{printed}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_refused(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;

    for (arguments, complaint) in [
        (&["project", "show", NOBODY][..], "no such project"),
        (&["project", "rename", NOBODY, "x"], "no such project"),
        (&["project", "delete", NOBODY, "--yes"], "no such project"),
        (&["token", "list", "--project", NOBODY], "no such project"),
        (&["token", "show", NOBODY], "no such token"),
        (&["token", "update", NOBODY, "--name", "x"], "no such token"),
        (&["token", "update", NOBODY, "--name", " "], "name must not be blank"),
        (
            &["token", "update", NOBODY, "-p", "swim"],
            "permissions contains the unknown permission \"swim\"; allowed are calling, chat, datasphere, fax, management, messaging, numbers, pubsub, storage, tasking, video, introspection (from the default of permissions.catalogue)",
        ),
        (&["project", "rename", NOBODY, ""], "name must not be blank"),
    ] {
        assert_eq!(operator.run(arguments).refused(), format!("error: {complaint}\n"), "{arguments:?}");
    }
}
