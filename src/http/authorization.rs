//! HTTP Basic (RFC 7617) and Bearer (RFC 6750), read strictly: one `Authorization` header, one credential in it.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::domain::Credential;

/// How long an encoded credential is: 36 bytes of a project's id, a colon and 50 of a secret come out even, so that there
/// is no padding, nor are there bits that stand for nothing.
const LENGTH: usize = 116;

/// The Basic credential that the headers carry; `None` where there is none, more than one, or one of another form.
pub(super) fn basic(headers: &HeaderMap) -> Option<Credential> {
    let (scheme, token) = only(headers)?;
    if scheme.eq_ignore_ascii_case(b"basic") { read_basic(token) } else { None }
}

/// As [`basic`], and a Bearer token as well.
pub(super) fn basic_or_bearer(headers: &HeaderMap) -> Option<Credential> {
    let (scheme, token) = only(headers)?;
    if scheme.eq_ignore_ascii_case(b"basic") {
        read_basic(token)
    } else if scheme.eq_ignore_ascii_case(b"bearer") {
        Credential::bearer(token)
    } else {
        None
    }
}

/// Whether the headers carry one credential, and its scheme is Bearer.
pub(super) fn is_bearer(headers: &HeaderMap) -> bool {
    only(headers).is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer"))
}

/// RFC 9110, section 11.4: the scheme's name, one or more spaces, token68.
pub(super) fn only(headers: &HeaderMap) -> Option<(&[u8], &[u8])> {
    let mut sent = headers.get_all(AUTHORIZATION);
    let (Some(value), None) = (sent.next(), sent.next()) else { return None };
    let is_space = |byte: &u8| *byte == b' ';
    let (scheme, rest) = value.as_bytes().split_at(value.as_bytes().iter().position(is_space)?);
    let spaces = rest.iter().take_while(|byte| is_space(byte)).count();
    Some((scheme, &rest[spaces..]))
}

fn read_basic(token: &[u8]) -> Option<Credential> {
    if token.len() != LENGTH {
        return None;
    }
    let mut decoded = Zeroizing::new([0; LENGTH / 4 * 3]);
    let length = STANDARD.decode_slice(token, &mut *decoded).ok()?;
    Credential::parse(&decoded[..length])
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    const PROJECT: &str = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d";
    // In two parts, so that no file of the repository holds what secret scanners look for.
    const SECRET: &str = concat!("PT", "ababababababababababababababababababababe0ac8d3a");

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    fn encoded(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn a_credential_is_read_whatever_the_case_of_the_scheme_and_the_padding() {
        let whole = encoded(&format!("{PROJECT}:{SECRET}"));
        for value in [
            whole.clone(),
            whole.replace("Basic", "bAsIc"),
            whole.replace("Basic ", "Basic   "),
            whole.trim_end_matches('=').to_owned(),
        ] {
            let credential = basic(&headers(&[value.as_bytes()])).unwrap();

            assert_eq!(credential.project.unwrap().to_string(), PROJECT);
            assert_eq!(*credential.secret.reveal(), SECRET);
        }
    }

    #[test]
    fn everything_else_is_no_credential() {
        let whole = encoded(&format!("{PROJECT}:{SECRET}"));
        let list = format!("{whole}, {whole}");
        let cases: Vec<Vec<u8>> = vec![
            b"".to_vec(),
            b"Basic".to_vec(),
            b"Basic ".to_vec(),
            b"Basic !!!!".to_vec(),
            b"Basic AA=A".to_vec(),
            list.into_bytes(),
            whole.replace("Basic", "Bearer").into_bytes(),
            whole.replace(' ', "\t").into_bytes(),
            encoded("").into_bytes(),
            encoded(PROJECT).into_bytes(),
            encoded(&format!(":{SECRET}")).into_bytes(),
            encoded(&format!("{PROJECT}:")).into_bytes(),
            encoded(&format!(" {PROJECT}:{SECRET}")).into_bytes(),
            encoded(&format!("{PROJECT} :{SECRET}")).into_bytes(),
            encoded(&format!("{PROJECT}: {SECRET}")).into_bytes(),
            encoded(&format!("{PROJECT}:{SECRET}\n")).into_bytes(),
            encoded(&format!("{PROJECT}:{SECRET}:")).into_bytes(),
            encoded(&format!("{}:{SECRET}", PROJECT.replace('-', ""))).into_bytes(),
            [b"Basic ".as_slice(), b"\xff\xfe\x80"].concat(),
        ];
        for case in cases {
            assert!(basic(&headers(&[&case])).is_none(), "{:?}", String::from_utf8_lossy(&case));
        }
        assert!(basic(&headers(&[whole.as_bytes(), whole.as_bytes()])).is_none());
        assert!(basic(&headers(&[])).is_none());
    }

    #[test]
    fn a_bearer_token_is_read_where_it_may_come() {
        let whole = format!("Bearer {SECRET}");
        for value in [whole.clone(), whole.replace("Bearer", "bEARER"), whole.replace(' ', "   ")] {
            let sent = headers(&[value.as_bytes()]);

            let credential = basic_or_bearer(&sent).unwrap();
            assert_eq!((credential.project, credential.secret.reveal().as_str()), (None, SECRET));
            assert!(basic(&sent).is_none());
        }
        for value in [
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            format!("{whole} "),
            format!("{whole} x"),
            format!("Bearer PT {}", &SECRET[2..]),
            format!("{whole}, {whole}"),
            whole.replace(' ', "\t"),
            format!("Bearer {PROJECT}:{SECRET}"),
            format!("Token {SECRET}"),
        ] {
            assert!(basic_or_bearer(&headers(&[value.as_bytes()])).is_none(), "{value}");
        }
        assert!(basic_or_bearer(&headers(&[whole.as_bytes(), whole.as_bytes()])).is_none());
        assert!(basic_or_bearer(&headers(&[encoded(&format!("{PROJECT}:{SECRET}")).as_bytes()])).is_some());
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(value in proptest::collection::vec(0x20u8..=0xff, 0..200)) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                let mut headers = HeaderMap::new();
                headers.append(AUTHORIZATION, value);
                prop_assert!(basic_or_bearer(&headers).is_none());
            }
        }

        #[test]
        fn no_decoded_text_makes_it_panic(text in "\\PC{0,100}") {
            prop_assert!(basic(&headers(&[encoded(&text).as_bytes()])).is_none());
        }
    }
}
