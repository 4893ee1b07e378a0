//! `/docs`: a page that renders the OpenAPI document, with Swagger UI's files from this binary alone. Its
//! content-security-policy lets nothing come from another host.

use std::{borrow::Cow, convert::Infallible, sync::Arc};

use actix_web::{
    HttpResponse,
    body::{MessageBody, SizedStream},
    http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, ContentType},
    web::{Bytes, Path},
};
use futures_util::stream;

use crate::error::Error;

// No Cross-Origin-Opener-Policy: were it `same-origin` here and on another page of this server, scripts of this page could read
// that page once they have opened it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tokensmith API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<main>
<h2>Error codes</h2>
<dl>
<dt id="error-10000">10000</dt>
<dd>400: the body or the query cannot be read, a field has the wrong type, or an id in the path is not a UUID. 408: the body did not arrive in time.</dd>
<dt id="error-20003">20003</dt>
<dd>401: the credentials are missing, malformed or wrong, or the token lacks the permission management.</dd>
<dt id="error-20404">20404</dt>
<dd>404: no such path, or no such project or token in the caller's project and its subprojects.</dd>
<dt id="error-20004">20004</dt>
<dd>405: the path does not support this method. The Allow header lists the supported ones.</dd>
<dt id="error-11751">11751</dt>
<dd>413: the body is too large.</dd>
<dt id="error-20002">20002</dt>
<dd>422: FriendlyName is missing or not valid. Use 1 to 250 characters and no control characters.</dd>
<dt id="error-20005">20005</dt>
<dd>422: a subproject cannot have subprojects. Use a token of the root project.</dd>
<dt id="error-20504">20504</dt>
<dd>500: internal error. The log line with the response's X-Request-Id has the details. A change may have happened: check the current state before you retry.</dd>
<dt id="error-20503">20503</dt>
<dd>503: overloaded, or the database cannot be reached. Nothing was changed. Retry after Retry-After seconds.</dd>
<dt id="error-54453">54453</dt>
<dd>400: PageToken is not a page token of this list. Start at the first page and follow its links.</dd>
<dt id="error-54454">54454</dt>
<dd>400: PageSize is not a whole number from 1 to 1000.</dd>
<dt id="error-10003">10003</dt>
<dd>422: permissions is missing, is empty or contains an unknown permission. The message lists the allowed ones.</dd>
<dt id="error-10004">10004</dt>
<dd>422: subproject_id is not a subproject of the project.</dd>
<dt id="error-missing_required_parameter">missing_required_parameter</dt>
<dd>422: a required field is missing or blank.</dd>
<dt id="error-invalid_parameter">invalid_parameter</dt>
<dd>422: a field has the wrong type, is null, is too long, is out of range, contains control characters, or is not supported by this version.</dd>
<dt id="error-invalid_auth_token_permissions">invalid_auth_token_permissions</dt>
<dd>422: permissions is missing, is empty or contains an unknown permission. The message lists the allowed ones.</dd>
<dt id="error-invalid_subproject_id">invalid_subproject_id</dt>
<dd>422: subproject_id is not a subproject of the caller's project.</dd>
<dt id="error-page_token_is_invalid">page_token_is_invalid</dt>
<dd>422: page_token is not a page token of this list. Start at the first page and follow its links.</dd>
<dt id="error-token_limit_reached">token_limit_reached</dt>
<dd>422: the project has the maximum number of tokens. Revoke some first.</dd>
<dt id="error-nested_subprojects_not_allowed">nested_subprojects_not_allowed</dt>
<dd>422: a subproject cannot have subprojects. Use a token of the root project.</dd>
<dt id="error-only_subprojects_can_be_deleted">only_subprojects_can_be_deleted</dt>
<dd>422: only a subproject can be deleted, and only with a token of its root project.</dd>
</dl>
</main>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"#;

const START: &str =
    "SwaggerUIBundle({ url: 'openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null });\n";

/// Show this document as a page for people.
#[utoipa::path(
    get, path = "/docs", operation_id = "docs", tag = "Service",
    responses((status = 200, description = "An HTML page.", body = String, content_type = "text/html"))
)]
pub(super) async fn page() -> HttpResponse {
    answer(ContentType::html(), PAGE)
}

/// The page's files.
pub(super) async fn file(name: Path<String>) -> Result<HttpResponse, Error> {
    match name.as_str() {
        "start.js" => Ok(answer(ContentType("text/javascript; charset=utf-8".parse().expect("a media type")), START)),
        name @ ("swagger-ui.css" | "swagger-ui-bundle.js") => {
            let config = Arc::new(utoipa_swagger_ui::Config::from("openapi.json"));
            let file = utoipa_swagger_ui::serve(name, config)
                .map_err(|error| Error::internal(format!("{name} cannot be read: {error}")))?
                .ok_or_else(|| Error::internal(format!("{name} is not in this binary")))?;
            let bytes = match file.bytes {
                Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                Cow::Owned(bytes) => Bytes::from(bytes),
            };
            Ok(HttpResponse::Ok()
                .insert_header((CONTENT_SECURITY_POLICY, POLICY))
                .insert_header((CONTENT_TYPE, file.content_type))
                .body(in_slices(bytes)))
        }
        _ => Err(Error::UnknownPath),
    }
}

/// A long body, a slice at a time: the server copies what it is given into the connection's buffer, and whoever reads
/// slowly, without a credential, must not hold a copy of the whole.
pub(super) fn in_slices(bytes: Bytes) -> impl MessageBody + use<> {
    const SLICE: usize = 16 * 1024;
    let length = bytes.len() as u64;
    let slices = (0..bytes.len()).step_by(SLICE).map(move |start| {
        let end = bytes.len().min(start + SLICE);
        Ok::<_, Infallible>(bytes.slice(start..end))
    });
    SizedStream::new(length, stream::iter(slices))
}

fn answer(content_type: ContentType, body: &'static str) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_SECURITY_POLICY, POLICY)).content_type(content_type).body(body)
}
