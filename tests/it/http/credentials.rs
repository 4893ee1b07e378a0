//! Credentials that prove nothing, or too little: each kind there is.

use reqwest::Method;

use super::NOBODY;
use crate::support::{App, Project, basic};

/// Values of the `Authorization` header that prove nothing, or too little.
pub(super) async fn wrong_credentials(
    app: &App,
    root: &Project,
    child: &Project,
    stranger: &Project,
) -> Vec<(&'static str, Option<String>)> {
    let pair = |user: &Project, secret: &str| Some(basic(&format!("{}:{secret}", user.id)));
    let (dead_id, dead) = app.issue(root, &["management"]).await;
    let (_, weak) = app.issue(root, &["chat", "introspection", "video"]).await;
    let deleted = app.authorized(Method::DELETE, &root.token(&dead_id), root).send().await.unwrap();
    assert_eq!(deleted.status(), 204);
    let whole = root.authorization();
    vec![
        ("no credential", None),
        ("an empty header", Some(String::new())),
        ("the scheme alone", Some("Basic".to_owned())),
        ("no base64", Some("Basic !!!".to_owned())),
        ("another scheme", Some(whole.replace("Basic", "Bearer"))),
        ("a bearer secret", Some(format!("Bearer {}", root.secret))),
        ("no colon", Some(basic(&root.id.to_string()))),
        ("a wrong checksum", pair(root, &format!("PT{}", "0".repeat(48)))),
        ("a secret in upper case", pair(root, &root.secret.to_uppercase())),
        ("a wrong secret under a right selector", pair(root, &with_other_byte(&root.secret, 10))),
        ("an unknown selector", pair(root, &with_other_byte(&root.secret, 0))),
        ("a dead token", pair(root, &dead)),
        ("a token without management", pair(root, &weak)),
        ("another project's token", pair(root, &stranger.secret)),
        ("a subproject's token under its parent's id", pair(root, &child.secret)),
        ("a parent's token under its subproject's id", pair(child, &root.secret)),
        ("a token under an unknown project", Some(basic(&format!("{NOBODY}:{}", root.secret)))),
    ]
}

/// The secret with another byte at that place and the checksum made right again.
fn with_other_byte(secret: &str, at: usize) -> String {
    let mut bytes = base16ct::lower::decode_vec(&secret[2..]).unwrap();
    bytes[at] ^= 0xff;
    let checksum = crc32fast::hash(&bytes[..20]).to_be_bytes();
    bytes[20..].copy_from_slice(&checksum);
    format!("PT{}", base16ct::lower::encode_string(&bytes))
}
