//! A request's body: read late, within its bounds of size and time, and only then looked at. That of an
//! introspection holds a secret, so its bytes and fields are wiped from memory when they are dropped.

use std::{
    fmt,
    future::{Ready, ready},
    time::Duration,
};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName},
    web::Data,
};
use futures_util::StreamExt;
use percent_encoding::percent_decode;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use super::{Settings, mislabelled};
use crate::{
    domain::{Fields, Raw, Schema},
    error::Error,
};

const FORM: &str = "application/x-www-form-urlencoded";

type Bytes = Zeroizing<Vec<u8>>;

/// A body that has not been read. Taking it as a parameter reads nothing, so that what comes first in the order
/// of checks comes first.
pub(super) struct Body {
    payload: Payload,
    content_type: Option<String>,
    encoding: Option<String>,
    content_length: Option<u64>,
    limit: usize,
    timeout: Duration,
    takes_empty_list: bool,
}

impl FromRequest for Body {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let settings = request.app_data::<Data<Settings>>().expect("the server puts it into every app");
        let headers = request.headers();
        ready(Ok(Self {
            payload: payload.take(),
            content_type: only(headers, &CONTENT_TYPE),
            encoding: joined(headers, &CONTENT_ENCODING),
            content_length: joined(headers, &CONTENT_LENGTH).and_then(|length| length.parse().ok()),
            limit: settings.body_bytes,
            timeout: settings.body_timeout,
            takes_empty_list: false,
        }))
    }
}

impl Body {
    /// The body of an update, which may change nothing. There `[]` is `{}`: PHP has one empty array for both.
    pub(super) fn of_update(self) -> Self {
        Self { takes_empty_list: true, ..self }
    }

    /// The fields of a JSON object, from a client that can send nothing else.
    ///
    /// # Errors
    /// As [`Body::form_or_json`].
    pub(super) async fn json(self, schema: &Schema) -> Result<Fields, Error> {
        let (kind, bytes) = self.arrive().await?;
        match kind.as_deref() {
            Some("application/json") => json(&bytes, schema),
            _ => Err(Error::UnsupportedBody(
                "send a JSON body with exactly one header Content-Type: application/json".to_owned(),
            )),
        }
    }

    /// The fields of a form (`application/x-www-form-urlencoded`) or a JSON object.
    ///
    /// # Errors
    /// [`Error::BodyTooLarge`], [`Error::BodyTimeout`], [`Error::UnsupportedBody`], [`Error::MalformedBody`].
    pub(super) async fn form_or_json(self, schema: &Schema) -> Result<Fields, Error> {
        let (kind, bytes) = self.arrive().await?;
        match kind.as_deref() {
            Some(FORM) => mislabelled::form(&bytes, schema),
            Some("application/json") => json(&bytes, schema),
            _ => Err(Error::UnsupportedBody(
                "send a form or JSON body with exactly one Content-Type header: application/x-www-form-urlencoded or application/json".to_owned(),
            )),
        }
    }

    /// The media type and the bytes.
    async fn arrive(mut self) -> Result<(Option<String>, Bytes), Error> {
        let bytes = self.read().await?;
        if let Some(encoding) = self.encoding.filter(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
            return Err(Error::UnsupportedBody(format!(
                "the content encoding {:?} is not supported; send the body without one",
                shorten(&encoding)
            )));
        }
        let is_for_php = self.takes_empty_list && is_empty_list(&bytes);
        let bytes = if is_for_php { Bytes::new(b"{}".to_vec()) } else { bytes };
        Ok((media_type(self.content_type.as_deref()), bytes))
    }

    /// The fields of a form and of nothing else.
    ///
    /// # Errors
    /// As [`Body::form_or_json`].
    pub(super) async fn form(self, schema: &Schema) -> Result<Fields, Error> {
        let (kind, bytes) = self.arrive().await?;
        match kind.as_deref() {
            Some(FORM) => form("form", &bytes, schema),
            _ => Err(Error::UnsupportedBody(format!("send a form with exactly one header Content-Type: {FORM}"))),
        }
    }

    async fn read(&mut self) -> Result<Bytes, Error> {
        let too_large = Error::BodyTooLarge { limit: self.limit };
        if self.content_length.is_some_and(|length| length > self.limit as u64) {
            return Err(too_large);
        }
        let deadline = Instant::now() + self.timeout;
        let mut bytes = Bytes::default();
        while let Some(chunk) = timeout_at(deadline, self.payload.next()).await.map_err(|_| Error::BodyTimeout)? {
            let chunk = chunk.map_err(|_| malformed("the request body is incomplete"))?;
            if bytes.len() + chunk.len() > self.limit {
                return Err(too_large);
            }
            append(&mut bytes, &chunk);
        }
        Ok(bytes)
    }
}

/// Adds to the bytes. Where they must move, a vector of its own accord would leave a copy behind.
fn append(bytes: &mut Bytes, chunk: &[u8]) {
    if bytes.capacity() - bytes.len() < chunk.len() {
        let mut larger = Bytes::new(Vec::with_capacity((bytes.len() + chunk.len()).max(2 * bytes.capacity())));
        larger.extend_from_slice(bytes);
        *bytes = larger;
    }
    bytes.extend_from_slice(chunk);
}

/// The value of a header that must come once.
fn only(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then(|| value.to_owned())
}

/// All values of a header, joined as RFC 9110 joins them, so that a second one is not overlooked.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<_> = headers.get_all(name).map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    if values.is_empty() { None } else { Some(values.join(", ")) }
}

/// Whether the headers announce a form.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    media_type(only(headers, &CONTENT_TYPE).as_deref()).as_deref() == Some(FORM)
}

/// The type without its parameters, in lower case.
fn media_type(content_type: Option<&str>) -> Option<String> {
    Some(content_type?.split(';').next()?.trim().to_ascii_lowercase())
}

/// The fields of a form (WHATWG URL Standard, "application/x-www-form-urlencoded parsing").
/// A query is written in the same way; `what` names it in an error.
pub(super) fn form(what: &str, bytes: &[u8], schema: &Schema) -> Result<Fields, Error> {
    // The parser puts U+FFFD where bytes are no UTF-8; separators are ASCII, so the whole can be asked before.
    let mut decoded = Bytes::new(Vec::with_capacity(bytes.len()));
    decoded.extend(percent_decode(bytes));
    if std::str::from_utf8(&decoded).is_err() {
        return Err(malformed(&format!("the {what} contains bytes that are not valid UTF-8")));
    }
    let mut fields = Fields::default();
    for (name, value) in form_urlencoded::parse(bytes) {
        let plain = name.strip_suffix("[]").unwrap_or(&name);
        if let Some(name) = schema.repeated(plain) {
            fields.append(name, value.into_owned());
        } else if let Some(name) = schema.single(&name)
            && fields.insert(name, Raw::Text(value.into_owned())).is_some()
        {
            return Err(malformed(&format!("the {what} contains {name} more than once; send it once")));
        }
    }
    Ok(fields)
}

/// Whether that is an empty JSON list.
fn is_empty_list(bytes: &[u8]) -> bool {
    bytes.iter().filter(|byte| !b" \t\r\n".contains(byte)).eq(b"[]")
}

/// The fields of a JSON object (RFC 8259).
fn json(bytes: &[u8], schema: &Schema) -> Result<Fields, Error> {
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let fields = JsonObject(schema)
        .deserialize(&mut parser)
        .and_then(|fields| parser.end().map(|()| fields))
        // The parser's own words may quote the body; where it stumbled is enough.
        .map_err(|error| {
            malformed(&format!(
                "the body is not a valid JSON object, or it repeats a field (line {}, column {})",
                error.line(),
                error.column()
            ))
        })?;
    Ok(fields)
}

struct JsonObject<'s>(&'s Schema);

impl<'de> DeserializeSeed<'de> for JsonObject<'_> {
    type Value = Fields;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Fields, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for JsonObject<'_> {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        while let Some(name) = map.next_key::<String>()? {
            match self.0.single(&name).or_else(|| self.0.repeated(&name)) {
                Some(name) => {
                    if fields.insert(name, raw(map.next_value()?)).is_some() {
                        return Err(serde::de::Error::custom("a field is repeated"));
                    }
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(fields)
    }
}

fn raw(value: Value) -> Raw {
    match value {
        Value::Null => Raw::Null,
        Value::String(text) => Raw::Text(text),
        Value::Array(values) => values
            .into_iter()
            .map(|value| if let Value::String(text) = value { Some(text) } else { None })
            .collect::<Option<Vec<_>>>()
            .map_or(Raw::Other, Raw::Texts),
        Value::Bool(flag) => Raw::Bool(flag),
        Value::Number(_) | Value::Object(_) => Raw::Other,
    }
}

fn malformed(what: &str) -> Error {
    Error::MalformedBody(what.to_owned())
}

fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCHEMA: Schema = Schema { single: &["name", "subproject_id"], repeated: &["permissions"] };

    fn texts(texts: &[&str]) -> Raw {
        Raw::Texts(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn a_form_may_mix_both_ways_to_repeat() {
        let fields =
            form("form", b"permissions=chat&name=a+b%21&permissions%5B%5D=fax&extra=1&extra=2", &SCHEMA).unwrap();

        assert_eq!(fields.get("permissions"), Some(&texts(&["chat", "fax"])));
        assert_eq!(fields.get("name"), Some(&Raw::Text("a b!".into())));
        assert_eq!(fields.get("extra"), None);
    }

    #[test]
    fn a_form_that_is_no_utf8_or_says_a_thing_twice_is_malformed() {
        for body in [&b"name=%ff"[..], b"name=\xff", b"x=%C3&name=%A9", b"name=a&name=b", b"%ff=1"] {
            assert!(matches!(form("form", body, &SCHEMA), Err(Error::MalformedBody(_))), "{body:?}");
        }
    }

    #[test]
    fn json_keeps_apart_what_a_form_cannot() {
        let fields = json(br#"{"name":null,"permissions":["chat"],"subproject_id":7,"x":[[[{}]]]}"#, &SCHEMA).unwrap();

        assert_eq!(fields.get("name"), Some(&Raw::Null));
        assert_eq!(fields.get("permissions"), Some(&texts(&["chat"])));
        assert_eq!(fields.get("subproject_id"), Some(&Raw::Other));
    }

    #[test]
    fn what_is_no_json_object_is_malformed() {
        let deep = format!("{{\"name\":{}", "[".repeat(10_000));
        let closed = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for body in [
            "",
            "null",
            "[]",
            "\"x\"",
            "7",
            "{",
            "{}{}",
            "{\"name\":\"a\",\"name\":\"b\"}",
            "{\"name\":\"\\ud800\"}",
            &deep,
            &closed,
        ] {
            assert!(matches!(json(body.as_bytes(), &SCHEMA), Err(Error::MalformedBody(_))), "{body:.40}");
        }
        assert!(json(b"{\"name\":\"\xff\"}", &SCHEMA).is_err());
    }

    /// What stands at an address of this process, whether or not it is still somebody's; nothing where no memory is.
    #[cfg(target_os = "linux")]
    fn memory((address, length): (usize, usize)) -> Bytes {
        use std::os::unix::fs::FileExt;
        let mut found = Bytes::new(vec![0; length]);
        let memory = std::fs::File::open("/proc/self/mem").unwrap();
        let read = memory.read_at(&mut found, address as u64).unwrap_or(0);
        found.truncate(read);
        found
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_was_a_secret_is_gone_from_memory_once_it_is_dropped() {
        const TOKEN: Schema = Schema { single: &["token"], repeated: &[] };
        // Long, because who frees memory writes into its first bytes.
        let text = "0123456789abcdefghij".repeat(100);
        let holds = |place| memory(place).windows(20).any(|part| *part == text.as_bytes()[..20]);
        let (mut places, mut neighbours) = (Vec::with_capacity(100), Vec::with_capacity(100));

        let mut bytes = Bytes::default();
        for chunk in format!("x=%C3%A9&token={text}").as_bytes().chunks(100) {
            append(&mut bytes, chunk);
            places.push((bytes.as_ptr().addr(), bytes.len()));
            // So that it must move to grow.
            neighbours.push(Box::new([0_u8; 100]));
        }
        let fields = form("form", &bytes, &TOKEN).unwrap();
        let Some(Raw::Text(token)) = fields.get("token") else { panic!("it is there") };
        places.push((token.as_ptr().addr(), token.len()));
        assert!(
            *token == text && places[places.len() - 2..].iter().all(|place| holds(*place)),
            "what is sought is found"
        );
        drop((bytes, fields));

        assert_eq!(places.into_iter().filter(|place| holds(*place)).count(), 0);
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = form("form", &bytes, &SCHEMA);
            let _ = json(&bytes, &SCHEMA);
        }

        #[test]
        fn a_form_reads_back_what_was_written(name in "\\PC{0,40}", permissions in proptest::collection::vec("\\PC{0,20}", 1..5)) {
            let mut written = form_urlencoded::Serializer::new(String::new());
            written.append_pair("name", &name);
            for permission in &permissions {
                written.append_pair("permissions", permission);
            }

            let fields = form("form", written.finish().as_bytes(), &SCHEMA).unwrap();

            prop_assert_eq!(fields.get("name"), Some(&Raw::Text(name)));
            prop_assert_eq!(fields.get("permissions"), Some(&Raw::Texts(permissions)));
        }
    }
}
