//! Paging as both APIs do it: what a query may ask, and the links of a page.

use actix_web::HttpRequest;

use super::body;
use crate::{
    domain::{Cursor, Fields, List, Page, Position, Schema, Secret},
    error::{Error, Fault, Faults, Field, Problem},
    service::MOST_ROWS,
};

/// How many rows a page has where nobody says.
const DEFAULT_SIZE: u32 = 50;

/// How many characters of an unknown parameter's name an answer repeats.
const LONGEST_NAME: usize = 64;

/// How many unknown parameters an answer names.
const MOST_NAMES: usize = 8;

/// What an API calls the parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    size: Field,
    number: Field,
    token: Field,
    name: Field,
}

/// The REST API's.
pub(super) const REST: Words =
    Words { size: Field::PageSize, number: Field::PageNumber, token: Field::PageToken, name: Field::Name };

/// The compatibility API's.
pub(super) const COMPATIBILITY: Words = Words {
    size: Field::AccountPageSize,
    number: Field::AccountPage,
    token: Field::AccountPageToken,
    name: Field::FriendlyName,
};

/// What a query asks.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) fields: Fields,
    /// A fault for each parameter that the list does not know.
    unknown: Vec<Fault>,
}

impl Query {
    /// Reads a query. What it does not know, it passes over, as SignalWire does.
    pub(super) fn lenient(request: &HttpRequest, schema: &Schema) -> Result<Self, Error> {
        let fields = body::form("query", request.query_string().as_bytes(), schema)?;
        Ok(Self { fields, unknown: Vec::new() })
    }

    /// Reads a query that may hold nothing unknown: whoever filters by a word that this list does not know would get
    /// everything, and perhaps delete it.
    pub(super) fn strict(request: &HttpRequest, schema: &'static Schema) -> Result<Self, Error> {
        let mut query = Self::lenient(request, schema)?;
        let names = form_urlencoded::parse(request.query_string().as_bytes()).map(|(name, _)| name);
        let mut unknown: Vec<String> = Vec::new();
        for name in names.filter(|name| schema.single(name).is_none()) {
            let name: String = Secret::redact(&name).chars().take(LONGEST_NAME).collect();
            if !unknown.contains(&name) {
                unknown.push(name);
            }
            if unknown.len() == MOST_NAMES {
                break;
            }
        }
        let fault =
            |name| Fault { field: Field::Query, problem: Problem::UnknownParameter { name, known: schema.single } };
        query.unknown = unknown.into_iter().map(fault).collect();
        Ok(query)
    }
}

/// Which page is asked for.
#[derive(Debug)]
pub(super) struct Paging<'q> {
    words: Words,
    /// The list, with its filter.
    list: List<'q>,
    subproject: Option<&'q str>,
    pub(super) position: Position,
    pub(super) size: u32,
    pub(super) number: u32,
}

/// The queries of a page and of those around it, without what stands before the question mark.
#[derive(Debug)]
pub(super) struct Queries {
    pub(super) this: String,
    pub(super) first: String,
    pub(super) next: Option<String>,
    pub(super) previous: Option<String>,
}

impl<'q> Paging<'q> {
    /// Judges the parameters. `list` is the list without its filter, which is read here.
    ///
    /// # Errors
    /// Every parameter that failed, after `faults`.
    pub(super) fn judge(
        query: &'q Query,
        words: Words,
        list: List<'q>,
        mut faults: Vec<Fault>,
    ) -> Result<Self, Faults> {
        // What a token is held against is not known where the list itself is not.
        let is_known = faults.is_empty();
        let text = |field: Field| query.fields.text(field);
        let list = List { name: text(words.name), ..list };
        let mut judge = |field, judged: Result<u32, Problem>| {
            judged.unwrap_or_else(|problem| {
                faults.push(Fault { field, problem });
                0
            })
        };
        let size = judge(words.size, text(words.size).map_or(Ok(DEFAULT_SIZE), |text| number(text, 1, MOST_ROWS)));
        let page = judge(words.number, text(words.number).map_or(Ok(0), |text| number(text, 0, u32::MAX)));
        let position = match text(words.token) {
            None if page > 0 => Err(Problem::PageTokenRequired),
            None => Ok(Position::START),
            Some(token) => list.position(token).ok_or(Problem::NotAPage),
        };
        let position = position.unwrap_or_else(|problem| {
            if is_known {
                faults.push(Fault { field: words.token, problem });
            }
            Position::START
        });
        faults.extend_from_slice(&query.unknown);
        Faults::none_or(faults)?;
        let subproject = text(Field::SubprojectId).filter(|id| !id.is_empty());
        Ok(Self { words, list, subproject, position, size, number: page })
    }

    /// Only rows of this name, if one was asked for.
    pub(super) fn name(&self) -> Option<&str> {
        self.list.name
    }

    /// The queries around a page.
    pub(super) fn queries<T>(&self, page: &Page<T>) -> Queries {
        let older = |cursor: Cursor| self.query(self.number.saturating_add(1), Some(Position::Older(cursor)));
        let newer = |cursor: Cursor| self.query(self.number.saturating_sub(1), Some(Position::Newer(cursor)));
        Queries {
            this: self.query(self.number, Some(self.position)),
            first: self.query(0, None),
            next: page.next.map(older),
            previous: page.previous.map(newer),
        }
    }

    fn query(&self, number: u32, position: Option<Position>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(name) = self.list.name {
            query.append_pair(self.words.name.as_str(), name);
        }
        if let Some(subproject) = self.subproject {
            query.append_pair(Field::SubprojectId.as_str(), subproject);
        }
        query.append_pair(self.words.number.as_str(), &number.to_string());
        query.append_pair(self.words.size.as_str(), &self.size.to_string());
        if let Some(position) = position.filter(|position| *position != Position::START) {
            query.append_pair(self.words.token.as_str(), &self.list.token(position));
        }
        query.finish()
    }
}

fn number(text: &str, least: u32, most: u32) -> Result<u32, Problem> {
    let out_of_range = Problem::OutOfRange { least, most };
    // The parser would take a sign.
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|number| digits && (least..=most).contains(number)).ok_or(out_of_range)
}
