//! `/auth`: whatever comes is answered 200, 401, 403 or 503, and every answer is whole.

use reqwest::{Method, RequestBuilder, header::HeaderValue};
use rstest::rstest;
use serde_json::json;
use tokensmith::domain::Catalogue;

use super::CHALLENGE;
use crate::support::{
    Answer, App, Backend, Break, BrokenStore, Database, INTERNALS, Options, Project, Raw, When, basic, catalogue,
};

const TOLD: [&str; 5] =
    ["x-auth-project-id", "x-auth-parent-project-id", "x-auth-token-id", "x-auth-token-name", "x-auth-permissions"];

const BEARER: &str = "Bearer realm=\"tokensmith\"";
const WRONG_BEARER: &str = "Bearer realm=\"tokensmith\", error=\"invalid_token\"";
const LACKING: &str = "Bearer error=\"insufficient_scope\"";

/// An answer that is whole for its status, and one of the four.
#[track_caller]
fn assert_whole(answer: &Answer, status: u16, case: &str) {
    assert_eq!(answer.status, status, "{case}: {answer:?}");
    assert_eq!(answer.text, "", "{case}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{case}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{case}");
    assert_eq!(answer.header("vary"), Some("Authorization"), "{case}");
    assert!(answer.header("x-request-id").is_some(), "{case}");
    for name in TOLD {
        assert_eq!(answer.header(name).is_some_and(|value| !value.is_empty()), status == 200, "{case}: {name}");
    }
    let challenges: Vec<&str> =
        answer.headers.iter().filter(|(name, _)| name == "www-authenticate").map(|(_, value)| value.as_str()).collect();
    match status {
        401 => assert!(
            challenges == [CHALLENGE, BEARER] || challenges == [CHALLENGE, WRONG_BEARER],
            "{case}: {challenges:?}"
        ),
        403 => {
            assert_eq!(challenges.len(), 1, "{case}");
            assert!(challenges[0].starts_with(LACKING), "{case}: {challenges:?}");
        }
        _ => assert_eq!(challenges, Vec::<&str>::new(), "{case}"),
    }
    assert_eq!(answer.header("retry-after").is_some(), status == 503, "{case}");
}

/// Whether that is one of the challenges of an answer.
fn says(answer: &Answer, challenge: &str) -> bool {
    answer.headers.iter().any(|(name, value)| name == "www-authenticate" && value == challenge)
}

async fn ask(request: RequestBuilder) -> Answer {
    Answer::to(request).await
}

/// A token of that name and with those permissions: its id, and the two ways to present it.
async fn token(app: &App, project: &Project, name: &str, permissions: &[&str]) -> (String, [String; 2]) {
    let request = app.authorized(Method::POST, &project.tokens(), project);
    let body = Answer::to(request.json(&json!({ "name": name, "permissions": permissions }))).await.json();
    let secret = body["token"].as_str().unwrap();
    let values = [basic(&format!("{}:{secret}", project.id)), format!("Bearer {secret}")];
    (body["id"].as_str().unwrap().to_owned(), values)
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn who_it_is_stands_in_five_headers_whatever_the_method_and_the_path_below(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let (root, child) = (app.root.clone(), app.subproject("Child").await);

    for project in [&root, &child] {
        let (id, values) = token(&app, project, "Zoë's, 100%/~a-b_c.d\u{1f511}", &["video", "chat"]).await;
        for value in &values {
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "BREW"] {
                for path in ["/auth", "/auth/", "/auth/a/b.json?x=y", "/auth?permission=chat", "/auth/%2F%0A%ff//"] {
                    let request = app.request(method.parse().unwrap(), path).header("authorization", value);
                    let answer = ask(request).await;

                    let case = format!("{method} {path}");
                    assert_whole(&answer, 200, &case);
                    let told: Vec<&str> = TOLD.iter().map(|name| answer.header(name).unwrap()).collect();
                    let (own, parent) = (project.id.to_string(), root.id.to_string());
                    let name = "Zo%C3%AB%27s%2C%20100%25%2F~a-b_c.d%F0%9F%94%91";
                    assert_eq!(told, [own.as_str(), &parent, &id, name, "chat video"], "{case}");
                }
            }
        }
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_asked_for_by_query_and_header_must_be_held(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let (_, [value, _]) = token(&app, &root, "holder", &["chat", "fax", "video"]).await;
    let many = |name: &str| format!("?{}", vec![format!("permission={name}"); 1000].join("&"));

    let cases: Vec<(String, &[&str], u16)> = vec![
        (String::new(), &[], 200),
        ("?permission=chat".into(), &[], 200),
        ("?permission=chat&permission=fax".into(), &["video"], 200),
        ("?permission=chat,fax".into(), &[], 200),
        ("?permission=chat+fax%20video".into(), &[], 200),
        ("?permission=%63hat".into(), &[], 200),
        ("?other=calling&permissionx=calling".into(), &[], 200),
        (String::new(), &["chat, fax  video"], 200),
        (String::new(), &["chat", "fax"], 200),
        (many("chat"), &[], 200),
        ("?permission=".into(), &[], 403),
        ("?permission".into(), &[], 403),
        ("?permission=+".into(), &[], 403),
        ("?permission=chat,".into(), &[], 403),
        ("?permission=chat,,fax".into(), &[], 403),
        ("?permission=chat&permission=".into(), &[], 403),
        ("?permission=swim".into(), &[], 403),
        ("?permission=Chat".into(), &[], 403),
        ("?permission=%ff".into(), &[], 403),
        ("?permission=chat%00".into(), &[], 403),
        ("?permission=calling".into(), &[], 403),
        ("?permission=chat".into(), &["calling"], 403),
        ("?permission=calling".into(), &["chat"], 403),
        ("?x=1&permission=chat&permission=calling&permission=chat".into(), &[], 403),
        (String::new(), &["chat", "calling"], 403),
        (String::new(), &["chat,calling"], 403),
        (String::new(), &[""], 403),
        (String::new(), &["chat", ""], 403),
        (String::new(), &[","], 403),
        (String::new(), &["chät"], 403),
        (many("calling"), &[], 403),
        // A proxy's own query behind the text of a client.
        ("?a=b?permission=calling".into(), &[], 403),
        ("??permission=calling".into(), &[], 403),
        ("?a=b;permission=calling".into(), &[], 403),
        ("?permission=chat?permission=calling".into(), &[], 403),
        // What is no separator where permissions are named is part of a name, and nobody holds that.
        ("?permission=chat;fax".into(), &[], 403),
        ("?permission=chat;".into(), &[], 403),
        // What is nearly the name asks for something as well, which nobody holds.
        ("?permissions=chat".into(), &[], 403),
        ("?Permission=chat".into(), &[], 403),
        ("?permission[]=chat".into(), &[], 403),
        ("?permission%5B%5D=chat".into(), &[], 403),
        ("?PERMISSIONS[]=chat".into(), &[], 403),
        ("?permission[0]=chat".into(), &[], 403),
        ("?permissions".into(), &[], 403),
        ("?permission=chat&permissions=chat".into(), &[], 403),
        ("?permissions=chat&permission=chat".into(), &[], 403),
        ("?a=b?Permission=chat".into(), &[], 403),
        ("?permission=chat?".into(), &[], 403),
        ("?permission?=chat".into(), &[], 403),
        ("?X-Required-Permission=chat".into(), &[], 403),
        ("?required_permission=chat".into(), &[], 403),
        ("?requiredPermissions=chat".into(), &[], 403),
        ("?permission%20=chat".into(), &[], 403),
        ("?+permission=chat".into(), &[], 403),
        ("?permission.=chat".into(), &[], 403),
        ("?permission%E2%80%8B=chat".into(), &[], 403),
        ("?permission%3Dchat".into(), &[], 403),
        ("?a%26permission=chat".into(), &[], 403),
        ("?a%3Fpermission=chat".into(), &[], 403),
        ("?a=b;permission.=chat".into(), &[], 403),
        ("?permission[a;b]=chat".into(), &[], 403),
        (many("%20"), &[], 403),
        // Nothing but the sign between stands before a proxy's own query where a client sends none.
        ("?;permission=chat".into(), &[], 200),
        ("??permission=chat".into(), &[], 200),
        ("?next=/auth%3Fpermission%3Dcalling&a%3Db=permission".into(), &[], 200),
    ];
    for (query, headers, status) in cases {
        let mut request = app.request(Method::GET, &format!("/auth{query}")).header("authorization", &value);
        for header in headers {
            request = request.header("x-required-permission", HeaderValue::from_bytes(header.as_bytes()).unwrap());
        }
        assert_whole(&ask(request).await, status, &format!("{query:.60} {headers:?}"));
        // The plural of the header is easily written as well.
        let plural = app.request(Method::GET, &format!("/auth{query}")).header("authorization", &value);
        let plural = plural.header("X-Required-Permissions", "chat");
        assert_whole(&ask(plural).await, 403, &format!("{query:.60} and the plural"));
        // Who it is comes before what they may do.
        let unknown = app.request(Method::GET, &format!("/auth{query}"));
        assert_whole(&ask(unknown).await, 401, &format!("{query:.60}"));
    }
    app.stop().await;
}

/// A proxy's header that is nearly right must not let everyone through; a client's own only narrows its own request.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_nearly_right_is_403(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();

    for (name, status) in [
        ("X-Required-Permission", 200),
        ("x-required-permission", 200),
        ("Permission", 403),
        ("Permissions", 403),
        ("Required-Permission", 403),
        ("Required_Permissions", 403),
        ("X_Required_Permission", 403),
        ("X-RequiredPermission", 403),
        ("X-Required-Permission-", 403),
        ("X-Required-Permissions", 403),
        // What clients send of their own, and what begins alike.
        ("Permissions-Policy", 200),
        ("X-Permissions", 200),
        ("X-Required-Scope", 200),
        ("X-Auth-Permissions", 200),
        ("Proxy-Authenticate", 200),
        ("Referrer-Policy", 200),
    ] {
        for query in ["", "?permission=management"] {
            let request = app.authorized(Method::GET, &format!("/auth{query}"), &root).header(name, "management");
            assert_whole(&ask(request).await, status, &format!("{name} {query}"));
        }
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn every_malformed_credential_is_401_also_beside_a_hot_one(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let (root, child) = (app.root.clone(), app.subproject("Child").await);
    let stranger = app.project("Stranger", None).await;
    let secret = &root.secret;
    let whole = root.authorization();
    let utf16: Vec<u8> = "Bearer ".encode_utf16().chain(secret.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    let hot = ask(app.request(Method::GET, "/auth").header("authorization", &whole)).await;
    assert_whole(&hot, 200, "hot");

    let mut values: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"Basic".to_vec(),
        b"Bearer".to_vec(),
        b"Basic \xff\xfe".to_vec(),
        utf16.iter().copied().filter(|byte| *byte != 0).chain(*b"\xfe\xff").collect(),
        secret.as_bytes().to_vec(),
        format!("Bearer  {secret} ").replace(" ", " x ").into_bytes(),
        format!("Bearer {} {}", &secret[..20], &secret[20..]).into_bytes(),
        format!("Bearer {secret}, {secret}").into_bytes(),
        format!("Bearer {secret},").into_bytes(),
        format!("Bearer {}", secret.to_uppercase()).into_bytes(),
        format!("Bearer {}:{secret}", root.id).into_bytes(),
        format!("Bearer\t{secret}").into_bytes(),
        format!("Basic {secret}").into_bytes(),
        format!("Digest {secret}").into_bytes(),
        format!("Token {secret}").into_bytes(),
        format!("{whole}, {whole}").into_bytes(),
        format!("Bearer PT{}", "0".repeat(48)).into_bytes(),
        basic(&root.id.to_string()).into_bytes(),
        basic(secret).into_bytes(),
        basic(&format!("{}:{secret}\0", root.id)).into_bytes(),
        basic(&format!("{}\0:{secret}", root.id)).into_bytes(),
        basic(&format!("{}:{secret}", child.id)).into_bytes(),
        basic(&format!("{}:{secret}", stranger.id)).into_bytes(),
        basic(&format!("{}:{}", root.id, child.secret)).into_bytes(),
        basic(&format!("{}:{}", root.id, stranger.secret)).into_bytes(),
        format!("Basic {}", "A".repeat(100_000)).into_bytes(),
        format!("Bearer {}", "a".repeat(100_000)).into_bytes(),
    ];
    values.push([b"Basic ".as_slice(), &utf16.iter().map(|byte| byte | 0x80).collect::<Vec<_>>()].concat());
    for value in values {
        let case = String::from_utf8_lossy(&value[..value.len().min(80)]).into_owned();
        for _ in 0..2 {
            let header = HeaderValue::from_bytes(&value).unwrap();
            let answer = ask(app.request(Method::GET, "/auth").header("authorization", header)).await;
            assert_whole(&answer, 401, &case);
            assert_eq!(says(&answer, WRONG_BEARER), value.starts_with(b"Bearer "), "{case}: {answer:?}");
        }
    }
    let wrong = ask(app.request(Method::GET, "/auth").header("authorization", format!("bEARER {}x", secret))).await;
    assert!(says(&wrong, WRONG_BEARER), "{wrong:?}");
    assert!(says(&ask(app.request(Method::GET, "/auth")).await, BEARER), "nothing was sent");
    let two = app.request(Method::GET, "/auth").header("authorization", &whole).header("authorization", &whole);
    assert_whole(&ask(two).await, 401, "two headers");
    let elsewhere = app.request(Method::GET, &format!("/auth?authorization={whole}")).header("x-authorization", &whole);
    assert_whole(&ask(elsewhere).await, 401, "in the query");
    assert_whole(&ask(app.request(Method::GET, "/auth").header("authorization", &whole)).await, 200, "hot still");
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_says_of_its_address_or_of_itself_changes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();

    let request = app.authorized(Method::GET, "/auth", &root).header("x-forwarded-for", "10.0.0.1, junk");
    let answer = ask(request.header("x-auth-project-id", "forged").header("x-auth-permissions", "video")).await;

    assert_whole(&answer, 200, "forged");
    assert_eq!(answer.header("x-auth-project-id"), Some(root.id.to_string().as_str()));
    assert_eq!(answer.header("x-auth-permissions"), Some("management"));
    let unknown = app.request(Method::GET, "/auth").header("x-forwarded-for", "127.0.0.1");
    assert_whole(&ask(unknown.header("x-auth-project-id", root.id.to_string())).await, 401, "forged");
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn no_body_is_waited_for(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut app = App::start(backend).await;
    let authorization = app.root.authorization();

    for framing in ["Content-Length: 1000", "Content-Length: 99999999", "Transfer-Encoding: chunked"] {
        for (credential, status) in [(authorization.as_str(), 200), ("Bearer x", 401)] {
            let mut raw = Raw::connect(&app).await;
            raw.send(format!(
                "POST /auth HTTP/1.1\r\nHost: h\r\nAuthorization: {credential}\r\n{framing}\r\nX-Required-Permission: management\r\n\r\n"
            ))
            .await;

            assert_whole(&raw.answer().await.unwrap(), status, framing);
        }
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_byte_by_byte_is_one_of_the_four_as_well(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let authorization = app.root.authorization();
    let long = format!("/auth?x={}&permission=management", "y".repeat(60_000));

    for (line, status) in [
        (format!("GET {long}"), 200),
        (format!("GET {}", long.replace("management", "chat")), 403),
        (format!("GET /auth/{}", "z/".repeat(20_000)), 200),
        ("GET /auth/../livez".to_owned(), 200),
        ("GET /auth/%".to_owned(), 200),
        ("GET /auth?%zz=%&permission=%".to_owned(), 403),
        ("GET http://other.example/auth".to_owned(), 200),
        ("CONNECT /auth".to_owned(), 200),
        ("X-CUSTOM /auth".to_owned(), 200),
    ] {
        let mut raw = Raw::connect(&app).await;
        raw.send(format!("{line} HTTP/1.1\r\nHost: h\r\nAuthorization: {authorization}\r\n\r\n")).await;

        assert_whole(&raw.answer().await.unwrap(), status, &line[..line.len().min(60)]);
    }
    let mut raw = Raw::connect(&app).await;
    raw.send(format!("GET /auth HTTP/1.0\r\nAuthorization: {authorization}\r\n\r\n")).await;
    assert_whole(&raw.answer().await.unwrap(), 200, "HTTP/1.0 without a host");
    app.stop().await;
}

/// What is answered before a request is one: docs/verification.md names these, for those who write a proxy's configuration.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_parser_cannot_read_as_a_request_is_answered_by_it() {
    let mut app = App::start(Backend::Sqlite).await;
    let head = format!("Host: h\r\nAuthorization: {}\r\n", app.root.authorization());
    let headers = |count: usize| (0..count).map(|i| format!("X-{i}: y\r\n")).collect::<String>();

    for (request, status) in [
        (format!("GET /auth HTTP/1.1\r\n{head}{}\r\n", headers(94)), 200),
        (format!("GET /auth HTTP/1.1\r\n{head}{}\r\n", headers(95)), 431),
        (format!("GET /auth HTTP/1.1\r\n{head}X: {}\r\n\r\n", "y".repeat(140_000)), 431),
        (format!("GET /auth?x=a<b HTTP/1.1\r\n{head}\r\n"), 400),
        (format!("GET /auth?x=a b HTTP/1.1\r\n{head}\r\n"), 400),
        (format!("GET /auth?x={} HTTP/1.1\r\n{head}\r\n", "y".repeat(66_000)), 400),
        // The rest of a target behind a '#' is never seen: what a proxy writes there asks for nothing.
        (format!("GET /auth?x=#&permission=nothing HTTP/1.1\r\n{head}\r\n"), 200),
    ] {
        let mut raw = Raw::connect(&app).await;
        raw.send(&request).await;

        let answer = raw.answer().await.unwrap();
        assert_eq!(answer.status, status, "{}", &request[..request.len().min(60)]);
        assert!(TOLD.iter().all(|name| answer.header(name).is_some() == (status == 200)));
    }
    let mut raw = Raw::connect(&app).await;
    raw.send("POST /auth HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").await;
    let said = String::from_utf8(raw.end().await).unwrap();
    assert!(said.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 Unauthorized\r\n"), "{said}");
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_token_whose_permissions_have_all_left_the_catalogue_may_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let names = ["chat", "fax"].map(str::to_owned);
    let options = Options { catalogue: Catalogue::new(names).unwrap(), ..Options::default() };
    let mut app = App::start_with(backend, options).await;
    let root = app.root.clone();
    let (_, [some, _]) = token(&app, &root, "some", &["chat", "fax"]).await;
    let (_, [none, _]) = token(&app, &root, "none", &["fax"]).await;
    app.database.execute("update tokens set permissions = 'chat telex' where name = 'some'").await;
    app.database.execute("update tokens set permissions = 'telex' where name = 'none'").await;

    let answer = ask(app.request(Method::GET, "/auth").header("authorization", &some)).await;
    assert_whole(&answer, 200, "some");
    assert_eq!(answer.header("x-auth-permissions"), Some("chat"));
    for query in ["", "?permission=telex", "?permission=fax"] {
        let request = app.request(Method::GET, &format!("/auth{query}")).header("authorization", &none);
        assert_whole(&ask(request).await, 403, query);
    }
    app.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_is_503(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let database = Database::migrated(backend).await;
    let store = BrokenStore::new(database.open(catalogue()));
    let mut app = App::start_on(database, store.clone(), Options::default()).await;
    let (root, cold) = (app.root.clone(), app.project("Cold", None).await);
    assert_whole(&ask(app.authorized(Method::GET, "/auth", &root)).await, 200, "hot");

    for how in [Break::Away, Break::Fault, Break::Unconfirmed] {
        store.fail(how, When::Always);
        assert_whole(&ask(app.authorized(Method::GET, "/auth", &cold)).await, 503, &format!("{how:?}"));
        assert_whole(&ask(app.request(Method::HEAD, "/auth").header("authorization", "junk")).await, 401, "junk");
        // Nobody can say any more whether something was revoked.
        tokio::time::sleep(tokensmith::store::SETTLED_AFTER).await;
        let hot = ask(app.authorized(Method::GET, "/auth?permission=chat", &root)).await;
        assert_whole(&hot, 503, &format!("hot, {how:?}"));
        assert!(!format!("{hot:?}").contains(INTERNALS));
        store.mend();
    }
    assert_whole(&ask(app.authorized(Method::GET, "/auth", &cold)).await, 200, "mended");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_forward_auth_however_it_is_written() {
    let mut app = App::start(Backend::Sqlite).await;
    let value = app.root.authorization();

    for path in ["/authx", "/AUTH", "/%61uth", "/%61uth/a", "//auth", "/a/../auth", "/auth%2Fa", "/auth;a", "/api/auth"]
    {
        let head = format!("GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: {value}\r\n\r\n");
        let mut raw = Raw::connect(&app).await;
        raw.send(head).await;
        let answer = raw.answer().await.unwrap();

        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert_eq!(answer.header("x-auth-project-id"), None, "{path}");
    }
    for path in ["/auth", "http://elsewhere/auth?permission=management", "/auth/../a"] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: {value}\r\n\r\n");
        let mut raw = Raw::connect(&app).await;
        raw.send(head).await;
        assert_whole(&raw.answer().await.unwrap(), 200, path);
    }
    app.stop().await;
}
