//! Fields that are of a wrong type, too long, unknown, or of somebody else.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use super::{NOBODY, assert_refused, post_form, post_json};
use crate::support::{Answer, App, Backend, COMPATIBILITY};

/// A request whose fields are right but for these.
fn with(fields: &Value) -> Value {
    let mut body = json!({ "name": "n", "permissions": ["chat"] });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_json_type_is_400_and_a_wrong_value_422_with_its_code(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let before = app.database.rows().await;
    let invalid = || Value::from("invalid_parameter");

    let both: Vec<(Value, u16, Value)> = vec![
        (json!({ "name": null }), 400, 10000.into()),
        (json!({ "name": 7 }), 400, 10000.into()),
        (json!({ "name": ["n"] }), 400, 10000.into()),
        (json!({ "name": {} }), 400, 10000.into()),
        (json!({ "name": true }), 400, 10000.into()),
        (json!({ "name": "" }), 422, invalid()),
        (json!({ "name": "   " }), 422, invalid()),
        (json!({ "name": "\u{2003}\u{3000}\u{85}" }), 422, invalid()),
        (json!({ "name": "a".repeat(251) }), 422, invalid()),
        (json!({ "name": "🔑".repeat(251) }), 422, invalid()),
        (json!({ "name": "a\0b" }), 422, invalid()),
        (json!({ "name": "a\nb" }), 422, invalid()),
        (json!({ "name": "a\u{7f}b" }), 422, invalid()),
        (json!({ "name": "a\u{9f}b" }), 422, invalid()),
        (json!({ "name": "\0" }), 422, invalid()),
        (json!({ "permissions": null }), 400, 10000.into()),
        (json!({ "permissions": "chat" }), 400, 10000.into()),
        (json!({ "permissions": 7 }), 400, 10000.into()),
        (json!({ "permissions": {} }), 400, 10000.into()),
        (json!({ "permissions": [7] }), 400, 10000.into()),
        (json!({ "permissions": [null] }), 400, 10000.into()),
        (json!({ "permissions": ["chat", 7] }), 400, 10000.into()),
        (json!({ "permissions": [["chat"]] }), 400, 10000.into()),
        (json!({ "permissions": [] }), 422, "10003".into()),
        (json!({ "permissions": [""] }), 422, "10003".into()),
        (json!({ "permissions": ["Chat"] }), 422, "10003".into()),
        (json!({ "permissions": [" chat"] }), 422, "10003".into()),
        (json!({ "permissions": ["chat fax"] }), 422, "10003".into()),
        (json!({ "permissions": ["chat,fax"] }), 422, "10003".into()),
        (json!({ "permissions": ["chat", "swim"] }), 422, "10003".into()),
        (json!({ "permissions": ["chat", "a\0b"] }), 422, "10003".into()),
        (json!({ "permissions": ["s".repeat(60_000)] }), 422, "10003".into()),
        (json!({ "expires_at": "2030-01-01T00:00:00Z" }), 422, invalid()),
        (json!({ "expires_at": "" }), 422, invalid()),
        (json!({ "expires_at": [] }), 422, invalid()),
        (json!({ "expires_in": 60 }), 422, invalid()),
        (json!({ "expires_in": 0 }), 422, invalid()),
        (json!({ "allowed_cidrs": ["10.0.0.0/8"] }), 422, invalid()),
        (json!({ "allowed_cidrs": [] }), 422, invalid()),
        (json!({ "allowed_cidrs": "10.0.0.0/8" }), 422, invalid()),
        (json!({ "disabled": false }), 422, invalid()),
        (json!({ "disabled": true }), 422, invalid()),
        // A wrong type ends it, whatever else is wrong: it is the body's fault and not yet a field's.
        (json!({ "name": "", "permissions": 7 }), 400, 10000.into()),
        // The first fault, in the contract's order.
        (json!({ "name": "", "permissions": [], "disabled": true }), 422, invalid()),
        (json!({ "permissions": [], "disabled": true }), 422, "10003".into()),
    ];
    for (fields, status, code) in both {
        let case: String = fields.to_string().chars().take(80).collect();
        let created = post_json(&app, &root, &with(&fields)).await;
        let updated = app.authorized(Method::PATCH, &root.token(&root.token_id), &root).json(&fields);

        assert_refused(&created, status, code.clone(), &case);
        assert_refused(&Answer::to(updated).await, status, code, &case);
        assert!(created.text.len() < 1024, "the answer is not as long as what was sent: {case}");
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_judged_as_json_is(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let before = app.database.rows().await;

    for (form, status, code) in [
        ("", 422, Value::from("invalid_parameter")),
        ("permissions=chat", 422, "invalid_parameter".into()),
        ("name=+&permissions=chat", 422, "invalid_parameter".into()),
        ("name=a%00b&permissions=chat", 422, "invalid_parameter".into()),
        ("name[]=n&permissions=chat", 422, "invalid_parameter".into()),
        ("Name=n&permissions=chat", 422, "invalid_parameter".into()),
        ("name=n", 422, "10003".into()),
        ("name=n&permissions", 422, "10003".into()),
        ("name=n&permissions=", 422, "10003".into()),
        ("name=n&permissions=chat&permissions[]=", 422, "10003".into()),
        ("name=n&permissions=chat,fax", 422, "10003".into()),
        ("name=n&permissions=chat+fax", 422, "10003".into()),
        ("name=n&permissions[0]=chat", 422, "10003".into()),
        ("name=n&permissions=chat;permissions=fax", 422, "10003".into()),
        ("name=n&permissions=chat&subproject_id=x", 422, "10004".into()),
        ("name=n&permissions=chat&expires_at=", 422, "invalid_parameter".into()),
        ("name=n&permissions=chat&expires_in=60", 422, "invalid_parameter".into()),
        ("name=n&permissions=chat&expires_in[]=60", 422, "invalid_parameter".into()),
        ("name=n&permissions=chat&disabled%5B%5D=1", 422, "invalid_parameter".into()),
        ("name=n&permissions=chat&allowed_cidrs=10.0.0.0/8", 422, "invalid_parameter".into()),
        ("name=n&permissions=chat&allowed_cidrs[]=10.0.0.0/8", 422, "invalid_parameter".into()),
        ("name=n&permissions=chat&disabled=false", 422, "invalid_parameter".into()),
    ] {
        assert_refused(&post_form(&app, &root, form).await, status, code, form);
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_only_looks_wrong_is_taken(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();

    for (name, kept) in [
        ("🔑".repeat(250), "🔑".repeat(250)),
        (format!("  {}\n", "a".repeat(250)), "a".repeat(250)),
        ("'; drop table tokens; --".to_owned(), "'; drop table tokens; --".to_owned()),
        ("%s%n\\u0000 <b>&amp;</b>".to_owned(), "%s%n\\u0000 <b>&amp;</b>".to_owned()),
        ("\u{feff}\u{202e}\u{200b}a".to_owned(), "\u{feff}\u{202e}\u{200b}a".to_owned()),
        ("\u{10ffff}".to_owned(), "\u{10ffff}".to_owned()),
    ] {
        let created = post_json(&app, &root, &with(&json!({ "name": name }))).await;

        assert_eq!((created.status, &created.json()["name"]), (200, &Value::from(kept)));
    }
    let many = vec!["chat"; 5000];
    let created = post_json(&app, &root, &with(&json!({ "permissions": many }))).await;
    assert_eq!((created.status, &created.json()["permissions"]), (200, &json!(["chat"])));
    let nulls = json!({ "expires_at": null, "expires_in": null, "allowed_cidrs": null, "disabled": null });
    assert_eq!(post_json(&app, &root, &with(&nulls)).await.status, 200);
    let updated = app.authorized(Method::PATCH, &root.token(&root.token_id), &root).json(&nulls);
    assert_eq!(Answer::to(updated).await.status, 200);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_subproject_id_is_a_child_of_the_paths_project_or_422(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let child = app.subproject("Child").await;
    let stranger = app.project("Stranger", None).await;
    let strangers_child = app.project("Stranger's child", Some(stranger.id)).await;
    let before = app.database.rows().await;
    let id = child.id.to_string();

    for (value, status, code) in [
        (json!(root.id.to_string()), 422, Value::from("10004")),
        (json!(stranger.id.to_string()), 422, "10004".into()),
        (json!(strangers_child.id.to_string()), 422, "10004".into()),
        (json!(NOBODY), 422, "10004".into()),
        (json!(id.replace('-', "")), 422, "10004".into()),
        (json!(format!("{{{id}}}")), 422, "10004".into()),
        (json!(format!("urn:uuid:{id}")), 422, "10004".into()),
        (json!(format!(" {id}")), 422, "10004".into()),
        (json!(format!("{id}\0")), 422, "10004".into()),
        (json!(" "), 422, "10004".into()),
        (json!(7), 400, 10000.into()),
        (json!([id]), 400, 10000.into()),
        (json!({}), 400, 10000.into()),
        (json!(false), 400, 10000.into()),
    ] {
        let answer = post_json(&app, &root, &with(&json!({ "subproject_id": value }))).await;

        assert_refused(&answer, status, code, &value.to_string());
    }
    // A child is no child of itself, nor of its sibling, also for the parent who may reach both.
    let body = with(&json!({ "subproject_id": id }));
    let request = app.authorized(Method::POST, &child.tokens(), &root).json(&body);
    assert_refused(&Answer::to(request).await, 422, "10004", "through the child's path");

    assert_eq!(app.database.rows().await, before);
    for absent in [json!(null), json!("")] {
        let created =
            post_json(&app, &root, &with(&json!({ "subproject_id": absent, "permissions": ["management"] }))).await;
        assert!(app.manages(root.id, created.json()["token"].as_str().unwrap()).await);
    }
    let upper = with(&json!({ "subproject_id": id.to_uppercase(), "permissions": ["management"] }));
    let created = post_json(&app, &root, &upper).await;
    assert!(app.manages(child.id, created.json()["token"].as_str().unwrap()).await);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_id_in_the_path_has_hyphens_and_either_case_or_is_400(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let before = app.database.rows().await;
    let base = format!("{COMPATIBILITY}/Accounts");
    let no_ids = |id: &str| {
        [
            id.replace('-', ""),
            format!("%7B{id}%7D"),
            format!("urn:uuid:{id}"),
            format!("{id}%20"),
            format!("%20{id}"),
            format!("{id}%00"),
            format!("{id}%0A"),
            format!("{id}%2F"),
            id.replace('-', "_"),
            id.replace('-', "%E2%80%90"),
            id[..35].to_owned(),
            format!("{id}0"),
            "%FF".to_owned(),
            "%".to_owned(),
            "%zz".to_owned(),
            "-".to_owned(),
            "'%20or%201=1--".to_owned(),
            "a".repeat(8_000),
        ]
    };

    let creates = no_ids(&root.id.to_string()).map(|id| (Method::POST, format!("{base}/{id}/tokens")));
    let deletes = no_ids(&root.token_id).map(|id| (Method::DELETE, root.token(&id)));
    let updates = no_ids(&root.token_id).map(|id| (Method::PATCH, root.token(&id)));
    for (method, path) in creates.into_iter().chain(deletes).chain(updates) {
        let case: String = format!("{method} {path}").chars().take(200).collect();
        let request = app.authorized(method, &path, &root).json(&with(&json!({})));

        assert_refused(&Answer::to(request).await, 400, 10000, &case);
    }
    assert_eq!(app.database.rows().await, before);

    let upper = format!("{base}/{}/tokens", root.id.to_string().to_uppercase());
    let created = Answer::to(app.authorized(Method::POST, &upper, &root).json(&with(&json!({})))).await;
    let id = created.json()["id"].as_str().unwrap().to_owned();
    let path = format!("{upper}/{}", id.to_uppercase());
    let updated = Answer::to(app.authorized(Method::PATCH, &path, &root).json(&json!({}))).await;
    assert_eq!((created.status, updated.status), (200, 200));
    assert_eq!(updated.json()["id"], id, "answered in lower case");
    assert_eq!(Answer::to(app.authorized(Method::DELETE, &path, &root)).await.status, 204);
    app.stop().await;
}
