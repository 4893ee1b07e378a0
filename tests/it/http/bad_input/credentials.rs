//! Credentials that are nearly right.

use reqwest::{Method, header::HeaderValue};
use rstest::rstest;

use super::{assert_refused, head};
use crate::support::{Answer, App, Backend, Raw, basic};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_not_read_strictly_is_401(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let (id, secret, whole) = (root.id.to_string(), root.secret.clone(), root.authorization());
    let before = app.database.rows().await;

    let values: Vec<Vec<u8>> = vec![
        b"Basic".to_vec(),
        b"Basic =".to_vec(),
        b"Basic ====".to_vec(),
        b"Basic \xff\xfe".to_vec(),
        b"Basic /w==".to_vec(),
        b"Basic YQ=a".to_vec(),
        format!("{whole}=").into_bytes(),
        format!("{whole} x").into_bytes(),
        format!("{whole}, {whole}").into_bytes(),
        format!("{whole},{whole}").into_bytes(),
        whole.replace(' ', "\t").into_bytes(),
        whole.replace(' ', "").into_bytes(),
        whole.replace("Basic", "\"Basic\"").into_bytes(),
        whole.trim_start_matches("Basic ").as_bytes().to_vec(),
        whole.replace('=', "").replace(' ', " =").into_bytes(),
        basic("").into_bytes(),
        basic(":").into_bytes(),
        basic(&id).into_bytes(),
        basic(&secret).into_bytes(),
        basic(&format!(":{secret}")).into_bytes(),
        basic(&format!("{id}:")).into_bytes(),
        basic(&format!("{id};{secret}")).into_bytes(),
        basic(&format!("{id}::{secret}")).into_bytes(),
        basic(&format!(" {id}:{secret}")).into_bytes(),
        basic(&format!("{id} :{secret}")).into_bytes(),
        basic(&format!("{id}: {secret}")).into_bytes(),
        basic(&format!("{id}:{secret} ")).into_bytes(),
        basic(&format!("{id}:{secret}\n")).into_bytes(),
        basic(&format!("{id}:{secret}\0")).into_bytes(),
        basic(&format!("{{{id}}}:{secret}")).into_bytes(),
        basic(&format!("urn:uuid:{id}:{secret}")).into_bytes(),
        basic(&format!("{}:{secret}", id.replace('-', ""))).into_bytes(),
        basic(&format!("{id}:{}", secret.to_lowercase())).into_bytes(),
        basic(&format!("{id}:{}", secret.trim_start_matches("PT"))).into_bytes(),
        basic(&format!("{secret}:{id}")).into_bytes(),
    ];
    for value in values {
        let case = String::from_utf8_lossy(&value).into_owned();
        let request = app.request(Method::DELETE, &root.token(&root.token_id));
        let answer = Answer::to(request.header("authorization", HeaderValue::from_bytes(&value).unwrap())).await;

        assert_refused(&answer, 401, 20003, &case);
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_second_authorization_header_is_401_whichever_is_right(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let right = root.authorization();
    let before = app.database.rows().await;

    for (first, second) in [(&right, &right), (&right, &"Basic x".to_owned()), (&String::new(), &right)] {
        let request = app.request(Method::DELETE, &root.token(&root.token_id));
        let answer = Answer::to(request.header("authorization", first).header("authorization", second)).await;

        assert_refused(&answer, 401, 20003, "two headers");
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_case_of_the_scheme_and_of_the_id_and_the_padding_do_not_matter(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let (id, secret, whole) = (root.id.to_string(), root.secret.clone(), root.authorization());

    for value in [
        whole.replace("Basic", "basic"),
        whole.replace("Basic", "BASIC"),
        whole.replace(' ', "   "),
        whole.trim_end_matches('=').to_owned(),
        basic(&format!("{}:{secret}", id.to_uppercase())),
    ] {
        let request = app.request(Method::PATCH, &root.token(&root.token_id)).json(&serde_json::json!({}));
        let answer = Answer::to(request.header("authorization", &value)).await;

        assert_eq!(answer.status, 200, "{value}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_of_a_mebibyte_is_431_and_ends_the_connection() {
    let mut app = App::start(Backend::Sqlite).await;
    let root = app.root.clone();
    let before = app.database.rows().await;

    for headers in [
        format!("Authorization: Basic {}\r\n\r\n", "A".repeat(1 << 20)),
        format!("X-Request-Id: {}\r\n\r\n", "A".repeat(1 << 20)),
    ] {
        let mut raw = Raw::connect(&app).await;
        raw.send(head(&root)).await;
        raw.try_send(headers).await;

        // The answer may be lost to the reset that unread bytes bring about; the end of the connection may not.
        if let Some(answer) = raw.answer().await {
            assert_eq!((answer.status, answer.text.as_str()), (431, ""));
        }
        assert_eq!(raw.end().await, b"");
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_as_long_as_the_parser_takes_is_judged_as_any_other() {
    let mut app = App::start(Backend::Sqlite).await;
    let path = app.root.tokens();
    let request = app.request(Method::POST, &path).header("authorization", format!("Basic {}", "A".repeat(100_000)));

    assert_refused(&Answer::to(request).await, 401, 20003, "100,000 characters");
    app.stop().await;
}
