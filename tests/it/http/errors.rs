//! The whole body of every error that a client can bring about.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use super::{NOBODY, assert_common};
use crate::support::{Answer, App, Backend, Options};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn every_error_has_its_whole_body_without_a_public_url(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let errors = every_error(backend, "").await;

    insta::allow_duplicates! {
        insta::assert_snapshot!(errors, @r##"
        malformed body: 400 {"code":10000,"message":"the body is not a valid JSON object, or it repeats a field (line 1, column 1)","more_info":"/docs#error-10000","status":400}
        wrong type: 400 {"code":10000,"message":"name must be a string","more_info":"/docs#error-10000","status":400}
        null name: 400 {"code":10000,"message":"name must be a string","more_info":"/docs#error-10000","status":400}
        content type: 400 {"code":10000,"message":"send a form or JSON body with exactly one Content-Type header: application/x-www-form-urlencoded or application/json","more_info":"/docs#error-10000","status":400}
        content encoding: 400 {"code":10000,"message":"the content encoding \"gzip\" is not supported; send the body without one","more_info":"/docs#error-10000","status":400}
        path id: 400 {"code":10000,"message":"the path contains an id that is not a UUID; expected 8-4-4-4-12 hexadecimal digits with hyphens","more_info":"/docs#error-10000","status":400}
        no credential: 401 {"code":20003,"message":"the credentials are missing, malformed or wrong; use HTTP Basic with the project id as the user name and the secret of one of its tokens as the password","more_info":"/docs#error-20003","status":401}
        no project: 404 {"code":20404,"message":"no such project","more_info":"/docs#error-20404","status":404}
        no token: 404 {"code":20404,"message":"no such token","more_info":"/docs#error-20404","status":404}
        no path: 404 {"code":20404,"message":"unknown path; /openapi.json lists the paths of this server","more_info":"/docs#error-20404","status":404}
        method: 405 {"code":20004,"message":"this path does not support this method; the Allow header lists the supported ones","more_info":"/docs#error-20004","status":405}
        too large: 413 {"code":11751,"message":"the request body is larger than the limit of 65536 bytes; send a smaller one","more_info":"/docs#error-11751","status":413}
        name absent: 422 {"type":"validation_error","code":"invalid_parameter","message":"name is required","attribute":"name","url":"/docs#error-invalid_parameter"}
        name blank: 422 {"type":"validation_error","code":"invalid_parameter","message":"name must not be blank","attribute":"name","url":"/docs#error-invalid_parameter"}
        name too long: 422 {"type":"validation_error","code":"invalid_parameter","message":"name must be at most 250 characters long","attribute":"name","url":"/docs#error-invalid_parameter"}
        name with a control character: 422 {"type":"validation_error","code":"invalid_parameter","message":"name must not contain control characters","attribute":"name","url":"/docs#error-invalid_parameter"}
        permissions absent: 422 {"type":"validation_error","code":"10003","message":"permissions is required","attribute":"permissions","url":"/docs#error-10003"}
        permissions empty: 422 {"type":"validation_error","code":"10003","message":"permissions is required","attribute":"permissions","url":"/docs#error-10003"}
        permissions unknown: 422 {"type":"validation_error","code":"10003","message":"permissions contains the unknown permission \"swim\\\"\\n\"; allowed are calling, chat, datasphere, fax, management, messaging, numbers, pubsub, storage, tasking, video, introspection","attribute":"permissions","url":"/docs#error-10003"}
        subproject no UUID: 422 {"type":"validation_error","code":"10004","message":"subproject_id must be a UUID: 8-4-4-4-12 hexadecimal digits with hyphens","attribute":"subproject_id","url":"/docs#error-10004"}
        subproject no child: 422 {"type":"validation_error","code":"10004","message":"subproject_id is not a subproject of this project","attribute":"subproject_id","url":"/docs#error-10004"}
        not built: 422 {"type":"validation_error","code":"invalid_parameter","message":"expires_in is not supported by this version; remove it","attribute":"expires_in","url":"/docs#error-invalid_parameter"}
        everything at once: 422 {"type":"validation_error","code":"invalid_parameter","message":"name is required","attribute":"name","url":"/docs#error-invalid_parameter"}
        limit: 422 {"type":"validation_error","code":"token_limit_reached","message":"the project already has 2 tokens, which is the maximum; revoke some first","attribute":null,"url":"/docs#error-token_limit_reached"}
        limit of the subproject: 422 {"type":"validation_error","code":"token_limit_reached","message":"the project already has 2 tokens, which is the maximum; revoke some first","attribute":null,"url":"/docs#error-token_limit_reached"}
        "##);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn every_error_links_to_the_public_url_where_there_is_one(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let plain = every_error(backend, "").await;
    let linked = every_error(backend, "https://tokens.example.com").await;

    assert_eq!(linked, plain.replace("\"/docs#", "\"https://tokens.example.com/docs#"));
    assert_eq!(linked.matches("https://tokens.example.com/docs#error-").count(), linked.lines().count());
}

/// Every line of the contract's table of errors that a client can bring about, with the answer's body.
async fn every_error(backend: Backend, public_url: &str) -> String {
    let options = Options { tokens_per_project: 2, public_url: public_url.to_owned(), ..Options::default() };
    let mut app = App::start_with(backend, options).await;
    let root = app.root.clone();
    let child = app.subproject("Child").await;
    app.issue(&child, &["chat"]).await;
    let before = app.database.rows().await;
    let valid = |extra: Value| {
        let mut body = json!({ "name": "n", "permissions": ["chat"] });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let post = |path: &str| app.authorized(Method::POST, path, &root);
    let as_text = |text: &str| post(&root.tokens()).header("content-type", "application/json").body(text.to_owned());

    let requests = [
        ("malformed body", as_text("{")),
        ("wrong type", post(&root.tokens()).json(&valid(json!({ "name": 7 })))),
        ("null name", post(&root.tokens()).json(&valid(json!({ "name": null })))),
        ("content type", post(&root.tokens()).header("content-type", "text/plain").body("name=n&permissions=chat")),
        ("content encoding", post(&root.tokens()).header("content-encoding", "gzip").json(&valid(json!({})))),
        ("path id", post(&root.tokens().replace(&root.id.to_string(), "x"))),
        ("no credential", app.request(Method::POST, &root.tokens())),
        ("no project", post(&root.tokens().replace(&root.id.to_string(), NOBODY))),
        ("no token", app.authorized(Method::DELETE, &root.token(NOBODY), &root)),
        ("no path", post(&format!("{}/more/and/more", root.tokens()))),
        ("method", app.authorized(Method::GET, &root.tokens(), &root)),
        ("too large", as_text(&" ".repeat(65_537))),
        ("name absent", post(&root.tokens()).json(&json!({ "permissions": ["chat"] }))),
        ("name blank", post(&root.tokens()).json(&valid(json!({ "name": " \t\u{3000}" })))),
        ("name too long", post(&root.tokens()).json(&valid(json!({ "name": "a".repeat(251) })))),
        ("name with a control character", post(&root.tokens()).json(&valid(json!({ "name": "a\u{7}b" })))),
        ("permissions absent", post(&root.tokens()).json(&json!({ "name": "n" }))),
        ("permissions empty", post(&root.tokens()).json(&valid(json!({ "permissions": [] })))),
        ("permissions unknown", post(&root.tokens()).json(&valid(json!({ "permissions": ["chat", "swim\"\n"] })))),
        ("subproject no UUID", post(&root.tokens()).json(&valid(json!({ "subproject_id": "x" })))),
        ("subproject no child", post(&root.tokens()).json(&valid(json!({ "subproject_id": root.id.to_string() })))),
        ("not built", post(&root.tokens()).json(&valid(json!({ "expires_in": 60 })))),
        ("everything at once", post(&root.tokens()).json(&json!({ "subproject_id": "x", "permissions": ["x"] }))),
        ("limit", post(&child.tokens()).json(&valid(json!({})))),
        (
            "limit of the subproject",
            post(&root.tokens()).json(&valid(json!({ "subproject_id": child.id.to_string() }))),
        ),
    ];
    let mut said = String::new();
    for (case, request) in requests {
        let answer = Answer::to(request).await;
        assert_common(&answer, case);
        assert_eq!(answer.header("content-type"), Some("application/json"), "{case}");
        said.push_str(&format!("{case}: {} {}\n", answer.status, answer.text));
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
    said
}
