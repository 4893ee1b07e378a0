//! The account calls of the compatibility API.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use super::{assert_common, assert_refused};
use crate::support::{Answer, App, Backend, COMPATIBILITY};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_made_shown_renamed_and_listed(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let accounts = format!("{COMPATIBILITY}/Accounts");

    let form = app.authorized(Method::POST, &accounts, &root).form(&[("FriendlyName", "Staging")]);
    let made = Answer::to(form).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_common(&made, "made");
    let mut body = made.json();
    let sid = body["sid"].as_str().unwrap().to_owned();
    let uri = format!("{accounts}/{sid}");
    let key = body["signing_key"].take();
    assert!(key.as_str().unwrap().starts_with("PSK_"));
    let resources = body["subresource_uris"].take();
    let expected = json!({
        "sid": sid,
        "friendly_name": "Staging",
        "status": "active",
        "auth_token": "redacted",
        "date_created": "Tue, 24 Nov 2026 04:34:44 +0000",
        "date_updated": "Tue, 24 Nov 2026 04:34:44 +0000",
        "type": "Full",
        "owner_account_sid": root.id,
        "region_preference": null,
        "uri": uri,
        "subproject": true,
        "signing_key": null,
        "subresource_uris": null,
    });
    assert_eq!(body, expected);
    let resources = resources.as_object().unwrap();
    assert_eq!(resources.len(), 20);
    assert_eq!(resources["tokens"], format!("{uri}/tokens"));
    assert!(resources.iter().all(|(name, uri)| name == "tokens" || uri.is_null()));

    let json = app.authorized(Method::POST, &uri, &root).json(&json!({ "FriendlyName": "Production" }));
    let renamed = Answer::to(json).await;
    assert_eq!((renamed.status, &renamed.json()["friendly_name"]), (200, &json!("Production")));
    let shown = app.fetch(&format!("{uri}.json"), &root).await;
    assert_eq!((shown.status, shown.json()), (200, renamed.json()));
    assert_eq!(shown.json()["signing_key"], Value::Null);

    let own = app.fetch(&format!("{accounts}/{}", root.id), &root).await.json();
    assert_eq!((&own["owner_account_sid"], &own["subproject"]), (&json!(root.id), &json!(false)));
    let listed = app.fetch(&format!("{accounts}?FriendlyName=Production"), &root).await.json();
    assert_eq!(listed["accounts"], json!([shown.json()]));
    assert_eq!(listed["uri"], format!("{accounts}?FriendlyName=Production&Page=0&PageSize=50"));
    assert_eq!((&listed["next_page_uri"], &listed["previous_page_uri"]), (&Value::Null, &Value::Null));
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_account_has_its_code(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let child = app.subproject("Child").await;
    let accounts = format!("{COMPATIBILITY}/Accounts");
    let before = app.database.rows().await;

    for path in [accounts.clone(), format!("{accounts}/{}", child.id)] {
        for body in [json!({}), json!({ "FriendlyName": " " }), json!({ "FriendlyName": "x".repeat(251) })] {
            assert_refused(&app.send(Method::POST, &path, &root, body.clone()).await, 422, 20002, &body.to_string());
        }
        for body in [json!({ "FriendlyName": null }), json!({ "FriendlyName": 7 }), json!({ "FriendlyName": [] })] {
            assert_refused(&app.send(Method::POST, &path, &root, body.clone()).await, 400, 10000, &body.to_string());
        }
    }
    let nested = app.send(Method::POST, &accounts, &child, json!({ "FriendlyName": "Grandchild" })).await;
    assert_refused(&nested, 422, 20005, "a subproject of a subproject");
    for query in ["PageSize=0", "PageSize=1001", "PageSize=-1", "PageSize=x", "PageSize=", "PageSize=%2B5"] {
        assert_refused(&app.fetch(&format!("{accounts}?{query}"), &root).await, 400, 54454, query);
    }
    for query in ["Page=1", "Page=x", "Page=-1", "PageToken=", "PageToken=PA00", "Page=1&PageToken=x"] {
        assert_refused(&app.fetch(&format!("{accounts}?{query}"), &root).await, 400, 54453, query);
    }
    for query in ["Page=0&Page=0", "FriendlyName=%ff"] {
        assert_refused(&app.fetch(&format!("{accounts}?{query}"), &root).await, 400, 10000, query);
    }
    for query in [format!("FriendlyName={}", "x".repeat(10_240)), "FriendlyName=a%00b".to_owned()] {
        let answer = app.fetch(&format!("{accounts}?{query}"), &root).await;
        assert_eq!((answer.status, &answer.json()["accounts"]), (200, &json!([])), "{query:.40}");
    }

    assert_eq!(app.database.rows().await, before);
    app.stop().await;
}
