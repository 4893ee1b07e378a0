//! Bodies that are JSON and are called a form: curl calls every body a form, unless it is told otherwise.

use crate::{
    domain::{Fields, Schema},
    error::Error,
};

/// Refuses a form that has no field of the request and reads like a JSON object. Returns every other one.
///
/// # Errors
/// [`Error::MalformedBody`].
pub(super) fn refuse_json(bytes: &[u8], fields: Fields, schema: &Schema) -> Result<Fields, Error> {
    let text = bytes.trim_ascii();
    let is_empty = schema.single.iter().chain(schema.repeated).all(|name| fields.get(name).is_none());
    if is_empty && text.starts_with(b"{") && text.ends_with(b"}") {
        return Err(Error::MalformedBody(
            "the body looks like JSON, but its Content-Type is that of a form; send it with Content-Type: application/json"
                .to_owned(),
        ));
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Raw;

    const SCHEMA: Schema = Schema { single: &["name"], repeated: &["permissions"] };

    #[test]
    fn a_form_with_a_field_is_never_refused() {
        let named = || {
            let mut fields = Fields::default();
            fields.insert("name", Raw::Text(String::new()));
            fields
        };

        assert!(refuse_json(b"{}&name=", named(), &SCHEMA).is_ok());
        assert!(refuse_json(b"{&name=}", named(), &SCHEMA).is_ok());
        for form in [&b""[..], b"{", b"}", b"x={}", b"{x}&y=z"] {
            assert!(refuse_json(form, Fields::default(), &SCHEMA).is_ok(), "{form:?}");
        }
        for json in [&b"{}"[..], b" {\"name\":\"n\"}\r\n"] {
            assert!(matches!(refuse_json(json, Fields::default(), &SCHEMA), Err(Error::MalformedBody(_))), "{json:?}");
        }
    }
}
