//! `/docs`: a page that renders the OpenAPI document, with Swagger UI's files from this binary alone. Its
//! content-security-policy lets nothing come from another host.
//!
//! The files' names hold a hash of what is in them, so that a browser asks for each of them once. Swagger UI's are kept
//! as gzip, and unpacked for the rare client that does not take it.

use std::{
    borrow::Cow,
    convert::Infallible,
    io::{Read, Result as IoResult},
    sync::Arc,
};

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody, SizedStream},
    http::header::{
        AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ContentEncoding,
        ContentType, Encoding, Header as _, LOCATION, VARY,
    },
    web::{Bytes, Data, Path},
};
use flate2::read::GzDecoder;
use futures_util::stream;

use crate::error::Error;

// No Cross-Origin-Opener-Policy: were it `same-origin` here and on another page of this server, scripts of this page could read
// that page once they have opened it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// For files whose names change with their content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

const PAGE: &str = include_str!("page.html");
const FAVICON: &str = include_str!("favicon.svg");

/// How much of a long body is handed over at once.
const SLICE: usize = 16 * 1024;

/// The page and its files, made once.
pub(super) struct Site {
    page: Bytes,
    files: Vec<File>,
}

struct File {
    /// With a hash of the content.
    name: String,
    content_type: &'static str,
    content: Content,
}

enum Content {
    Plain(&'static str),
    Gzip(Bytes),
}

impl Site {
    pub(super) fn new() -> Self {
        const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
        const CSS: &str = "text/css; charset=utf-8";
        let mut page = PAGE.to_owned();
        let mut files = Vec::new();
        for (name, content_type, content) in [
            ("swagger-ui.css", CSS, swagger("swagger-ui.css")),
            ("swagger-ui-bundle.js", JAVASCRIPT, swagger("swagger-ui-bundle.js")),
            ("page.css", CSS, Content::Plain(include_str!("page.css"))),
            ("start.js", JAVASCRIPT, Content::Plain(include_str!("start.js"))),
        ] {
            let (stem, extension) = name.rsplit_once('.').expect("each of them has an extension");
            let hashed = format!("{stem}.{:08x}.{extension}", content.hash());
            page = page.replace(&format!("docs/{name}"), &format!("docs/{hashed}"));
            files.push(File { name: hashed, content_type, content });
        }
        Self { page: page.into(), files }
    }
}

/// A file of Swagger UI's, as gzip.
fn swagger(name: &str) -> Content {
    let file = utoipa_swagger_ui::serve(name, Arc::new(utoipa_swagger_ui::Config::from("openapi.json")));
    let file = file.ok().flatten().expect("the crate holds both files");
    assert!(file.gzpipped, "the crate's feature gzip is on");
    Content::Gzip(match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    })
}

impl Content {
    /// CRC-32 of the plain content: it tells versions apart, and nobody gains by a collision.
    fn hash(&self) -> u32 {
        match self {
            Self::Plain(text) => crc32fast::hash(text.as_bytes()),
            Self::Gzip(bytes) => trailer(bytes)[0],
        }
    }

    /// As a body, and whether it is gzip.
    fn body(&self, takes_gzip: bool) -> (BoxBody, bool) {
        match self {
            Self::Plain(text) => (BoxBody::new(*text), false),
            Self::Gzip(bytes) if takes_gzip => (BoxBody::new(in_slices(bytes.clone())), true),
            Self::Gzip(bytes) => (BoxBody::new(unpacked(bytes.clone())), false),
        }
    }
}

/// What a gzip member ends with (RFC 1952, section 2.3): CRC-32 and length of the plain content.
fn trailer(gzip: &[u8]) -> [u32; 2] {
    let (_, ends) = gzip.split_last_chunk::<8>().expect("gzip is longer than its trailer");
    let number = |at: usize| u32::from_le_bytes([ends[at], ends[at + 1], ends[at + 2], ends[at + 3]]);
    [number(0), number(4)]
}

/// Show this document as a page for people.
#[utoipa::path(
    get, path = "/docs", operation_id = "docs", tag = "Service",
    responses((status = 200, description = "An HTML page.", body = String, content_type = "text/html"))
)]
pub(super) async fn page(site: Data<Site>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .content_type(ContentType::html())
        .body(site.page.clone())
}

/// The page's files.
pub(super) async fn file(request: HttpRequest, site: Data<Site>, name: Path<String>) -> Result<HttpResponse, Error> {
    let file = site.files.iter().find(|file| file.name == *name).ok_or(Error::UnknownPath)?;
    let (body, is_gzip) = file.content.body(takes_gzip(&request));
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((CONTENT_TYPE, file.content_type))
        .insert_header((CACHE_CONTROL, FOR_EVER))
        .insert_header((VARY, "Accept-Encoding"));
    if is_gzip {
        response.insert_header((CONTENT_ENCODING, "gzip"));
    }
    Ok(response.body(body))
}

/// The address that the log prints leads people to the page.
pub(super) async fn home() -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, "docs")).finish()
}

/// The icon that browsers ask of every site. They go by its type and not by its name.
pub(super) async fn favicon() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "image/svg+xml"))
        .insert_header((CACHE_CONTROL, "public, max-age=86400"))
        .body(FAVICON)
}

fn takes_gzip(request: &HttpRequest) -> bool {
    let gzip = Encoding::Known(ContentEncoding::Gzip);
    AcceptEncoding::parse(request)
        .ok()
        .and_then(|accepted| accepted.negotiate([gzip.clone(), Encoding::identity()].iter()))
        .is_some_and(|chosen| chosen == gzip)
}

/// A long body, a slice at a time: the server copies what it is given into the connection's buffer, and whoever reads
/// slowly, without a credential, must not hold a copy of the whole.
pub(super) fn in_slices(bytes: Bytes) -> impl MessageBody + use<> {
    let length = bytes.len() as u64;
    let slices = (0..bytes.len()).step_by(SLICE).map(move |start| {
        let end = bytes.len().min(start + SLICE);
        Ok::<_, Infallible>(bytes.slice(start..end))
    });
    SizedStream::new(length, stream::iter(slices))
}

/// What was packed, unpacked a slice at a time.
fn unpacked(gzip: Bytes) -> impl MessageBody + use<> {
    let length = u64::from(trailer(&gzip)[1]);
    let mut reader = GzDecoder::new(std::io::Cursor::new(gzip));
    let slices = std::iter::from_fn(move || next_slice(&mut reader).transpose());
    SizedStream::new(length, stream::iter(slices))
}

fn next_slice(reader: &mut impl Read) -> IoResult<Option<Bytes>> {
    let mut slice = Vec::with_capacity(SLICE);
    let read = reader.take(SLICE as u64).read_to_end(&mut slice)?;
    Ok((read > 0).then(|| slice.into()))
}
