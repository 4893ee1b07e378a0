//! An nginx whose operator has written the lines for WebSockets everywhere, in front of the service itself.

use reqwest::{Client, Method};
use rstest::rstest;
use serde_json::json;

use crate::support::{Answer, App, Backend, Nginx};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn lines_for_websockets_before_kept_connections_cost_no_request(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut app = App::start(backend).await;
    let root = app.root.clone();
    let nginx = Nginx::serve(|port| {
        format!(
            "upstream tokensmith {{ server {}; keepalive 8; }}\n\
             server {{\n\
               listen 127.0.0.1:{port};\n\
               location / {{\n\
                 proxy_pass http://tokensmith;\n\
                 proxy_http_version 1.1;\n\
                 proxy_next_upstream off;\n\
                 proxy_set_header Upgrade $http_upgrade;\n\
                 proxy_set_header Connection \"upgrade\";\n\
               }}\n\
             }}",
            app.address
        )
    });
    let client = Client::builder().no_proxy().build().unwrap();
    let url = |path: &str| format!("http://{}{path}", nginx.address());

    for number in 0..50 {
        let body = json!({ "name": "n", "permissions": ["chat"] });
        let issue = client.request(Method::POST, url("/api/project/tokens")).json(&body);
        let auth = client.request(Method::POST, url("/auth?permission=management"));
        for request in [issue, auth] {
            let answer = Answer::to(request.header("authorization", root.authorization())).await;

            assert_eq!(answer.status, 200, "{number}: {answer:?}");
        }
    }
    app.stop().await;
}
