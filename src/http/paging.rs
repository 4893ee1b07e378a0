//! Paging as both APIs do it: what a query may ask, and the links of a page.

use actix_web::HttpRequest;

use super::body;
use crate::{
    domain::{Cursor, Fields, List, Page, Position, Schema},
    error::{Error, Fault, Faults, Field, Problem},
    service::MOST_ROWS,
};

/// How many rows a page has where nobody says.
const DEFAULT_SIZE: u32 = 50;

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

/// The fields of a query.
pub(super) fn query(request: &HttpRequest, schema: &Schema) -> Result<Fields, Error> {
    body::form("query", request.query_string().as_bytes(), schema)
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
        fields: &'q Fields,
        words: Words,
        list: List<'q>,
        mut faults: Vec<Fault>,
    ) -> Result<Self, Faults> {
        // What a token is held against is not known where the list itself is not.
        let is_known = faults.is_empty();
        let text = |field: Field| fields.text(field);
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
            None if page > 0 => None,
            None => Some(Position::START),
            Some(token) => list.position(token),
        };
        if position.is_none() && is_known {
            faults.push(Fault { field: words.token, problem: Problem::NotAPage });
        }
        Faults::none_or(faults)?;
        let position = position.expect("no fault, so a position");
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
