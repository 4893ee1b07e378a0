//! Bodies that are not what they claim to be, or too long.

use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use super::{assert_common, assert_refused, head, post, post_form};
use crate::support::{Answer, App, Backend, Raw};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const LIMIT: usize = 65_536;

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_form_and_no_json_object_is_400(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let before = app.database.rows().await;
    let deep = "[".repeat(10_000);
    let deep_closed = format!("{deep}{}", "]".repeat(10_000));
    let objects = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));

    let bodies: Vec<(&str, Vec<u8>)> = vec![
        (FORM, b"name=%ff&permissions=chat".to_vec()),
        (FORM, b"name=\xff&permissions=chat".to_vec()),
        (FORM, b"name=n&permissions=chat&extra=%C3".to_vec()),
        (FORM, b"name=n&permissions=%C3&permissions=%A9".to_vec()),
        (FORM, b"%ff=1&name=n&permissions=chat".to_vec()),
        (FORM, b"name=n&permissions=chat&extra=%ED%A0%80".to_vec()),
        (FORM, b"name=a&name=b&permissions=chat".to_vec()),
        (FORM, b"name=a&n%61me=a&permissions=chat".to_vec()),
        (FORM, b"name=n&permissions=chat&subproject_id=&subproject_id=".to_vec()),
        (FORM, b"{\"name\":\"n\",\"permissions\":[\"chat\"]}".to_vec()),
        (FORM, b" {}\r\n".to_vec()),
        (JSON, b"".to_vec()),
        (JSON, b" ".to_vec()),
        (JSON, b"null".to_vec()),
        (JSON, b"[]".to_vec()),
        (JSON, b"[[]]".to_vec()),
        (JSON, b"[]]".to_vec()),
        (JSON, b"[{\"name\":\"n\",\"permissions\":[\"chat\"]}]".to_vec()),
        (JSON, b"\"name\"".to_vec()),
        (JSON, b"7".to_vec()),
        (JSON, b"{".to_vec()),
        (JSON, b"{\"name\":\"n\",\"permissions\":[\"chat\"]".to_vec()),
        (JSON, b"{\"name\":\"n\",\"permissions\":[\"chat\"],}".to_vec()),
        (JSON, b"{\"name\":\"n\",\"permissions\":[\"chat\"]} x".to_vec()),
        (JSON, b"{\"name\":\"n\",\"permissions\":[\"chat\"]}{}".to_vec()),
        (JSON, b"{'name':'n','permissions':['chat']}".to_vec()),
        (JSON, b"\xef\xbb\xbf{\"name\":\"n\",\"permissions\":[\"chat\"]}".to_vec()),
        (JSON, b"{\"name\":\"\xff\",\"permissions\":[\"chat\"]}".to_vec()),
        (JSON, b"{\"name\":\"\\ud800\",\"permissions\":[\"chat\"]}".to_vec()),
        (JSON, b"{\"name\":\"a\",\"name\":\"b\",\"permissions\":[\"chat\"]}".to_vec()),
        (JSON, b"{\"name\":\"a\",\"n\\u0061me\":\"a\",\"permissions\":[\"chat\"]}".to_vec()),
        (JSON, b"{\"name\":\"n\",\"permissions\":[\"chat\"],\"permissions\":[\"management\"]}".to_vec()),
        (JSON, b"name=n&permissions=chat".to_vec()),
        (JSON, deep.clone().into_bytes()),
        (JSON, deep_closed.clone().into_bytes()),
        (JSON, format!("{{\"name\":\"n\",\"permissions\":{deep_closed}}}").into_bytes()),
        (JSON, format!("{{\"name\":{objects},\"permissions\":[\"chat\"]}}").into_bytes()),
        (JSON, format!("{{\"name\":\"n\",\"permissions\":[\"chat\"],\"extra\":{deep}").into_bytes()),
    ];
    for (content_type, body) in bodies {
        let case = String::from_utf8_lossy(&body).chars().take(80).collect::<String>();
        for (method, path) in [(Method::POST, root.tokens()), (Method::PATCH, root.token(&root.token_id))] {
            // PHP's empty array is an update that changes nothing: see updates.rs.
            if case == "[]" && method == Method::PATCH {
                continue;
            }
            let request = app.authorized(method, &path, &root).header("content-type", content_type);

            assert_refused(&Answer::to(request.body(body.clone())).await, 400, 10000, &case);
        }
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn json_that_is_called_a_form_is_told_its_header(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();

    let answer = post_form(&app, &root, "{\"name\":\"n\",\"permissions\":[\"chat\"]}").await;

    assert_refused(&answer, 400, 10000, "JSON as a form");
    assert!(answer.text.contains("the body looks like JSON"), "{}", answer.text);
    assert!(answer.text.contains("send it with Content-Type: application/json"), "{}", answer.text);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_field_is_ignored_however_deep_it_is(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));

    let body = format!("{{\"x\":{deep},\"name\":\"n\",\"X\":1,\"x\":2,\"permissions\":[\"chat\"],\"id\":null}}");
    assert_eq!(post(&app, &root, JSON, body).await.status, 200);
    assert_eq!(post_form(&app, &root, "name=n&x&x=1&=&&name[]=m&id=7&permissions=chat").await.status, 200);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_unknown_content_type_or_a_coding_is_400(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let before = app.database.rows().await;
    let body = json!({ "name": "n", "permissions": ["chat"] }).to_string();

    let mut cases: Vec<Vec<(&str, &[u8])>> = vec![
        vec![],
        vec![("content-type", JSON.as_bytes()), ("content-type", JSON.as_bytes())],
        vec![("content-type", JSON.as_bytes()), ("content-type", FORM.as_bytes())],
    ];
    for content_type in [
        "",
        ";",
        "text/plain",
        "application",
        "application/jsonp",
        "application/json, application/json",
        "application/x-www-form-urlencoded, application/json",
        "text/json",
        "multipart/form-data; boundary=x",
        "*/*",
        "\"application/json\"",
    ] {
        cases.push(vec![("content-type", content_type.as_bytes())]);
    }
    cases.push(vec![("content-type", b"application/json\xff")]);
    for coding in ["gzip", "br", "identity, gzip", "x", "gzip, identity"] {
        cases.push(vec![("content-type", JSON.as_bytes()), ("content-encoding", coding.as_bytes())]);
    }
    for headers in cases {
        for (method, path) in [(Method::POST, root.tokens()), (Method::PATCH, root.token(&root.token_id))] {
            let mut request = app.authorized(method, &path, &root).body(body.clone());
            for (name, value) in &headers {
                request = request.header(*name, reqwest::header::HeaderValue::from_bytes(value).unwrap());
            }
            let case = format!("{headers:?}");

            assert_refused(&Answer::to(request).await, 400, 10000, &case);
        }
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn parameters_of_the_content_type_are_no_business_of_ours(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let (form, json) = ("name=n&permissions=chat", r#"{"name":"n","permissions":["chat"]}"#);

    for (content_type, body) in [
        ("application/json; charset=utf-8", json),
        ("application/json;charset=latin-1", json),
        ("Application/JSON", json),
        ("application/json ; x=\"a;b\"", json),
        ("application/x-www-form-urlencoded; charset=UTF-8", form),
        ("APPLICATION/X-WWW-FORM-URLENCODED;", form),
    ] {
        assert_eq!(post(&app, &root, content_type, body).await.status, 200, "{content_type}");
    }
    let plain = app.authorized(Method::POST, &root.tokens(), &root).header("content-encoding", "Identity");
    assert_eq!(Answer::to(plain.header("content-type", JSON).body(json)).await.status, 200);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_65536_bytes_is_read_and_one_of_65537_is_413_also_in_chunks(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let start = r#"{"name":"n","permissions":["chat"],"x":""#;
    let of_length = |length: usize| format!("{start}{}\"}}", "x".repeat(length - start.len() - 2));
    let (just, over) = (of_length(LIMIT), of_length(LIMIT + 1));
    assert_eq!((just.len(), over.len()), (LIMIT, LIMIT + 1));

    assert_eq!(post(&app, &root, JSON, just.clone()).await.status, 200);
    assert_eq!(in_chunks(&app, &just, 4096).await.status, 200);
    let before = app.database.rows().await;
    for answer in [
        post(&app, &root, JSON, over.clone()).await,
        in_chunks(&app, &over, 4096).await,
        in_chunks(&app, &over, LIMIT + 1).await,
        post(&app, &root, "text/plain", over.clone()).await,
        post(&app, &root, JSON, "x".repeat(4 * LIMIT)).await,
    ] {
        assert_refused(&answer, 413, 11751, "too long");
        assert_eq!(answer.header("connection"), Some("close"));
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_delete_needs_no_body_and_does_not_look_at_one(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();

    for body in ["{", "", "name=n"] {
        let (id, _) = app.issue(&root, &["chat"]).await;
        let answer = Answer::to(app.authorized(Method::DELETE, &root.token(&id), &root).body(body)).await;

        assert_eq!((answer.status, answer.text.as_str()), (204, ""));
        assert_common(&answer, body);
    }
    app.stop().await;
}

async fn in_chunks(app: &App, body: &str, size: usize) -> Answer {
    let mut raw = Raw::connect(app).await;
    raw.send(format!("{}Content-Type: {JSON}\r\nTransfer-Encoding: chunked\r\n\r\n", head(&app.root))).await;
    for chunk in body.as_bytes().chunks(size) {
        raw.try_send([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat()).await;
    }
    raw.try_send("0\r\n\r\n").await;
    raw.answer().await.unwrap()
}
