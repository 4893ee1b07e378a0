//! Bodies that are JSON and are called a form: curl calls every body a form, unless it is told otherwise.

use super::body;
use crate::{
    domain::{Fields, Schema},
    error::Error,
};

/// The fields of a form, unless it has no field of the request and reads like a JSON object.
///
/// # Errors
/// [`Error::MalformedBody`].
pub(super) fn form(bytes: &[u8], schema: &Schema) -> Result<Fields, Error> {
    let fields = body::form("form", bytes, schema)?;
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

    const SCHEMA: Schema = Schema { single: &["name"], repeated: &["permissions"] };

    #[test]
    fn a_form_is_refused_only_where_it_reads_like_json() {
        for read in [&b""[..], b"{", b"}", b"x={}", b"{x}&y=z", b"{}&name=", b"{&name=}", b"{&permissions[]=}"] {
            assert!(form(read, &SCHEMA).is_ok(), "{read:?}");
        }
        for json in [&b"{}"[..], b" {\"name\":\"n\"}\r\n", b"{\"x\":\"a=b\"}"] {
            assert!(matches!(form(json, &SCHEMA), Err(Error::MalformedBody(_))), "{json:?}");
        }
    }
}
