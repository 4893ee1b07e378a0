//! `/oauth/introspect` (RFC 7662).

use reqwest::{Method, RequestBuilder};
use rstest::rstest;
use serde_json::json;

use super::{CHALLENGE, assert_common};
use crate::support::{
    Answer, App, Backend, Break, BrokenStore, Database, INTERNALS, Options, Project, Raw, When, basic, catalogue,
};

const PATH: &str = "/oauth/introspect";

fn look_up(app: &App, caller: &Project, secret: &str) -> RequestBuilder {
    app.authorized(Method::POST, PATH, caller).form(&[("token", secret)])
}

#[track_caller]
fn assert_error(answer: &Answer, status: u16, error: &str, case: &str) {
    assert_eq!((answer.status, answer.json()), (status, json!({ "error": error })), "{case}");
    assert_common(answer, case);
    assert_eq!(answer.header("content-type"), Some("application/json"), "{case}");
    assert_eq!(answer.header("retry-after").is_some(), status == 503, "{case}");
}

/// A caller that holds just that.
async fn caller(app: &App, project: &Project, permissions: &[&str]) -> Project {
    let (token_id, secret) = app.issue(project, permissions).await;
    Project { id: project.id, token_id, secret }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_active_token_of_the_tree_is_told_whole(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let (root, child) = (app.root.clone(), app.subproject("Child").await);
    let reader = caller(&app, &root, &["introspection"]).await;
    let (root_id, child_id) = (root.id.to_string(), child.id.to_string());
    let (id, secret) = app.issue(&root, &["video", "chat"]).await;

    for who in [&root, &reader] {
        let own = Answer::to(look_up(&app, who, &secret)).await;
        let childs = Answer::to(look_up(&app, who, &child.secret)).await;

        assert_common(&own, "own");
        assert_eq!(own.status, 200);
        assert_eq!(
            own.json(),
            json!({
                "active": true, "scope": "chat video", "client_id": root_id, "sub": id, "token_type": "api_token",
                "iat": 1_795_494_884, "project_id": root_id, "name": "issued",
            })
        );
        assert_eq!(
            childs.json(),
            json!({
                "active": true, "scope": "management", "client_id": child_id, "sub": child.token_id,
                "token_type": "api_token", "iat": 1_795_494_884, "project_id": child_id,
                "parent_project_id": root_id, "name": "management",
            })
        );
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_unknown_dead_or_foreign_is_just_inactive(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let (root, child, sibling) = (app.root.clone(), app.subproject("Child").await, app.subproject("Sibling").await);
    let stranger = app.project("Stranger", None).await;
    let (dead_id, dead) = app.issue(&root, &["chat"]).await;
    assert_eq!(Answer::to(look_up(&app, &root, &dead)).await.json()["active"], true);
    let deleted = Answer::to(app.authorized(Method::DELETE, &root.token(&dead_id), &root)).await;
    assert_eq!(deleted.status, 204);
    let zeros = format!("PT{}", "0".repeat(48));

    for (who, secret) in [
        (&root, dead.as_str()),
        (&root, &stranger.secret),
        (&stranger, &root.secret),
        (&stranger, &child.secret),
        (&child, &root.secret),
        (&child, &sibling.secret),
        (&root, &zeros),
        (&root, "x"),
        (&root, " "),
        (&root, &root.secret.to_uppercase()),
        (&root, &format!("{} ", root.secret)),
        (&root, &format!("{}:{}", root.id, root.secret)),
    ] {
        let answer = Answer::to(look_up(&app, who, secret)).await;

        assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"active":false}"#), "{secret}");
        assert_common(&answer, secret);
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_caller_comes_first_then_the_method_then_the_body(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let (root, child) = (app.root.clone(), app.subproject("Child").await);
    let weak = caller(&app, &root, &["chat", "video"]).await;
    let form = "application/x-www-form-urlencoded";
    let long = format!("token={}", "a".repeat(65_536));
    let secret = &root.secret;

    for value in [
        None,
        Some("Basic junk".to_owned()),
        Some(format!("Bearer {secret}")),
        Some(basic(&format!("{}:{secret}", child.id))),
    ] {
        for method in [Method::POST, Method::GET] {
            let mut request = app.request(method, PATH).header("content-type", "text/plain").body(long.clone());
            if let Some(value) = &value {
                request = request.header("authorization", value);
            }
            let answer = Answer::to(request).await;
            assert_error(&answer, 401, "invalid_client", &format!("{value:?}"));
            assert_eq!(answer.header("www-authenticate"), Some(CHALLENGE));
        }
    }
    for method in [Method::POST, Method::GET] {
        let answer = Answer::to(app.authorized(method, PATH, &weak).body(long.clone())).await;
        assert_error(&answer, 403, "insufficient_scope", "weak");
    }
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let answer = Answer::to(app.authorized(method, PATH, &root)).await;
        assert_error(&answer, 405, "invalid_request", "method");
        assert_eq!(answer.header("allow"), Some("POST"));
    }

    let bodies: Vec<(&str, &str, String, u16)> = vec![
        ("wrong type", "application/json", json!({ "token": secret }).to_string(), 400),
        ("wrong type", "text/plain", format!("token={secret}"), 400),
        ("wrong type", "", format!("token={secret}"), 400),
        ("none", form, String::new(), 400),
        ("none", form, "token_type_hint=access_token".to_owned(), 400),
        ("empty", form, "token=".to_owned(), 400),
        ("two", form, format!("token={secret}&token={secret}"), 400),
        ("two", form, "token=&token=".to_owned(), 400),
        ("no UTF-8", form, "token=%ff".to_owned(), 400),
        ("too long", form, long.clone(), 413),
    ];
    for (case, content_type, body, status) in bodies {
        let request = app.authorized(Method::POST, PATH, &root).header("content-type", content_type).body(body);
        assert_error(&Answer::to(request).await, status, "invalid_request", case);
    }
    for query in [format!("token={secret}"), "x=y".to_owned()] {
        let request = app.authorized(Method::POST, &format!("{PATH}?{query}"), &root);
        assert_error(&Answer::to(request.form(&[("token", secret)])).await, 400, "invalid_request", "a query");
    }
    let request = app.authorized(Method::POST, PATH, &root).form(&[("token", secret.as_str()), ("extra", "1")]);
    assert_eq!(Answer::to(request).await.json()["active"], true);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_is_revoked_while_its_body_arrives_is_told_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let (id, secret) = app.issue(&root, &["introspection"]).await;
    let body = format!("token={}", root.secret);
    let (first, rest) = body.split_at(10);
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n",
        basic(&format!("{}:{secret}", root.id)),
        body.len()
    );
    let mut client = Raw::connect(&app).await;

    client.send(head + first).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(Answer::to(app.authorized(Method::DELETE, &root.token(&id), &root)).await.status, 204);
    client.send(rest).await;

    assert_error(&client.answer().await.unwrap(), 401, "invalid_client", "revoked");
    app.stop().await;
}

#[rstest]
#[case(Break::Away, 503, "temporarily_unavailable")]
#[case(Break::Fault, 500, "server_error")]
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_is_never_inactive(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[case] how: Break,
    #[case] status: u16,
    #[case] error: &str,
) {
    let database = Database::migrated(backend).await;
    let store = BrokenStore::new(database.open(catalogue()));
    let mut app = App::start_on(database, store.clone(), Options::default()).await;
    let (root, cold) = (app.root.clone(), app.subproject("Cold").await);
    assert_eq!(Answer::to(look_up(&app, &root, &root.secret)).await.status, 200);

    store.fail(how, When::Always);
    let answer = Answer::to(look_up(&app, &root, &cold.secret)).await;

    assert_error(&answer, status, error, "broken");
    assert!(!answer.text.contains(INTERNALS));
    store.mend();
    app.stop().await;
}

/// A form without an `Authorization` header.
fn posted(app: &App, form: &str) -> RequestBuilder {
    app.request(Method::POST, PATH).header("content-type", "application/x-www-form-urlencoded").body(form.to_owned())
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_prove_itself_by_form_encoded_basic(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let (root, child) = (app.root.clone(), app.subproject("Child").await);
    let weak = caller(&app, &root, &["chat"]).await;
    let id = root.id.to_string().replace('-', "%2D");
    let secret = &root.secret;
    let ask = |text: String| {
        let request = app.request(Method::POST, PATH).header("authorization", basic(&text));
        Answer::to(request.form(&[("token", secret)]))
    };

    for text in [format!("{id}:{secret}"), format!("{id}:%50{}", &secret[1..])] {
        assert_eq!(ask(text).await.json()["active"], true);
    }
    assert_error(&ask(format!("{id}:{}", weak.secret)).await, 403, "insufficient_scope", "weak");
    for text in [
        format!("{id}:{}", child.secret),
        format!("{id}%3A{secret}"),
        format!("{id}%3A:{secret}"),
        format!("{id}:%3A{secret}"),
        format!("{id}%ff:{secret}"),
        format!("{id}:{secret}%c3"),
        format!("{id}%zz:{secret}"),
        format!("{id}:{secret}%"),
        format!("{id}+:{secret}"),
        format!("{}:{secret}", id.replace('%', "%25")),
        format!("{id}:{}", "%50".repeat(200)),
    ] {
        let answer = ask(text.clone()).await;
        assert_error(&answer, 401, "invalid_client", &text);
        assert_eq!(answer.header("www-authenticate"), Some(CHALLENGE), "{text}");
    }
    // Nowhere else: an id or a secret that holds a percent sign is none.
    let elsewhere = app.request(Method::GET, "/api/projects").header("authorization", basic(&format!("{id}:{secret}")));
    assert_eq!(Answer::to(elsewhere).await.status, 401);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_prove_itself_in_the_form(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let (root, child) = (app.root.clone(), app.subproject("Child").await);
    let reader = caller(&app, &root, &["introspection"]).await;
    let weak = caller(&app, &root, &["chat"]).await;
    let (id, secret) = (root.id.to_string(), &root.secret);
    let credentials = |project: &Project| format!("client_id={}&client_secret={}", project.id, project.secret);

    for who in [&root, &reader] {
        for form in [
            format!("token={secret}&{}", credentials(who)),
            format!("{}&token={secret}&token_type_hint=access_token", credentials(who)),
            format!("token={secret}&{}", credentials(who).replace('-', "%2D")),
        ] {
            let answer = Answer::to(posted(&app, &form)).await;
            assert_common(&answer, &form);
            assert_eq!((answer.status, &answer.json()["active"]), (200, &json!(true)), "{form}");
        }
    }
    let foreign = format!("token={secret}&{}", credentials(&child));
    assert_eq!(Answer::to(posted(&app, &foreign)).await.text, r#"{"active":false}"#);

    let weak = format!("token={secret}&{}", credentials(&weak));
    assert_error(&Answer::to(posted(&app, &weak)).await, 403, "insufficient_scope", "weak");
    let good = credentials(&root);
    for form in [
        format!("token={secret}"),
        String::new(),
        format!("token={secret}&client_id={id}"),
        format!("token={secret}&client_secret={secret}"),
        format!("token={secret}&client_id={id}&client_secret="),
        format!("token={secret}&client_id=&client_secret={secret}"),
        format!("token={secret}&client_id={id}&client_secret={}", child.secret),
        format!("token={secret}&client_id={}&client_secret={secret}", child.id),
        format!("token={secret}&client_id={id}&client_secret={secret}+"),
        format!("token={secret}&client_id={id}%3A&client_secret={secret}"),
        format!("token={secret}&client_id={id}&client_secret={secret}%zz"),
        format!("token={secret}&client_id[]={id}&client_secret={secret}"),
    ] {
        let answer = Answer::to(posted(&app, &form)).await;
        assert_error(&answer, 401, "invalid_client", &form);
        assert_eq!(answer.header("www-authenticate"), Some(CHALLENGE), "{form}");
    }
    for form in [
        good.clone(),
        format!("token=&{good}"),
        format!("token={secret}&token={secret}&{good}"),
        format!("token={secret}&client_id={id}&{good}"),
        format!("token={secret}&{good}&client_secret={secret}"),
        format!("token={secret}&client_secret=&{good}"),
        format!("token={secret}&{good}&x=%ff"),
    ] {
        assert_error(&Answer::to(posted(&app, &form)).await, 400, "invalid_request", &form);
    }
    let query = app.request(Method::POST, &format!("{PATH}?x=y")).form(&[("token", secret.as_str())]);
    assert_error(&Answer::to(query).await, 401, "invalid_client", "nobody, with a query");
    let query = app.request(Method::POST, &format!("{PATH}?{good}")).form(&[("token", secret.as_str())]);
    assert_error(&Answer::to(query).await, 401, "invalid_client", "credentials in the query");

    // Both ways at once. A client's id alone proves nothing and is no second way.
    for form in [format!("token={secret}&{good}"), format!("token={secret}&client_secret={secret}")] {
        assert_error(
            &Answer::to(posted(&app, &form).header("authorization", root.authorization())).await,
            400,
            "invalid_request",
            "both",
        );
        assert_error(
            &Answer::to(posted(&app, &form).header("authorization", "Basic junk")).await,
            401,
            "invalid_client",
            "wrong header",
        );
        assert_error(
            &Answer::to(posted(&app, &form).header("authorization", "")).await,
            401,
            "invalid_client",
            "empty header",
        );
    }
    let with_id = format!("token={secret}&client_id={id}&client_secret=");
    let answer = Answer::to(posted(&app, &with_id).header("authorization", root.authorization())).await;
    assert_eq!(answer.json()["active"], true);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_nobody_has_the_bounds_of_every_body(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let options = Options { body_timeout: std::time::Duration::from_millis(300), ..Options::default() };
    let mut app = App::start_with(backend, options).await;
    let root = app.root.clone();
    let credentials = format!("client_id={}&client_secret={}", root.id, root.secret);

    let long = format!("{credentials}&token={}", "a".repeat(65_536));
    assert_error(&Answer::to(posted(&app, &long)).await, 413, "invalid_request", "long");
    let most = format!("{credentials}&token={}", "a".repeat(65_536 - credentials.len() - 7));
    assert_eq!(Answer::to(posted(&app, &most)).await.text, r#"{"active":false}"#);

    let head = |length: &str| {
        format!(
            "POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n{length}\r\n\r\n"
        )
    };
    for (case, length, part, status) in [
        ("announced too long, and nothing of it", "content-length: 65537", "", 413),
        ("never whole", "content-length: 100", "token=x", 408),
        ("chunks that never end", "transfer-encoding: chunked", "7\r\ntoken=x\r\n", 408),
    ] {
        let mut client = Raw::connect(&app).await;
        client.send(head(length) + part).await;
        assert_error(&client.answer().await.unwrap(), status, "invalid_request", case);
    }
    // Of every other request without a credential nothing is read: the answer does not wait for the body.
    for kind in ["application/json", "text/plain"] {
        let mut client = Raw::connect(&app).await;
        client.send(head("content-length: 100").replace("application/x-www-form-urlencoded", kind)).await;
        assert_error(&client.answer().await.unwrap(), 401, "invalid_client", kind);
    }
    app.stop().await;
}
