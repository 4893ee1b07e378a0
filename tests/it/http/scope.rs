//! A refused permission: which one it was, for the client and for the operator.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Backend, Operator};

const LACKING: &str = "Bearer error=\"insufficient_scope\"";

/// RFC 6750, section 3.1. What a client wrote comes back only where it is a name that the server knows.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_403_names_the_permissions_that_are_needed(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;
    let root = operator.project("Root");
    let binary = operator.serve();
    let body = json!({ "name": "holder", "permissions": ["chat"] });
    let issue = binary.compatibility(Method::POST, &root, &format!("/Accounts/{}/tokens", root.id)).json(&body);
    let secret = Answer::to(issue).await.json()["token"].as_str().unwrap().to_owned();
    // The query, the header, the scope that is told, what the log says is missing, and whether a name is unknown.
    let cases = [
        ("?permission=fax", "", Some("fax"), "fax", false),
        ("?permission=fax&permission=calling", "", Some("calling fax"), "calling fax", false),
        ("?permission=video,chat", "fax", Some("chat fax video"), "fax video", false),
        ("", "messaging", Some("messaging"), "messaging", false),
        ("?permission=swim", "", None, "", true),
        ("?permission=fax,swim", "", None, "fax", true),
        ("?permissions=fax", "", None, "", true),
        ("?permission=%22%2C%20scope%3D%22fax", "", None, "", true),
        ("?permission=%0D%0AX:%20y", "", None, "", true),
        ("?permission=", "", None, "", true),
    ];

    for (query, header, scope, ..) in cases {
        let mut request = binary.request(Method::GET, &format!("/auth{query}")).bearer_auth(&secret);
        if !header.is_empty() {
            request = request.header("x-required-permission", header);
        }
        let answer = Answer::to(request).await;

        assert_eq!(answer.status, 403, "{query}");
        let expected = scope.map_or(LACKING.to_owned(), |scope| format!("{LACKING}, scope=\"{scope}\""));
        assert_eq!(answer.header("www-authenticate"), Some(expected.as_str()), "{query}");
    }

    let lines = binary.stop().1;
    let refused: Vec<Value> = lines
        .iter()
        .filter(|line| line.contains("refused: the token does not hold all permissions that are needed"))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let said: Vec<_> =
        refused.iter().map(|line| (&line["permission.missing"], &line["permission.is_unknown"])).collect();
    let expected = cases.map(|(.., missing, is_unknown)| (json!(missing), json!(is_unknown)));
    assert_eq!(said, expected.iter().map(|(missing, is_unknown)| (missing, is_unknown)).collect::<Vec<_>>());
    assert!(!lines.iter().any(|line| line.contains("swim")), "a client's text is in the log");
}
