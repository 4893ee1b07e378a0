//! The account calls of the compatibility API.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use super::{assert_common, assert_refused};
use crate::support::{Answer, App, Backend, COMPATIBILITY, COMPATIBILITY_BASES, Options};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_made_shown_renamed_and_listed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values("/api/laml/2010-04-01", "/2010-04-01")] base: &str,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let accounts = format!("{base}/Accounts");

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
        "region_preference": "us",
        "uri": uri,
        "subproject": true,
        "signing_key": null,
        "subresource_uris": null,
    });
    assert_eq!(body, expected);
    // What SignalWire's document requires as a text or as null, and ours.
    let below = |path: &str| json!(format!("{uri}/{path}"));
    let expected = json!({
        "addresses": null,
        "available_phone_numbers": below("AvailablePhoneNumbers"),
        "applications": below("Applications"),
        "authorized_connect_apps": null,
        "calls": below("Calls"),
        "conferences": below("Conferences"),
        "connect_apps": null,
        "incoming_phone_numbers": below("IncomingPhoneNumbers"),
        "keys": null,
        "notifications": null,
        "outgoing_caller_ids": null,
        "queues": below("Queues"),
        "recordings": below("Recordings"),
        "sandbox": null,
        "sip": null,
        "short_codes": null,
        "messages": below("Messages"),
        "transcriptions": below("Transcriptions"),
        "usage": null,
        "tokens": below("tokens"),
    });
    assert_eq!(resources, expected);
    for (name, path) in resources.as_object().unwrap() {
        if let Some(path) = path.as_str().filter(|_| name != "tokens") {
            assert_refused(&app.fetch(path, &root).await, 404, 20404, path);
        }
    }

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
    let mut app = App::start_with(backend, Options { subprojects_per_project: 1, ..Options::default() }).await;
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
    let full = app.send(Method::POST, &accounts, &root, json!({ "FriendlyName": "One too many" })).await;
    assert_refused(&full, 422, 20006, "a second subproject");
    assert_eq!(
        full.json()["message"],
        "the project already has the maximum number of subprojects (1); delete some first"
    );
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

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn links_keep_the_base_and_page_tokens_fit_both(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    for n in 0..5 {
        app.subproject(&format!("Child {n}")).await;
    }
    let [long, short] = COMPATIBILITY_BASES;

    for (base, other) in [(long, short), (short, long)] {
        let first = app.fetch(&format!("{base}/Accounts?PageSize=2"), &root).await.json();
        let next = first["next_page_uri"].as_str().unwrap().to_owned();
        let second = app.fetch(&next, &root).await.json();
        for body in [&first, &second] {
            for name in ["uri", "first_page_uri", "next_page_uri", "previous_page_uri"] {
                if let Some(link) = body[name].as_str() {
                    assert!(link.starts_with(&format!("{base}/Accounts?")), "{name}: {link}");
                }
            }
            for account in body["accounts"].as_array().unwrap() {
                let uri = format!("{base}/Accounts/{}", account["sid"].as_str().unwrap());
                assert_eq!(account["uri"], uri);
                assert_eq!(account["subresource_uris"]["calls"], format!("{uri}/Calls"));
            }
        }
        assert!(second["previous_page_uri"].is_string());

        let by_the_other_name = app.fetch(&next.replace(base, other), &root).await;
        assert_eq!(by_the_other_name.status, 200, "{}", by_the_other_name.text);
        let sids = |body: &Value| -> Vec<Value> {
            body["accounts"].as_array().unwrap().iter().map(|account| account["sid"].clone()).collect()
        };
        assert_eq!(sids(&by_the_other_name.json()), sids(&second));
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_region_preference_is_the_configured_text(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let options = Options { region_preference: "eu-west".to_owned(), ..Options::default() };
    let mut app = App::start_with(backend, options).await;
    let root = app.root.clone();

    let accounts = format!("{COMPATIBILITY}/Accounts");
    let made = app.send(Method::POST, &accounts, &root, json!({ "FriendlyName": "n" })).await.json();
    let shown = app.fetch(&format!("{accounts}/{}", root.id), &root).await.json();
    let listed = app.fetch(&accounts, &root).await.json();
    let project = app.send(Method::POST, "/api/projects", &root, json!({ "name": "n" })).await.json();
    let projects = app.fetch("/api/projects", &root).await.json();

    for body in [&made, &shown, &listed["accounts"][0], &listed["accounts"][1], &project, &projects["data"][0]] {
        assert_eq!(body["region_preference"], "eu-west", "{body}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_a_list_of_accounts_does_not_know_are_ignored() {
    let mut app = App::start(Backend::Sqlite).await;
    let root = app.root.clone();
    app.subproject("Child").await;

    let listed = app.fetch(&format!("{COMPATIBILITY}/Accounts?Status=active&PageSize=1&x[]=1&x[]=2"), &root).await;

    assert_eq!(listed.status, 200, "{}", listed.text);
    assert_eq!(listed.json()["accounts"].as_array().unwrap().len(), 1);
    app.stop().await;
}
