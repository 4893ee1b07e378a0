//! Browsers that act for a page of another site. A browser in which Basic credentials were typed once sends them again with
//! a form of any site, and the compatibility API takes forms. Other clients send none of these headers.

use std::borrow::Cow;

use actix_http::Request;
use actix_web::{
    HttpMessage,
    http::header::{HOST, HeaderMap, HeaderName, ORIGIN},
};
use percent_encoding::percent_decode_str;
use url::{Origin, Url};

use super::{COMPATIBILITY_OF_SDKS, Settings, links};

/// Fetch Metadata: <https://www.w3.org/TR/fetch-metadata/>.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What takes credentials that a browser would repeat, with all that is below. Forward-auth is not concerned: what it
/// guards has rules of its own.
const GUARDED: [&str; 3] = ["/api", COMPATIBILITY_OF_SDKS, "/oauth"];

/// Whether a browser sends this for a page of another site, to where that is refused.
pub(super) fn is_refused(request: &Request, settings: &Settings) -> bool {
    GUARDED.iter().any(|base| is_below(&decoded(request.path()), base)) && is_of_another_site(request, settings)
}

/// A path as the router reads it, or nearly: it keeps `%2F`.
pub(super) fn decoded(path: &str) -> Cow<'_, str> {
    percent_decode_str(path).decode_utf8_lossy()
}

/// Whether the path is that one, or below it.
pub(super) fn is_below(path: &str, base: &str) -> bool {
    path.strip_prefix(base).is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

fn is_of_another_site(request: &Request, settings: &Settings) -> bool {
    let mut sites = request.headers().get_all(SEC_FETCH_SITE);
    match (sites.next(), sites.next()) {
        // A page of this server, or nobody's page: the address was typed.
        (Some(site), None) => return !matches!(site.as_bytes(), b"same-origin" | b"none"),
        (Some(_), Some(_)) => return true,
        (None, _) => {}
    }
    // A browser that is old, or has no TLS before it.
    let mut origins = request.headers().get_all(ORIGIN);
    match (origins.next(), origins.next()) {
        (Some(origin), None) => {
            origin.to_str().ok().and_then(origin_of).is_none_or(|origin| !is_own(&origin, request, settings))
        }
        (Some(_), Some(_)) => true,
        (None, _) => false,
    }
}

/// Whether that is how clients see this server: by its configuration, or by the request itself.
fn is_own(origin: &Url, request: &Request, settings: &Settings) -> bool {
    let is_it = |address: &str| Url::parse(address).is_ok_and(|address| is_same(&address.origin(), &origin.origin()));
    if is_it(&settings.public_url) {
        return true;
    }
    match links::forwarded(request.peer_addr(), request.headers(), settings) {
        Some(base) => is_it(&base),
        // Nobody says whether there is TLS before this server.
        None => host(request.headers()).is_some_and(|host| is_it(&format!("{}://{host}", origin.scheme()))),
    }
}

fn is_same(one: &Origin, other: &Origin) -> bool {
    one.is_tuple() && one == other
}

/// Scheme, host and port, and nothing else. `null` is none.
fn origin_of(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_bare = url.path() == "/" && !text.ends_with('/') && url.query().is_none() && url.fragment().is_none();
    (is_bare && url.username().is_empty() && url.password().is_none()).then_some(url)
}

fn host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(HOST);
    let host = hosts.next()?.to_str().ok()?;
    (hosts.next().is_none() && !host.contains(['@', '/', '?', '#', '\\'])).then_some(host)
}
