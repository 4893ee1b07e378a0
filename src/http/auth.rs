//! `/auth`: forward-auth. A reverse proxy asks here, for each of its clients' requests, who that is and whether they
//! may; it passes the client's own `Authorization` on.
//!
//! Proxies turn every status that they do not expect into 500, so whatever comes is answered 200, 401, 403 or 503. No
//! body is read, and nothing is sent but headers.

use actix_web::{
    body::BoxBody,
    dev::{RequestHead, Response},
    http::{
        StatusCode,
        header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, VARY, WWW_AUTHENTICATE},
    },
    web::{Bytes, BytesMut},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::{Uuid, fmt::Hyphenated};

use super::{
    AUTH, authorization,
    browsers::is_below,
    dialect::{self, CHALLENGE},
    request::Identified,
};
use crate::{
    domain::{Catalogue, Needed, PermissionSet},
    error::Error,
    service::{Granted, Refusal as Counted, Service},
};

const PERMISSION: &str = "permission";
const X_REQUIRED_PERMISSION: HeaderName = HeaderName::from_static("x-required-permission");
const X_AUTH_PROJECT_ID: HeaderName = HeaderName::from_static("x-auth-project-id");
const X_AUTH_PARENT_PROJECT_ID: HeaderName = HeaderName::from_static("x-auth-parent-project-id");
const X_AUTH_TOKEN_ID: HeaderName = HeaderName::from_static("x-auth-token-id");
const X_AUTH_TOKEN_NAME: HeaderName = HeaderName::from_static("x-auth-token-name");
const X_AUTH_PERMISSIONS: HeaderName = HeaderName::from_static("x-auth-permissions");

/// The letters of the names that ask for permissions, and of those that are easily written in their place.
const STEMS: [&str; 6] = [
    "permission",
    "permissions",
    "requiredpermission",
    "requiredpermissions",
    "xrequiredpermission",
    "xrequiredpermissions",
];

/// RFC 6750, section 3.
const BEARER_CHALLENGE: &str = "Bearer realm=\"tokensmith\"";

/// The same where a Bearer credential was sent (section 3.1).
const WRONG_BEARER_CHALLENGE: &str = "Bearer realm=\"tokensmith\", error=\"invalid_token\"";

/// The most bytes of permissions that a 403 names. Proxies have little room for the headers of an answer.
const SCOPE_BYTES: usize = 1024;

/// Everything but the unreserved characters of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Verify the credentials of a request, for a reverse proxy that forwards its client's `Authorization` header.
///
/// Any method works, here and on every path below. No body is read, and the answer has none.
#[utoipa::path(
    get, path = "/auth", operation_id = "forwardAuth", tag = "Verification",
    security(("basic" = []), ("bearer" = [])),
    params(
        ("permission" = Option<Vec<String>>, Query, description = "A permission that the token must hold. Repeat it to require several."),
        ("X-Required-Permission" = Option<String>, Header, description = "More required permissions, separated by spaces or commas."),
    ),
    responses(
        (status = 200, description = "The token is valid and holds every required permission.", headers(
            ("X-Auth-Project-Id" = String, description = "The token's project."),
            ("X-Auth-Parent-Project-Id" = String, description = "The parent of that project. For a root project, its own id."),
            ("X-Auth-Token-Id" = String, description = "The id of the token."),
            ("X-Auth-Token-Name" = String, description = "The name of the token: UTF-8, percent-encoded."),
            ("X-Auth-Permissions" = String, description = "All permissions of the token, separated by spaces."),
        )),
        (status = 401, description = "The credentials are missing, malformed or wrong."),
        (status = 403, description = "The token is valid but lacks a required permission. WWW-Authenticate names the required ones."),
        (status = 503, description = "The service cannot verify the token now. Do not let the request through."),
    )
)]
pub(super) async fn answer(request: &RequestHead, service: &Service, identified: &Identified) -> Response<BoxBody> {
    let mut response = match decide(request, service).await {
        Ok(granted) => allowed(service, &granted),
        Err(refusal) => {
            log(&refusal, service, identified);
            refused(&refusal, service.catalogue(), request.headers())
        }
    };
    // Two clients at one address of a proxy differ in this header.
    response.headers_mut().insert(VARY, HeaderValue::from_static("Authorization"));
    response
}

/// Why a request may not pass.
enum Refusal {
    /// The token is valid and does not hold all that is needed.
    Lacking { needed: Needed, held: PermissionSet },
    /// Nothing is known of its token.
    Unproven(Error),
}

async fn decide(request: &RequestHead, service: &Service) -> Result<Granted, Refusal> {
    let credential = authorization::basic_or_bearer(request.headers());
    let credential = credential.ok_or_else(|| Refusal::Unproven(service.refuse_without_credentials()))?;
    let granted = service.verify(&credential).await.map_err(Refusal::Unproven)?;
    let query = request.uri.query().unwrap_or_default();
    let needed = needed(service.catalogue(), query, request.headers());
    // A token whose every permission has left the catalogue may do nothing, and has no permissions to be named.
    if needed.is_met_by(granted.permissions) && !granted.permissions.is_empty() {
        return Ok(granted);
    }
    service.count_refusal(Counted::MissingPermission);
    Err(Refusal::Lacking { needed, held: granted.permissions })
}

/// All that the query and the headers ask for. Proxies pass a client's own query and headers on, so that either may
/// hold what the client wrote: more of it can only ask for more.
fn needed(catalogue: &Catalogue, query: &str, headers: &HeaderMap) -> Needed {
    let mut needed = Needed::default();
    // Nearly every query is one known name, and reading it as if it were not costs more than finding the grant.
    let value = query.strip_prefix(PERMISSION).and_then(|rest| rest.strip_prefix('='));
    let is_one = value.is_some_and(|name| needed.add_if_known(catalogue, name));
    if !query.is_empty() && !is_one {
        for parameter in query.split('&') {
            add_parameter(&mut needed, catalogue, parameter);
            // A proxy may write its own query behind a client's text, with another sign between.
            for behind in parameter.split([';', '?']).skip(1) {
                add_parameter(&mut needed, catalogue, behind);
            }
        }
    }
    for value in headers.get_all(X_REQUIRED_PERMISSION) {
        // What is not ASCII is not a name.
        add(&mut needed, catalogue, value.to_str().unwrap_or_default());
    }
    if headers.keys().any(|name| *name != X_REQUIRED_PERMISSION && is_mistaken(name.as_str())) {
        needed.add_unknown();
    }
    needed
}

/// One parameter of a query, if it asks for something.
fn add_parameter(needed: &mut Needed, catalogue: &Catalogue, parameter: &str) {
    if let Some((_, value)) = form_urlencoded::parse(parameter.as_bytes()).next().filter(|(name, _)| name == PERMISSION)
    {
        return add(needed, catalogue, &value);
    }
    // Another parameter behind a `;` or `?` is read for itself; one behind an encoded sign only here.
    let own = parameter.split([';', '?']).next().unwrap_or_default();
    if let Some((name, _)) = form_urlencoded::parse(own.as_bytes()).next()
        && name.split(['&', ';', '?']).any(is_mistaken)
    {
        // Whoever wrote it meant to ask for something. To ask for nothing in its place would let everyone through.
        needed.add_unknown();
    }
}

/// Whether a name is one of the stems but for its case, signs in it, and an index in brackets or an encoded value behind it.
/// Most headers of a request are told by their length or first letter, and nothing is allocated.
fn is_mistaken(name: &str) -> bool {
    let is_begun =
        name.bytes().next().is_some_and(|first| !first.is_ascii_alphanumeric() || b"pPrRxX".contains(&first));
    if !is_begun || name.len() < PERMISSION.len() {
        return false;
    }
    let plain = name.split(['=', '[']).next().unwrap_or_default();
    let letters = plain.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase());
    STEMS.iter().any(|stem| letters.clone().eq(stem.bytes()))
}

/// Names with commas or spaces between. Nothing between two commas is an empty name, such as a proxy's variable leaves
/// that was not set: in doubt it is asked for, and nobody holds it.
fn add(needed: &mut Needed, catalogue: &Catalogue, names: &str) {
    for part in names.split(',') {
        // However long the list is: nobody holds all of it.
        if needed.is_held_by_nobody() {
            return;
        }
        let mut words = part.split_ascii_whitespace();
        needed.add(catalogue, words.next().unwrap_or_default());
        words.for_each(|name| needed.add(catalogue, name));
    }
}

/// All five headers, none of them empty: some proxies leave a client's forged header where the answer has none.
fn allowed(service: &Service, granted: &Granted) -> Response<BoxBody> {
    let mut values = Values(BytesMut::with_capacity(256));
    let mut id = [0; Hyphenated::LENGTH];
    let mut response = Response::new(StatusCode::OK);
    let headers = response.headers_mut();
    let project = values.of([text_of(granted.project.as_uuid(), &mut id)]);
    let parent = granted.parent.map(|parent| values.of([text_of(parent.as_uuid(), &mut id)]));
    headers.insert(X_AUTH_PARENT_PROJECT_ID, parent.unwrap_or_else(|| project.clone()));
    headers.insert(X_AUTH_PROJECT_ID, project);
    headers.insert(X_AUTH_TOKEN_ID, values.of([text_of(granted.token.as_uuid(), &mut id)]));
    headers.insert(X_AUTH_TOKEN_NAME, values.of(utf8_percent_encode(&granted.name, RESERVED)));
    let names = service.catalogue().names_in(granted.permissions);
    headers.insert(X_AUTH_PERMISSIONS, values.of(spaced(names)));
    response
}

fn spaced<'n>(names: impl Iterator<Item = &'n str>) -> impl Iterator<Item = &'n str> {
    names.enumerate().flat_map(|(i, name)| [if i > 0 { " " } else { "" }, name])
}

fn text_of(id: Uuid, buffer: &mut [u8; Hyphenated::LENGTH]) -> &str {
    id.as_hyphenated().encode_lower(buffer)
}

/// Header values out of one allocation.
struct Values(BytesMut);

impl Values {
    fn of<'p>(&mut self, parts: impl IntoIterator<Item = &'p str>) -> HeaderValue {
        parts.into_iter().for_each(|part| self.0.extend_from_slice(part.as_bytes()));
        let value: Bytes = self.0.split().freeze();
        HeaderValue::from_maybe_shared(value).expect("ids, names of permissions and percent-encoded text are ASCII")
    }
}

fn refused(refusal: &Refusal, catalogue: &Catalogue, sent: &HeaderMap) -> Response<BoxBody> {
    let status = match refusal {
        Refusal::Lacking { .. } => StatusCode::FORBIDDEN,
        Refusal::Unproven(error) => status(error),
    };
    let mut response = Response::new(status);
    let headers = response.headers_mut();
    if let Refusal::Lacking { needed, .. } = refusal {
        headers.append(WWW_AUTHENTICATE, insufficient_scope(*needed, catalogue));
    }
    if status == StatusCode::UNAUTHORIZED {
        let is_wrong = authorization::is_bearer(sent);
        let bearer = if is_wrong { WRONG_BEARER_CHALLENGE } else { BEARER_CHALLENGE };
        if !dialect::is_of_a_script(sent) {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
        }
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(bearer));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// RFC 6750, section 3.1. Only names of the catalogue are told, never a client's text; none where no token could hold all
/// that was asked for.
fn insufficient_scope(needed: Needed, catalogue: &Catalogue) -> HeaderValue {
    const ERROR: &str = "Bearer error=\"insufficient_scope\"";
    let names = || spaced(catalogue.names_in(needed.known()));
    let length: usize = names().map(str::len).sum();
    if needed.is_held_by_nobody() || length == 0 || length > SCOPE_BYTES {
        return HeaderValue::from_static(ERROR);
    }
    let parts = [ERROR, ", scope=\""].into_iter().chain(names()).chain(["\""]);
    Values(BytesMut::with_capacity(ERROR.len() + length + 16)).of(parts)
}

/// No wildcard: what a new error means here is to be decided.
fn status(error: &Error) -> StatusCode {
    match error {
        Error::Unauthenticated => StatusCode::UNAUTHORIZED,
        Error::PermissionMissing { .. } => StatusCode::FORBIDDEN,
        Error::MalformedId
        | Error::MalformedBody(_)
        | Error::UnsupportedBody(_)
        | Error::BodyTooLarge { .. }
        | Error::BodyTimeout
        | Error::Invalid(_)
        | Error::ProjectNotFound
        | Error::TokenNotFound
        | Error::CrossSite
        | Error::UnknownPath
        | Error::MethodNotAllowed
        | Error::TokenLimitReached { .. }
        | Error::SubprojectLimitReached { .. }
        | Error::NestedSubproject
        | Error::NotDeletable
        | Error::Stopping
        | Error::HasSubprojects { .. }
        | Error::SelectorTaken
        | Error::Overloaded
        | Error::StoreAway(_)
        | Error::OutcomeUnknown(_)
        | Error::Internal(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Whether the path is this one, or below it.
pub(super) fn is_at(path: &str) -> bool {
    is_below(path, AUTH)
}

fn log(refusal: &Refusal, service: &Service, identified: &Identified) {
    match refusal {
        Refusal::Lacking { needed, held } if tracing::enabled!(tracing::Level::DEBUG) => {
            let missing = needed.known().without(*held);
            let missing: String = spaced(service.catalogue().names_in(missing)).collect();
            identified.in_span(|| {
                tracing::debug!(
                    permission.missing = missing,
                    // Its name may be anything that a client sent.
                    permission.is_unknown = needed.is_held_by_nobody(),
                    "refused: the token does not hold all permissions that are needed"
                );
            });
        }
        Refusal::Lacking { .. } => {}
        Refusal::Unproven(error) => {
            if status(error) == StatusCode::SERVICE_UNAVAILABLE || tracing::enabled!(tracing::Level::DEBUG) {
                identified.in_span(|| dialect::log(error, service));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_permission_is_mistaken_for_it() {
        for name in [
            "permissions",
            "Permission",
            "PERMISSION",
            "Permissions",
            "permissionS",
            "permission[]",
            "PERMISSIONS[]",
            "permission[0]",
            "permissions[a]",
            "permission[",
            "permission[]x",
            " permission",
            "permission.",
            "permission=fax",
            "per-mission_",
            "Required-Permission",
            "required_permissions",
            "X_Required_Permission",
            "x-required-permissions",
            "XRequiredPermission[]",
            "_x_required_permission",
        ] {
            assert!(is_mistaken(name), "{name}");
        }
        for name in [
            "",
            "permissionx",
            "permissionss",
            "xpermission",
            "permiss",
            "permissions-policy",
            "next=permission",
            "x-required-permission-of-another",
            "x-required",
            "..........",
        ] {
            assert!(!is_mistaken(name), "{name}");
        }
    }
}
