//! Texts that hold what is different each time, and the many faces of a secret.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

/// The text with secrets, ids, moments and hints replaced by their names, so that it can stand in a snapshot.
pub fn masked(text: &str) -> String {
    // 'h' stands for a hexadecimal digit, 'd' for a decimal one.
    let patterns = [
        (format!("PT{}", "h".repeat(48)), "<secret>"),
        ("PThhhhhhhh".to_owned(), "<hint>"),
        (format!("PSK_{}", "h".repeat(32)), "<signing key>"),
        (format!("PA{}", "h".repeat(66)), "<page token>"),
        ("hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh".to_owned(), "<uuid>"),
        ("dddd-dd-ddTdd:dd:dd.ddddddZ".to_owned(), "<time>"),
        ("\"iat\":dddddddddd".to_owned(), "\"iat\":<seconds>"),
    ];
    let mut masked = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match patterns.iter().find(|(pattern, _)| begins_with(rest, pattern)) {
            Some((pattern, name)) => {
                masked.push_str(name);
                rest = &rest[pattern.len()..];
            }
            None => {
                masked.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    masked
}

fn begins_with(text: &str, pattern: &str) -> bool {
    text.len() >= pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(byte, pattern)| match pattern {
            b'h' => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            b'd' => byte.is_ascii_digit(),
            literal => byte == literal,
        })
}

/// Everything by which a secret could be known again where it has been written down.
pub fn forms_of(project: &str, secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let digits = secret.strip_prefix("PT").unwrap();
    let mut raw = [0; 24];
    base16ct::lower::decode(digits, &mut raw).unwrap();
    let listed = |bytes: &[u8]| bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ").into_bytes();
    vec![
        ("the text", secret.into()),
        ("the digits", digits.into()),
        ("the digits between selector and checksum", digits[12..40].into()),
        ("the digits in upper case", digits[12..40].to_uppercase().into()),
        ("the bytes", raw.into()),
        ("the bytes between selector and checksum", raw[6..20].into()),
        ("the bytes as a list of numbers", listed(&raw[6..20])),
        ("the text as a list of numbers", listed(&secret.as_bytes()[14..42])),
        ("the base64 of a credential", STANDARD_NO_PAD.encode(format!("{project}:{secret}")).into()),
        // What of it depends on the secret alone: the id before it has 36 bytes.
        ("the base64 of the end of a credential", STANDARD_NO_PAD.encode(format!(":{secret}"))[4..].into()),
    ]
}
