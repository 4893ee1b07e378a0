//! `tokensmith project create`

use insta::{allow_duplicates, assert_snapshot};
use rstest::rstest;

use crate::support::{Backend, Operator, created, masked};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_printed_with_its_token(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;

    let printed = operator.run(&["project", "create", "  Acme & Söhne "]).done();

    allow_duplicates! {
        assert_snapshot!(masked(&printed), @"
        project      <uuid>
        name         Acme & Söhne

        token        <uuid>
        name         management
        of project   <uuid>
        permissions  management
        secret       <secret>

        The secret is shown this once. Keep it now.
        ");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn as_json_it_is_one_line_in_the_contracts_order(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;

    let printed = operator.run(&["project", "create", "Acme", "--json"]).done();

    allow_duplicates! {
        assert_snapshot!(masked(&printed), @r#"{"project":{"id":"<uuid>","name":"Acme","parent_project_id":null,"subproject":false,"region_preference":"us","protect_recordings":false,"protect_message_media":false,"protect_fax_media":false,"force_https_requests":false,"created_at":"<time>","updated_at":"<time>"},"token":{"id":"<uuid>","name":"management","permissions":["management"],"token":"<secret>","project_id":"<uuid>","hint":"<hint>","created_at":"<time>","updated_at":"<time>","created_by":null}}"#);
    }
    let project = created(&serde_json::from_str(&printed).unwrap());
    assert!(operator.verifies(project.id, &project.secret));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_there_is_none_in_the_answer(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;

    let text = operator.run(&["project", "create", "Acme", "--no-token"]).done();
    let json = operator.run(&["project", "create", "Acme", "--no-token", "--json"]).done();

    allow_duplicates! {
        assert_snapshot!(masked(&text), @"
        project      <uuid>
        name         Acme
        ");
        assert_snapshot!(masked(&json), @r#"{"project":{"id":"<uuid>","name":"Acme","parent_project_id":null,"subproject":false,"region_preference":"us","protect_recordings":false,"protect_message_media":false,"protect_fax_media":false,"force_https_requests":false,"created_at":"<time>","updated_at":"<time>"}}"#);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_subproject_names_its_parent_and_has_a_token_of_its_own(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::migrated(backend).await;
    let parent = operator.project("Parent");

    let text = operator.run(&["project", "create", "Child", "--parent", &parent.id.to_string()]).done();
    let upper = parent.id.to_string().to_uppercase();
    let json = operator.run(&["project", "create", "Child", "--parent", &upper, "--json"]).json();

    allow_duplicates! {
        assert_snapshot!(masked(&text), @"
        project      <uuid>
        name         Child
        parent       <uuid>

        token        <uuid>
        name         management
        of project   <uuid>
        permissions  management
        secret       <secret>

        The secret is shown this once. Keep it now.
        ");
    }
    assert!(text.contains(&format!("parent       {}\n", parent.id)), "{text}");
    assert_eq!(json["project"]["parent_project_id"], parent.id.to_string());
    assert_eq!(json["project"]["subproject"], true);
    assert_eq!(json["token"]["project_id"], json["project"]["id"]);
    let child = created(&json);
    assert!(operator.verifies(child.id, &child.secret));
    assert!(!operator.verifies(parent.id, &child.secret));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_subproject_of_a_subproject_or_of_nothing_is_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::migrated(backend).await;
    let parent = operator.project("Parent");
    let child =
        created(&operator.run(&["project", "create", "C", "--json", "--parent", &parent.id.to_string()]).json());

    let nested = operator.run(&["project", "create", "N", "--json", "--parent", &child.id.to_string()]).refused();
    let orphan = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d";
    let orphan = operator.run(&["project", "create", "O", "--json", "--parent", orphan]).refused();

    assert_eq!(nested, "error: a subproject cannot have subprojects; use a root project as the parent\n");
    assert_eq!(orphan, "error: no such project\n");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_subprojects_holds_for_the_operator_too(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::migrated(backend).await;
    let parent = operator.project("Parent").id.to_string();
    let create =
        || operator.run(&["project", "create", "C", "--parent", &parent, "--set", "limits.subprojects_per_project=2"]);

    create().done();
    create().done();
    let full = create().refused();

    assert_eq!(
        full,
        "error: the project already has the maximum number of subprojects (2); delete some first, or raise \
         limits.subprojects_per_project\n"
    );
    assert_eq!(operator.database.count("select count(*) from projects").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_will_not_do_is_refused_with_the_reason() {
    let operator = Operator::migrated(Backend::Sqlite).await;

    for (name, reason) in [
        ("", "name must not be blank"),
        (" \t ", "name must not be blank"),
        ("a\u{7}b", "name must not contain control characters"),
        (&"é".repeat(251), "name must be at most 250 characters long"),
    ] {
        let complaint = operator.run(&["project", "create", name]).refused();

        assert_eq!(complaint, format!("error: {reason}\n"));
    }
    operator.run(&["project", "create", &"é".repeat(250)]).done();
}
