//! The three token calls: whole answers, who may do what to which token, and that dead means dead.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use tokensmith::domain::Catalogue;

use super::{assert_common, assert_refused};
use crate::support::{Answer, App, Backend, Options, Project};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_issued_used_and_revoked(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();

    let (id, secret) = app.issue(&root, &["management"]).await;
    assert!(app.manages(root.id, &secret).await);

    let deleted = delete(&app, &root, &root.token(&id)).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    assert_common(&deleted, "deleted");
    assert_eq!(deleted.header("content-type"), None);
    assert!(!app.manages(root.id, &secret).await);

    let again = delete(&app, &root, &root.token(&id)).await;
    assert_refused(&again, 404, 20404, "deleted again");
    insta::allow_duplicates! {
        insta::assert_snapshot!(again.shown(), @r##"{"code":20404,"message":"no such token","more_info":"/docs#error-20404","status":404}"##);
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_subproject_is_the_first_fault_before_fields_of_a_later_version(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();

    let body = json!({ "name": "n", "permissions": ["chat"], "subproject_id": root.id, "expires_in": 60 });
    let answer = create(&app, &root, &body).await;

    assert_refused(&answer, 422, "10004", "a foreign subproject");
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_created_by_form_by_json_and_by_both_ways_to_repeat_a_permission(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();

    let form = create_by_form(
        &app,
        &root,
        "name=John%20Doe's+Token&permissions=messaging&permissions=calling&permissions=messaging",
    )
    .await;
    let as_json =
        create(&app, &root, &json!({ "name": "John Doe's Token", "permissions": ["video", "chat", "video"] })).await;
    let brackets = create_by_form(&app, &root, "permissions[]=fax&name=n&permissions%5B%5D=chat").await;
    let mixed = create_by_form(&app, &root, "permissions[]=fax&permissions=chat&name=n&extra=1&extra=2").await;
    let everything = catalogue_of(&app);
    let all = create(&app, &root, &json!({ "name": "\u{3000} \"\\🔑é \n", "permissions": everything, "x": [1] })).await;

    for answer in [&form, &as_json, &brackets, &mixed, &all] {
        assert_eq!(answer.status, 200);
        assert_common(answer, "created");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(answer.shown().ends_with(r#","token":"[secret]"}"#));
    }
    insta::allow_duplicates! {
        insta::assert_snapshot!(form.shown(), @r##"{"id":"44a174e0-f6f3-4aea-8244-54080d55d83c","name":"John Doe's Token","permissions":["calling","messaging"],"token":"[secret]"}"##);
        insta::assert_snapshot!(as_json.shown(), @r##"{"id":"c5989f0b-94a7-436e-a183-17d1db265c33","name":"John Doe's Token","permissions":["chat","video"],"token":"[secret]"}"##);
        insta::assert_snapshot!(brackets.shown(), @r##"{"id":"18eb6d4d-ef1c-46e0-b1ac-27ab8ed9d43d","name":"n","permissions":["chat","fax"],"token":"[secret]"}"##);
        insta::assert_snapshot!(mixed.shown(), @r##"{"id":"0d025bce-c648-4a5e-9423-979d7d45197a","name":"n","permissions":["chat","fax"],"token":"[secret]"}"##);
        insta::assert_snapshot!(all.shown(), @r##"{"id":"af6a628c-8c30-4f7d-a717-aa3d512361b7","name":"\"\\🔑é","permissions":["calling","chat","datasphere","fax","management","messaging","numbers","pubsub","storage","tasking","video","introspection"],"token":"[secret]"}"##);
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_update_changes_what_it_names_and_nothing_else(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let (id, secret) = app.issue(&root, &["management", "fax"]).await;
    let path = root.token(&id);

    let nothing = update(&app, &root, &path, &json!({})).await;
    let name = update(&app, &root, &path, &json!({ "name": " Renamed " })).await;
    let permissions = update(&app, &root, &path, &json!({ "permissions": ["video", "management", "chat"] })).await;
    let both = update(&app, &root, &path, &json!({ "name": "Both", "permissions": ["management"] })).await;
    let form = app.authorized(Method::PATCH, &path, &root).header("content-type", "application/x-www-form-urlencoded");
    let by_form = Answer::to(form.body("name=By+form&permissions=management&permissions[]=calling")).await;
    // What a token belongs to cannot be changed; the field is an unknown one here.
    let elsewhere = update(&app, &root, &path, &json!({ "subproject_id": "x" })).await;

    for answer in [&nothing, &name, &permissions, &both, &by_form, &elsewhere] {
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_common(answer, "updated");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    assert!(app.manages(root.id, &secret).await, "the secret stays");
    insta::allow_duplicates! {
        insta::assert_snapshot!(nothing.text, @r##"{"id":"44a174e0-f6f3-4aea-8244-54080d55d83c","name":"issued","permissions":["fax","management"],"token":"redacted"}"##);
        insta::assert_snapshot!(name.text, @r##"{"id":"44a174e0-f6f3-4aea-8244-54080d55d83c","name":"Renamed","permissions":["fax","management"],"token":"redacted"}"##);
        insta::assert_snapshot!(permissions.text, @r##"{"id":"44a174e0-f6f3-4aea-8244-54080d55d83c","name":"Renamed","permissions":["chat","management","video"],"token":"redacted"}"##);
        insta::assert_snapshot!(both.text, @r##"{"id":"44a174e0-f6f3-4aea-8244-54080d55d83c","name":"Both","permissions":["management"],"token":"redacted"}"##);
        insta::assert_snapshot!(by_form.text, @r##"{"id":"44a174e0-f6f3-4aea-8244-54080d55d83c","name":"By form","permissions":["calling","management"],"token":"redacted"}"##);
        insta::assert_snapshot!(elsewhere.text, @r##"{"id":"44a174e0-f6f3-4aea-8244-54080d55d83c","name":"By form","permissions":["calling","management"],"token":"redacted"}"##);
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_a_subproject_belongs_to_it_and_is_found_through_both(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let child = app.subproject("Child").await;
    let body = json!({ "name": "Child's", "permissions": ["management"], "subproject_id": child.id.to_string() });

    let created = create(&app, &root, &body).await;
    assert_eq!(created.status, 200);
    let (id, secret) = id_and_secret(&created);
    assert!(app.manages(child.id, &secret).await, "the subproject is the user name");
    assert!(!app.manages(root.id, &secret).await);

    for (caller, path) in [(&root, root.token(&id)), (&root, child.token(&id)), (&child, child.token(&id))] {
        let renamed = update(&app, caller, &path, &json!({ "name": "Renamed" })).await;
        assert_eq!(renamed.status, 200, "{path}");
        assert_eq!(renamed.json()["name"], "Renamed");

        let (gone, _) = id_and_secret(&create(&app, &root, &body).await);
        let deleted = delete(&app, caller, &path.replace(&id, &gone)).await;
        assert_eq!(deleted.status, 204, "{path}");
    }

    // The subproject's path, with the parent's credential, makes the subproject's token as well.
    let through_the_child = Answer::to(
        app.authorized(Method::POST, &child.tokens(), &root)
            .json(&json!({ "name": "n", "permissions": ["management"] })),
    )
    .await;
    let (_, secret) = id_and_secret(&through_the_child);
    assert!(app.manages(child.id, &secret).await);
    insta::allow_duplicates! {
        insta::assert_snapshot!(created.shown(), @r##"{"id":"c5989f0b-94a7-436e-a183-17d1db265c33","name":"Child's","permissions":["management"],"token":"[secret]"}"##);
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_subprojects_management_token_acts_on_that_subproject_alone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let child = app.subproject("Child").await;
    let sibling = app.subproject("Sibling").await;

    let (id, secret) = app.issue(&child, &["management", "chat"]).await;
    assert!(app.manages(child.id, &secret).await);
    assert_eq!(update(&app, &child, &child.token(&id), &json!({ "name": "n" })).await.status, 200);
    assert_eq!(delete(&app, &child, &child.token(&id)).await.status, 204);

    let before = app.database.rows().await;
    for other in [&root, &sibling] {
        let body = json!({ "name": "n", "permissions": ["chat"] });
        let created = Answer::to(app.authorized(Method::POST, &other.tokens(), &child).json(&body)).await;
        assert_refused(&created, 404, 20404, "created elsewhere");
        assert_refused(&update(&app, &child, &other.token(&other.token_id), &body).await, 404, 20404, "updated");
        assert_refused(&delete(&app, &child, &other.token(&other.token_id)).await, 404, 20404, "deleted");

        let named = json!({ "name": "n", "permissions": ["chat"], "subproject_id": other.id.to_string() });
        assert_refused(&create(&app, &child, &named).await, 422, "10004", "named");
    }
    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_token_may_update_and_delete_itself_and_the_last_one_may_go(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;

    for project in [app.subproject("Child").await, app.root.clone()] {
        let itself = project.token(&project.token_id);
        let renamed = update(&app, &project, &itself, &json!({ "name": "Myself" })).await;
        assert_eq!((renamed.status, &renamed.json()["name"]), (200, &json!("Myself")));
        assert_eq!(delete(&app, &project, &itself).await.status, 204);

        assert_refused(&delete(&app, &project, &itself).await, 401, 20003, "a dead token asks again");
        assert!(!app.manages(project.id, &project.secret).await);
    }
    assert_eq!(app.database.rows().await.len(), 2, "two projects, no token, no secret");
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn management_that_is_given_counts_and_taken_is_gone_at_the_very_next_request(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let (id, secret) = app.issue(&root, &["management"]).await;
    let held = Project { token_id: id.clone(), secret, ..root.clone() };
    let path = root.token(&id);

    for _ in 0..3 {
        assert!(app.manages(root.id, &held.secret).await);
        assert_eq!(update(&app, &root, &path, &json!({ "permissions": ["chat"] })).await.status, 200);
        assert_refused(&create(&app, &held, &json!({})).await, 401, 20003, "created without management");
        assert_refused(&update(&app, &held, &path, &json!({})).await, 401, 20003, "updated without management");
        assert_refused(&delete(&app, &held, &path).await, 401, 20003, "deleted without management");
        assert_eq!(update(&app, &root, &path, &json!({ "permissions": ["management"] })).await.status, 200);
    }

    // A token may take it from itself, once.
    assert_eq!(update(&app, &held, &path, &json!({ "permissions": ["fax"] })).await.status, 200);
    assert_refused(&update(&app, &held, &path, &json!({ "permissions": ["management"] })).await, 401, 20003, "itself");
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_left_the_catalogue_is_kept_shown_last_and_cannot_be_given(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let (id, secret) = app.issue(&root, &["calling", "fax", "management", "video"]).await;
    let (only, _) = app.issue(&root, &["fax"]).await;
    app.stop().await;
    let App { database, .. } = app;
    let smaller = Catalogue::new(["video".to_owned(), "management".to_owned()]).unwrap();
    let store = database.open(smaller.clone());
    let options = Options { catalogue: smaller, seed: "again", ..Options::default() };
    let mut app = App::start_on(database, store, options).await;
    let held = Project { token_id: id.clone(), secret, ..root.clone() };

    let unchanged = update(&app, &held, &root.token(&id), &json!({})).await;
    let renamed = update(&app, &held, &root.token(&id), &json!({ "name": "Renamed" })).await;
    let retired_alone = update(&app, &held, &root.token(&only), &json!({})).await;
    let given = update(&app, &held, &root.token(&only), &json!({ "permissions": ["video", "fax"] })).await;
    let issued = create(&app, &held, &json!({ "name": "n", "permissions": ["fax"] })).await;
    let replaced = update(&app, &held, &root.token(&id), &json!({ "permissions": ["management"] })).await;

    assert_refused(&given, 422, "10003", "given");
    assert_refused(&issued, 422, "10003", "issued");
    insta::allow_duplicates! {
        insta::assert_snapshot!(unchanged.text, @r##"{"id":"44a174e0-f6f3-4aea-8244-54080d55d83c","name":"issued","permissions":["video","management","calling","fax"],"token":"redacted"}"##);
        insta::assert_snapshot!(renamed.text, @r##"{"id":"44a174e0-f6f3-4aea-8244-54080d55d83c","name":"Renamed","permissions":["video","management","calling","fax"],"token":"redacted"}"##);
        insta::assert_snapshot!(retired_alone.text, @r##"{"id":"c5989f0b-94a7-436e-a183-17d1db265c33","name":"issued","permissions":["fax"],"token":"redacted"}"##);
        insta::assert_snapshot!(replaced.text, @r##"{"id":"44a174e0-f6f3-4aea-8244-54080d55d83c","name":"Renamed","permissions":["management"],"token":"redacted"}"##);
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_retired_name_satisfies_nothing_even_if_it_is_the_name_that_is_needed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    // `management` cannot leave a catalogue, so a name that only looks like it has to do.
    let with = Catalogue::new(["management.all".to_owned()]).unwrap();
    let mut app = App::start_with(backend, Options { catalogue: with, ..Options::default() }).await;
    let root = app.root.clone();
    let (_, secret) = app.issue(&root, &["management.all"]).await;

    assert!(!app.manages(root.id, &secret).await);
    app.stop().await;
}

async fn create(app: &App, project: &Project, body: &Value) -> Answer {
    Answer::to(app.authorized(Method::POST, &project.tokens(), project).json(body)).await
}

async fn create_by_form(app: &App, project: &Project, form: &'static str) -> Answer {
    let request = app.authorized(Method::POST, &project.tokens(), project);
    Answer::to(request.header("content-type", "application/x-www-form-urlencoded").body(form)).await
}

async fn update(app: &App, caller: &Project, path: &str, body: &Value) -> Answer {
    Answer::to(app.authorized(Method::PATCH, path, caller).json(body)).await
}

async fn delete(app: &App, caller: &Project, path: &str) -> Answer {
    Answer::to(app.authorized(Method::DELETE, path, caller)).await
}

fn id_and_secret(created: &Answer) -> (String, String) {
    let body = created.json();
    (body["id"].as_str().unwrap().to_owned(), body["token"].as_str().unwrap().to_owned())
}

/// The whole catalogue, backwards.
fn catalogue_of(app: &App) -> Vec<String> {
    let mut names: Vec<String> = app.service.catalogue().names().map(str::to_owned).collect();
    names.reverse();
    names
}
