//! SignalWire's REST API for projects and tokens, with the calls that we add to it.

pub(in crate::http) mod projects;
pub(in crate::http) mod tokens;

use serde::Serialize;
use utoipa::ToSchema;

use super::paging::Queries;

/// The URLs of this page and of its neighbours.
#[derive(Serialize, ToSchema)]
#[schema(as = Links)]
pub(in crate::http) struct Links {
    /// This page.
    #[serde(rename = "self")]
    #[schema(example = "https://tokens.example.com/api/projects?page_number=0&page_size=50")]
    this: String,
    /// The first page.
    #[schema(example = "https://tokens.example.com/api/projects?page_number=0&page_size=50")]
    first: String,
    /// The next page. Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
    /// The previous page. Absent on the first page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    prev: Option<String>,
}

impl Links {
    fn new(base: &str, path: &str, queries: Queries) -> Self {
        let link = |query: String| format!("{base}{path}?{query}");
        Self {
            this: link(queries.this),
            first: link(queries.first),
            next: queries.next.map(link),
            prev: queries.previous.map(link),
        }
    }
}
