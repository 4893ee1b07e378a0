//! The OpenAPI 3.1 document of this version's API, made from its handlers. `tests/it/http/openapi.rs` holds it and
//! the routes to each other.

use actix_web::{
    HttpResponse,
    http::header::ContentType,
    web::{Bytes, Data},
};
use utoipa::{
    IntoResponses, Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{
    auth,
    compatibility::{accounts, tokens as compatibility_tokens},
    dialect::{ErrorBody, Failed, Flat},
    docs::in_slices,
    health, introspect,
    rest::{projects, tokens},
};
use crate::domain::Catalogue;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tokensmith",
        description = "Issues scoped API tokens for projects and subprojects, and verifies them: which token is this, and does it hold a permission?",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    servers((url = "/", description = "This server")),
    paths(
        tokens::create, tokens::list, tokens::show, tokens::update, tokens::delete,
        projects::list, projects::create, projects::show, projects::update, projects::delete,
        projects::rotate_signing_key,
        compatibility_tokens::create, compatibility_tokens::update, compatibility_tokens::delete,
        accounts::list, accounts::create, accounts::show, accounts::update,
        auth::answer, introspect::answer,
        health::livez, health::readyz,
        document, super::docs::page,
    ),
    tags(
        (name = "Tokens", description = "Tokens of the caller's project and of its subprojects."),
        (name = "Projects", description = "The caller's project and its subprojects."),
        (name = "Compatibility", description = "SignalWire's compatibility API. Its base `/api/laml/2010-04-01` has a second name, `/2010-04-01`, which some SDKs use: every path works under both, and links keep the name that was used. Each path also works with `.json` or with a slash appended."),
        (name = "Verification", description = "Verifies a token, for reverse proxies and for services that receive one."),
        (name = "Service", description = "Health, and this document. These calls need no credentials."),
    ),
    components(schemas(super::dialect::ValidationEntry<'static>)),
    modifiers(&Schemes)
)]
struct Document;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let basic = HttpBuilder::new()
            .scheme(HttpAuthScheme::Basic)
            .description(Some(
                "The user name is the id of the project that the token belongs to. The password is the secret of the token. Calls below `/api` need the permission `management`.",
            ))
            .build();
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("basic", SecurityScheme::Http(basic));
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The secret of a token. It identifies its project by itself."))
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// Errors of every call of the REST API.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes what dialect/plain.rs renders")]
pub(super) enum RestErrors {
    /// The query or the body cannot be read.
    #[response(status = 400)]
    BadRequest(#[to_schema] ErrorBody<'static>),
    /// The credentials are missing, malformed or wrong, or the token lacks `management`.
    #[response(status = 401)]
    Unauthorized(#[to_schema] ErrorBody<'static>),
    /// A browser sent the request for a page of another site. The credentials were not looked at.
    #[response(status = 403)]
    Forbidden(#[to_schema] ErrorBody<'static>),
    /// Not found in the caller's project and its subprojects.
    #[response(status = 404)]
    NotFound(#[to_schema] ErrorBody<'static>),
    /// Fields or parameters are not valid, or a rule forbids the call.
    #[response(status = 422)]
    Unprocessable(#[to_schema] Failed<'static>),
    /// Internal error. The log line with this request's id has the details. A change may have happened.
    #[response(status = 500)]
    Internal(#[to_schema] ErrorBody<'static>),
    /// Overloaded, or the database cannot be reached. Nothing was changed. Retry after `Retry-After` seconds.
    #[response(status = 503)]
    Unavailable(#[to_schema] ErrorBody<'static>),
}

/// Further errors of calls with a body.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes what dialect/plain.rs renders")]
pub(super) enum RestBodyErrors {
    /// The body did not arrive in time.
    #[response(status = 408)]
    Timeout(#[to_schema] ErrorBody<'static>),
    /// The body is too large.
    #[response(status = 413)]
    TooLarge(#[to_schema] ErrorBody<'static>),
    /// The body is not JSON.
    #[response(status = 415)]
    Unsupported(#[to_schema] ErrorBody<'static>),
}

/// Errors of every call of the compatibility API.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes what dialect/compatibility.rs renders")]
pub(super) enum CompatibilityErrors {
    /// The query or the body cannot be read, a field has the wrong type, or an id in the path is not a UUID (10000).
    /// The page token does not belong to this list (54453). The page size is out of range (54454).
    #[response(status = 400)]
    BadRequest(#[to_schema] Flat),
    /// The credentials are missing, malformed or wrong, or the token lacks `management`.
    #[response(status = 401)]
    Unauthorized(#[to_schema] Flat),
    /// A browser sent the request for a page of another site (20403). The credentials were not looked at.
    #[response(status = 403)]
    Forbidden(#[to_schema] Flat),
    /// Not found in the caller's project and its subprojects.
    #[response(status = 404)]
    NotFound(#[to_schema] Flat),
    /// Internal error. The log line with this request's id has the details. A change may have happened.
    #[response(status = 500)]
    Internal(#[to_schema] Flat),
    /// Overloaded, or the database cannot be reached. Nothing was changed. Retry after `Retry-After` seconds.
    #[response(status = 503)]
    Unavailable(#[to_schema] Flat),
}

/// Further errors of calls with a body. The 422 is described at each call, because the token calls have a shape of
/// their own.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes what dialect/compatibility.rs renders")]
pub(super) enum CompatibilityBodyErrors {
    /// The body did not arrive in time.
    #[response(status = 408)]
    Timeout(#[to_schema] Flat),
    /// The body is too large.
    #[response(status = 413)]
    TooLarge(#[to_schema] Flat),
}

/// The document, as JSON, of a server with that catalogue.
pub fn json(catalogue: &Catalogue) -> String {
    let mut document = serde_json::to_value(Document::openapi()).expect("a document of texts, numbers and lists");
    let names: Vec<&str> = catalogue.names().collect();
    for schema in ["NewToken", "TokenChange"] {
        let items = format!("/components/schemas/{schema}/properties/permissions/items");
        document.pointer_mut(&items).expect("both have permissions")["enum"] = serde_json::json!(names);
    }
    serde_json::to_string_pretty(&document).expect("it was JSON already")
}

/// The document of this server, written once.
pub(super) struct Written(Bytes);

impl Written {
    pub(super) fn new(catalogue: &Catalogue) -> Self {
        Self(json(catalogue).into())
    }
}

/// Get this document.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi", tag = "Service",
    responses((status = 200, description = "The OpenAPI 3.1 document.", body = Object))
)]
pub(super) async fn document(written: Data<Written>) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(in_slices(written.0.clone()))
}
