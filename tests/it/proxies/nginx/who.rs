//! Who gets in, and what the backend is told of them.

use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use tokensmith::domain::Catalogue;

use super::{Front, assert_refused, token};
use crate::{
    proxies::TOLD,
    support::{Answer, App, Backend, Options, Project, basic},
};

/// A token of that name, whole: its id, and the two ways to present it.
async fn named(app: &App, project: &Project, name: &str, permissions: &[&str]) -> (String, [String; 2]) {
    let request = app.authorized(Method::POST, &project.tokens(), project);
    let answer = Answer::to(request.json(&json!({ "name": name, "permissions": permissions }))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let (body, project) = (answer.json(), project.id);
    let secret = body["token"].as_str().unwrap();
    (body["id"].as_str().unwrap().to_owned(), [basic(&format!("{project}:{secret}")), format!("Bearer {secret}")])
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_backend_is_told_who_it_is_and_never_hears_the_secret(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let (root, child) = (app.root.clone(), app.subproject("Child").await);
    let front = Front::asking(app.address);

    for project in [&root, &child] {
        let (id, ways) = named(&app, project, "Zoë's \u{1f511}", &["video", "messaging", "calling"]).await;
        for authorization in &ways {
            for path in ["/calls/a/b?x=y%20z&permission", "/rooms/", "/me"] {
                for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
                    let request = front.request(method.parse().unwrap(), path).header("authorization", authorization);
                    let answer = Answer::to(request).await;

                    assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
                    let heard = front.backend.only();
                    assert_eq!((heard.method.as_str(), heard.target.as_str()), (method, path));
                    let (own, parent) = (project.id.to_string(), root.id.to_string());
                    let name = "Zo%C3%AB%27s%20%F0%9F%94%91";
                    let told = TOLD.map(|name| heard.all(name));
                    assert_eq!(told, [[own.as_str()], [&parent], [&id], [name], ["calling messaging video"]]);
                    assert_eq!(heard.all("authorization"), [""; 0]);
                }
            }
        }
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn who_shows_no_valid_token_is_challenged_twice(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let (root, child) = (app.root.clone(), app.subproject("Child").await);
    let front = Front::asking(app.address);

    for authorization in [
        String::new(),
        "Basic".to_owned(),
        "Digest x".to_owned(),
        root.secret.clone(),
        format!("Bearer PT{}", "0".repeat(48)),
        format!("Bearer {}, {}", root.secret, root.secret),
        format!("{}, {}", root.authorization(), root.authorization()),
        basic(&format!("{}:{}", child.id, root.secret)),
        basic(&format!("{}:{}", root.id, child.secret)),
    ] {
        for path in ["/calls/", "/rooms/", "/me"] {
            let answer = front.get(path, &authorization).await;

            assert_refused(&front, &answer, 401, path);
        }
    }
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        let answer = Answer::to(front.request(method.clone(), "/calls/")).await;
        assert_refused(&front, &answer, 401, method.as_str());
    }
    // A body that nobody will read is no reason to say something else.
    let answer = Answer::to(front.request(Method::POST, "/calls/").body(vec![b'x'; 1 << 20])).await;
    assert_refused(&front, &answer, 401, "with a body");
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn who_holds_too_little_is_forbidden(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let front = Front::asking(app.address);

    for (held, [calls, rooms, me]) in [
        (&["calling"][..], [200, 403, 200]),
        (&["messaging"], [403, 403, 200]),
        (&["video"], [403, 403, 200]),
        (&["video", "messaging"], [403, 200, 200]),
        (&["management"], [403, 403, 200]),
    ] {
        let (_, authorization) = token(&app, held).await;
        for (path, status) in [("/calls/", calls), ("/rooms/1", rooms), ("/me", me)] {
            let answer = front.get(path, &authorization).await;

            if status == 200 {
                assert_eq!(answer.status, 200, "{held:?} {path}");
                front.backend.only();
            } else {
                assert_refused(&front, &answer, status, &format!("{held:?} {path}"));
            }
        }
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_away_is_refused_from_the_very_next_request_on(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let front = Front::asking(app.address);
    // By way of the proxy as well, as the recipe publishes it.
    let manage = |method, id: &str| {
        let request = front.request(method, &root.token(id)).header("host", "tokens.example.com");
        request.header("authorization", root.authorization())
    };

    for _ in 0..10 {
        let (id, authorization) = token(&app, &["calling"]).await;
        for _ in 0..3 {
            assert_eq!(front.get("/calls/", &authorization).await.status, 200);
        }
        front.backend.take();

        let narrowed = Answer::to(manage(Method::PATCH, &id).json(&json!({ "permissions": ["video"] }))).await;
        assert_eq!(narrowed.status, 200, "{narrowed:?}");
        assert_refused(&front, &front.get("/calls/", &authorization).await, 403, "narrowed");

        let revoked = Answer::to(manage(Method::DELETE, &id)).await;
        assert_eq!(revoked.status, 204, "{revoked:?}");
        assert_refused(&front, &front.get("/calls/", &authorization).await, 401, "revoked");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_services_own_api_takes_a_post_without_a_body_by_way_of_nginx() {
    let mut app = App::start(Backend::Sqlite).await;
    let (root, child) = (app.root.clone(), app.subproject("Child").await);
    let front = Front::asking(app.address);

    let request = front.request(Method::POST, &format!("/api/projects/{}/signing-key/rotate", child.id));
    let request = request.header("host", "tokens.example.com").header("authorization", root.authorization());
    let answer = Answer::to(request).await;

    assert_eq!(answer.status, 200, "{answer:?}");
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_longest_name_and_all_permissions_fit(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    // With the two that are always known, 128 names of the longest kind.
    let names: Vec<String> = (0..126).map(|i| format!("calling{i:057}")).chain(["calling".to_owned()]).collect();
    let names = &names[1..];
    let catalogue = Catalogue::new(names.iter().cloned()).unwrap();
    let mut app = App::start_with(backend, Options { catalogue, ..Options::default() }).await;
    let (front, root) = (Front::asking(app.address), app.root.clone());
    let held: Vec<&str> = names.iter().map(String::as_str).chain(["management", "introspection"]).collect();
    let (id, [authorization, _]) = named(&app, &root, &"\u{1f511}".repeat(250), &held).await;

    let answer = front.get("/calls/", &authorization).await;

    assert_eq!(answer.status, 200, "{answer:?}");
    let heard = front.backend.only();
    assert_eq!(heard.all("x-auth-token-id"), [id]);
    assert_eq!(heard.all("x-auth-token-name"), ["%F0%9F%94%91".repeat(250)]);
    let permissions = heard.all("x-auth-permissions").concat();
    assert!(permissions.split(' ').eq(held), "{permissions}");
    assert!(permissions.len() > 8_000);
    app.stop().await;
}
