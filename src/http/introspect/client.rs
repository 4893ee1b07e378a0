//! How a client proves itself at `/oauth` (RFC 6749, section 2.3.1): by HTTP Basic, whose two parts may be form-encoded,
//! or by `client_id` and `client_secret` in the form. The client's id is its project's, its secret a token's.
//!
//! Only in the second case is a body read before anyone has proven anything: a POST of a form, without an
//! `Authorization` header. Its bounds of size and time are those of every body.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    body::{EitherBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{AUTHORIZATION, HeaderMap},
    },
    middleware::Next,
    web::Data,
};
use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use percent_encoding::percent_decode;
use zeroize::Zeroizing;

use super::{CLIENT_ID, CLIENT_SECRET, FIELDS, text};
use crate::{
    domain::{Credential, Fields, INTROSPECTION, MANAGEMENT},
    error::Error,
    http::{
        authenticate::name_in_log,
        authorization,
        body::{Body, is_form},
    },
    service::{Caller, Service},
};

/// What lets a caller look tokens up: either of them.
const MAY_INTROSPECT: [&str; 2] = [INTROSPECTION, MANAGEMENT];

/// The longest encoded credential: 87 characters, each written as a percent sign and two digits, in base64.
const LONGEST: usize = 87 * 3 * 4 / 3;

/// Base64 as RFC 7617 has it; its padding may be left out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A client that has proven itself. Only [`authenticate`] makes one.
pub(in crate::http) enum Client {
    /// By its header. The body is unread, and while it arrives the credential may die.
    ByHeader(Credential),
    /// By the form, which has been read.
    ByForm(Caller, Fields),
}

impl Client {
    /// The caller, alive after the form has arrived, and the form's fields.
    pub(super) async fn form(self, service: &Service, body: Body) -> Result<(Caller, Fields), Error> {
        match self {
            Self::ByHeader(credential) => {
                let fields = body.form(&FIELDS).await?;
                if text(&fields, CLIENT_SECRET).is_some() {
                    return Err(Error::MalformedBody(
                        "send the credentials in the Authorization header or in the form, not in both".to_owned(),
                    ));
                }
                Ok((prove(service, &credential).await?, fields))
            }
            Self::ByForm(caller, fields) => Ok((caller, fields)),
        }
    }
}

impl FromRequest for Client {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let client = request.extensions_mut().remove::<Self>();
        ready(client.ok_or_else(|| Error::internal("a route that takes a client asks none to prove itself")))
    }
}

/// Middleware: lets through a client that proves itself with a token that may look others up.
pub(in crate::http) async fn authenticate<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    match identify(&mut request).await {
        Ok(client) => {
            request.extensions_mut().insert(client);
            Ok(next.call(request).await?.map_into_left_body())
        }
        Err(error) => Ok(request.error_response(error).map_into_right_body()),
    }
}

/// Proves a credential, and that its token may look others up.
async fn prove(service: &Service, credential: &Credential) -> Result<Caller, Error> {
    service.authenticate_for_one_of(credential, &MAY_INTROSPECT).await
}

async fn identify(request: &mut ServiceRequest) -> Result<Client, Error> {
    let service = request.app_data::<Data<Service>>().expect("the server puts it into every app").clone();
    if !may_be_in_the_form(request) {
        let credential = by_header(request.headers()).ok_or_else(|| service.refuse_without_credentials())?;
        name_in_log(&prove(&service, &credential).await?, request.request());
        return Ok(Client::ByHeader(credential));
    }
    let fields = request.extract::<Body>().await?.form(&FIELDS).await?;
    let credential = by_form(&fields).ok_or_else(|| service.refuse_without_credentials())?;
    let caller = prove(&service, &credential).await?;
    name_in_log(&caller, request.request());
    Ok(Client::ByForm(caller, fields))
}

fn may_be_in_the_form(request: &ServiceRequest) -> bool {
    request.method() == Method::POST && !request.headers().contains_key(AUTHORIZATION) && is_form(request.headers())
}

fn by_form(fields: &Fields) -> Option<Credential> {
    Credential::of(text(fields, CLIENT_ID)?, text(fields, CLIENT_SECRET)?)
}

fn by_header(headers: &HeaderMap) -> Option<Credential> {
    authorization::basic(headers).or_else(|| {
        let (scheme, token) = authorization::only(headers)?;
        if scheme.eq_ignore_ascii_case(b"basic") { read_encoded(token) } else { None }
    })
}

/// A credential with a percent sign in it: each part is decoded by itself, after the colon between them was found.
/// Neither an id nor a secret holds a space, a colon or what is not ASCII, so a part that decodes to one is none.
fn read_encoded(token: &[u8]) -> Option<Credential> {
    if token.len() > LONGEST {
        return None;
    }
    let mut decoded = Zeroizing::new([0; LONGEST / 4 * 3]);
    let length = BASE64.decode_slice(token, &mut *decoded).ok()?;
    let text = &decoded[..length];
    if !text.contains(&b'%') {
        return None;
    }
    let (id, secret) = text.split_at(text.iter().position(|byte| *byte == b':')?);
    let part = |encoded: &[u8]| {
        let mut plain = Zeroizing::new(Vec::with_capacity(encoded.len()));
        plain.extend(percent_decode(encoded));
        plain
    };
    Credential::of(&*part(id), &*part(&secret[1..]))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    const PROJECT: &str = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d";
    // In two parts, so that no file of the repository holds what secret scanners look for.
    const SECRET: &str = concat!("PT", "ababababababababababababababababababababe0ac8d3a");

    fn read(value: &str) -> Option<Credential> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        by_header(&headers)
    }

    fn encode_all(text: &str) -> String {
        let hex = base16ct::lower::encode_string(text.as_bytes());
        hex.as_bytes().chunks(2).flat_map(|digits| [b'%', digits[0], digits[1]]).map(char::from).collect()
    }

    #[test]
    fn both_parts_may_be_form_encoded() {
        let hyphens = PROJECT.replace('-', "%2D");
        for text in [
            format!("{PROJECT}:{SECRET}"),
            format!("{hyphens}:{SECRET}"),
            format!("{}:{SECRET}", hyphens.to_lowercase()),
            format!("{PROJECT}:%50T{}", &SECRET[2..]),
            format!("{}:{}", encode_all(PROJECT), encode_all(SECRET)),
        ] {
            for encoded in [STANDARD.encode(&text), STANDARD_NO_PAD.encode(&text)] {
                let credential = read(&format!("bASIC  {encoded}")).expect(&text);

                assert_eq!(credential.project.unwrap().to_string(), PROJECT, "{text}");
                assert_eq!(*credential.secret.reveal(), SECRET, "{text}");
            }
        }
    }

    #[test]
    fn what_decodes_to_something_else_is_no_credential() {
        let hyphens = PROJECT.replace('-', "%2D");
        for text in [
            // The colon between them, decoded, and one more.
            format!("{PROJECT}%3A{SECRET}"),
            format!("{hyphens}%3A:{SECRET}"),
            format!("{hyphens}:%3A{SECRET}"),
            format!("{hyphens}:{SECRET}%3A"),
            format!("{hyphens}::{SECRET}"),
            // Not UTF-8, a null byte, malformed sequences.
            format!("{hyphens}%ff:{SECRET}"),
            format!("{hyphens}:{SECRET}%C3"),
            format!("{hyphens}%00:{SECRET}"),
            format!("{hyphens}%zz:{SECRET}"),
            format!("{hyphens}:{SECRET}%"),
            format!("{hyphens}:{SECRET}%2"),
            // Spaces, and encoded twice.
            format!("{hyphens}+:{SECRET}"),
            format!("+{hyphens}:{SECRET}"),
            format!("{hyphens}:{SECRET}%20"),
            format!("{hyphens}:{SECRET}%0A"),
            format!("{}:{SECRET}", hyphens.replace('%', "%25")),
            format!("{}:{SECRET}", PROJECT.replace('-', "+")),
            hyphens.clone(),
            format!("{hyphens}:"),
            format!(":{}", encode_all(SECRET)),
            "%".to_owned(),
            format!("{}:{}", encode_all(PROJECT), encode_all(&format!("{SECRET}0"))),
        ] {
            assert!(read(&format!("Basic {}", STANDARD.encode(&text))).is_none(), "{text}");
            assert!(read(&format!("Bearer {}", STANDARD.encode(&text))).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_credential_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read_encoded(&bytes);
            let _ = read_encoded(STANDARD.encode(&bytes).as_bytes());
        }
    }
}
