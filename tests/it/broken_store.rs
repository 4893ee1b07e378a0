//! What clients are told when the store fails: the truth about whether something was written, and no internals.

use reqwest::{Method, Response};
use rstest::rstest;
use serde_json::{Value, json};
use tokensmith::domain::Tenant;

use crate::support::{App, Backend, Break, BrokenStore, Database, INTERNALS, Options, When, catalogue};

async fn broken_app() -> (App, std::sync::Arc<BrokenStore>, (String, String)) {
    let database = Database::migrated(Backend::Sqlite).await;
    let store = BrokenStore::new(database.open(catalogue()));
    let app = App::start_on(database, store.clone(), Options::default()).await;
    let token = app.issue(&app.root, &["chat"]).await;
    (app, store, token)
}

/// Every management call, with a body that would do.
async fn call(app: &App, which: &str, token_id: &str) -> Response {
    let root = &app.root;
    let tokens = format!("/Accounts/{}/tokens", root.id);
    let token = format!("{tokens}/{token_id}");
    let request = match which {
        "create" => {
            app.compatibility(Method::POST, root, &tokens).json(&json!({ "name": "n", "permissions": ["chat"] }))
        }
        "update" => app.compatibility(Method::PATCH, root, &token).json(&json!({ "name": "changed" })),
        "delete" => app.compatibility(Method::DELETE, root, &token),
        "create account" => {
            app.compatibility(Method::POST, root, "/Accounts").json(&json!({ "FriendlyName": "Child" }))
        }
        "update account" => app
            .compatibility(Method::POST, root, &format!("/Accounts/{}", root.id))
            .json(&json!({ "FriendlyName": "changed" })),
        other => panic!("{other}"),
    };
    request.send().await.unwrap()
}

async fn assert_compatibility_error(response: Response, status: u16, code: u64, retries: bool) {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers().contains_key("retry-after"), retries);
    assert!(response.headers().contains_key("x-request-id"));
    let text = response.text().await.unwrap();
    assert!(!text.contains(INTERNALS), "{text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&body["code"], &body["status"]), (&json!(code), &json!(status)));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_503_and_nothing_was_written(
    #[values("create", "update", "delete", "create account", "update account")] which: &str,
    #[values(When::Always, When::Writing)] when: When,
) {
    let (app, store, (id, _)) = broken_app().await;
    let before = app.store.find_any_token(Tenant::Operator, id.parse_id()).await.unwrap();

    store.fail(Break::Away, when);
    let response = call(&app, which, &id).await;

    assert_compatibility_error(response, 503, 20503, true).await;
    store.mend();
    assert_eq!(app.store.find_any_token(Tenant::Operator, id.parse_id()).await.unwrap(), before);
    assert_eq!(count(&app).await, 2);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_store_is_500_without_a_word_of_it(
    #[values("create", "update", "delete", "create account", "update account")] which: &str,
    #[values(When::Always, When::Writing)] when: When,
) {
    let (app, store, (id, _)) = broken_app().await;

    store.fail(Break::Fault, when);
    let response = call(&app, which, &id).await;

    assert_compatibility_error(response, 500, 20504, false).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_confirmation_is_lost_is_500_and_never_503(
    #[values("create", "update", "delete", "create account", "update account")] which: &str,
) {
    let (app, store, (id, _)) = broken_app().await;

    store.fail(Break::Unconfirmed, When::Writing);
    let response = call(&app, which, &id).await;

    // An SDK repeats a POST on 503: here that would issue a second token.
    assert_compatibility_error(response, 500, 20504, false).await;
    store.mend();
    let tokens = count(&app).await;
    assert_eq!(
        tokens,
        match which {
            "create" => 3,
            "delete" => 1,
            _ => 2,
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_a_process_that_lives_from_one_that_can_work() {
    let (app, store, _) = broken_app().await;

    store.fail(Break::Away, When::Always);
    let alive = app.request(Method::GET, "/livez").send().await.unwrap();
    let ready = app.request(Method::GET, "/readyz").send().await.unwrap();

    assert_eq!(alive.status(), 200);
    assert_eq!(ready.status(), 503);
    assert!(ready.headers().contains_key("retry-after"));
    assert!(!ready.text().await.unwrap().contains(INTERNALS));
    store.fail(Break::Fault, When::Always);
    assert_eq!(app.request(Method::GET, "/readyz").send().await.unwrap().status(), 500);
    store.mend();
    assert_eq!(app.request(Method::GET, "/readyz").send().await.unwrap().status(), 200);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_rest_api_tells_the_same_truth(
    #[values("issue", "update token", "revoke", "create", "update", "rotate", "delete")] which: &str,
    #[values(Break::Away, Break::Fault, Break::Unconfirmed, Break::Undecided)] how: Break,
) {
    let (app, store, (token, _)) = broken_app().await;
    let child = app.subproject("Child").await;
    let (tokens, projects) = ("/api/project/tokens".to_owned(), "/api/projects".to_owned());
    let (method, path) = match which {
        "issue" => (Method::POST, tokens),
        "update token" => (Method::PATCH, format!("{tokens}/{token}")),
        "revoke" => (Method::DELETE, format!("{tokens}/{token}")),
        "create" => (Method::POST, projects),
        "update" => (Method::PATCH, format!("{projects}/{}", child.id)),
        "rotate" => (Method::POST, format!("{projects}/{}/signing-key/rotate", child.id)),
        "delete" => (Method::DELETE, format!("{projects}/{}", child.id)),
        other => panic!("{other}"),
    };
    let before = app.database.rows().await;

    store.fail(how, When::Writing);
    let answer = app.send(method, &path, &app.root, json!({ "name": "changed", "permissions": ["chat"] })).await;
    store.mend();

    let (status, error) = match how {
        Break::Away => (503, "Service Unavailable"),
        Break::Fault | Break::Unconfirmed | Break::Undecided => (500, "Internal Server Error"),
    };
    assert_eq!((answer.status, answer.json()["error"].as_str()), (status, Some(error)), "{}", answer.text);
    assert_eq!(answer.header("retry-after").is_some(), status == 503);
    assert!(!answer.text.contains(INTERNALS));
    assert_eq!(app.database.rows().await == before, how != Break::Unconfirmed, "what was answered is what was written");
}

async fn count(app: &App) -> u64 {
    app.store.count_holdings(app.root.id).await.unwrap().tokens
}

trait ParseId {
    fn parse_id(&self) -> tokensmith::domain::TokenId;
}

impl ParseId for String {
    fn parse_id(&self) -> tokensmith::domain::TokenId {
        tokensmith::domain::TokenId::parse(self).unwrap()
    }
}
