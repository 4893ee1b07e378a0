//! Operators who forget a line, or whose nginx has settings of its own that undo what a recipe leaves unsaid.

use reqwest::Method;

use super::{BASIC, Front, Own, assert_refused, question::service, token};
use crate::{
    proxies::TOLD,
    support::{Answer, App, Backend, Raw},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_location_that_says_nothing_or_says_it_wrong_lets_nobody_in() {
    let mut app = App::start(Backend::Sqlite).await;
    let asks = ["holds/", "holds/Calling", "holds/calling,", "holds/swim", "holds/calling/", "holds", "validity", ""];
    let location = |path: &str, asks: &str| {
        format!("location /{path}/ {{ {asks} include tokensmith/guarded.conf; proxy_pass http://backend; }}\n")
    };
    let asking = asks.iter().enumerate();
    let asking = asking.map(|(i, asked)| location(&i.to_string(), &format!("auth_request /_tokensmith/{asked};")));
    let locations: String = asking.chain([location("forgotten", "")]).collect();
    let front = Front::start(&[app.address], &Own { locations: &locations, ..Own::default() });
    let (_, authorization) = token(&app, &["calling"]).await;

    for path in (0..asks.len()).map(|i| format!("/{i}/")).chain(["/forgotten/".to_owned()]) {
        assert_refused(&front, &front.get(&path, &authorization).await, 403, &path);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "\"satisfy\" directive is duplicate")]
async fn satisfy_any_beside_a_guard_stops_nginx() {
    let locations = "location /x/ { satisfy any; auth_request /_tokensmith/valid; include tokensmith/guarded.conf; }\n";

    Front::start(&[service().address], &Own { locations, ..Own::default() });
}

/// Everything that could be wrong around the recipe and is inherited.
const AROUND: &str = r#"
  satisfy any;
  allow all;
  underscores_in_headers on;
  ignore_invalid_headers off;
  proxy_intercept_errors on;
  proxy_set_header X-Auth-Project-Id $http_x_auth_project_id;
  proxy_set_header X-Required-Permission $http_x_required_permission;
  proxy_cache_path "CACHE" keys_zone=careless:1m;
  proxy_cache careless;
  proxy_cache_valid any 1h;
  proxy_cache_key $request_uri;
  proxy_ignore_headers Cache-Control Expires Vary Set-Cookie;
  error_page 401 403 500 502 503 =200 /welcome;
"#;

#[tokio::test(flavor = "multi_thread")]
async fn settings_around_the_recipe_do_not_undo_it() {
    let mut app = App::start(Backend::Sqlite).await;
    let front = Front::start(&[app.address], &Own { http: AROUND, ..Own::default() });
    let (id, good) = token(&app, &["calling"]).await;
    let (_, other) = token(&app, &["chat"]).await;

    assert_refused(&front, &front.get("/calls/", "Bearer x").await, 401, "unknown");
    let mut raw = Raw::to(front.nginx.address()).await;
    let forged: String =
        TOLD.iter().map(|name| format!("{name}: x\r\n{}: forged\r\n", name.replace('-', "_"))).collect();
    raw.send(format!("GET /calls/ HTTP/1.1\r\nHost: h\r\nAuthorization: {good}\r\n{forged}\r\n")).await;
    assert_eq!(raw.answer().await.unwrap().status, 200);
    let heard = front.backend.only();
    assert_eq!(heard.all("x-auth-token-id"), [&id]);
    assert!(heard.headers.iter().all(|(_, value)| value != "forged"), "{heard:?}");

    front.backend.answer(500, &[]);
    assert_eq!(front.get("/calls/its-own", &good).await.status, 500);
    front.backend.take();
    assert_eq!(front.get("/me", &other).await.status, 500);
    front.backend.take();

    let revoked = Answer::to(app.authorized(Method::DELETE, &app.root.token(&id), &app.root)).await;
    assert_eq!(revoked.status, 204);
    assert_refused(&front, &front.get("/calls/", &good).await, 401, "revoked");
    app.stop().await;
    assert_refused(&front, &front.get("/calls/", &good).await, 503, "down");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_around_the_recipe_keeps_no_answer_of_the_services_and_none_of_the_backends_for_somebody_else() {
    let service = service();
    let front = Front::start(&[service.address], &Own { http: AROUND, ..Own::default() });
    let as_token = |id: &str| service.answer(200, &TOLD.map(|name| (name, format!("{id} {name}"))));

    as_token("first");
    for _ in 0..2 {
        assert_eq!(front.get("/calls/", "Anything").await.status, 200);
    }
    assert_eq!(service.take().len(), 2);
    assert_eq!(front.backend.only().all("x-auth-token-id"), ["first x-auth-token-id"]);

    as_token("second");
    assert_eq!(front.get("/calls/", "Anything").await.status, 200);
    assert_eq!(front.backend.only().all("x-auth-token-id"), ["second x-auth-token-id"]);

    service.answer(401, &[("www-authenticate", BASIC.to_owned())]);
    assert_refused(&front, &front.get("/calls/", "Anything").await, 401, "refused");
}
