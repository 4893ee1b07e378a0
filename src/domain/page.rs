//! Paging through a list, newest first.

use std::fmt;

use uuid::Uuid;

use crate::clock::Timestamp;

/// Where a page begins: behind the row with this moment and id. Rows that come or go meanwhile shift nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When the row was made.
    pub created_at: Timestamp,
    /// Its id.
    pub id: Uuid,
}

impl Cursor {
    /// Before every row.
    pub const START: Self = Self { created_at: Timestamp::from_micros(i64::MAX), id: Uuid::max() };

    /// Reads what `Display` wrote; `None` for everything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (created_at, id) = text.split_once('.')?;
        Some(Self {
            created_at: Timestamp::from_micros(created_at.parse().ok()?),
            id: super::ids::parse_hyphenated(id)?,
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.created_at.as_micros(), self.id.as_hyphenated())
    }
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows, newest first.
    pub rows: Vec<T>,
    /// Where the next page begins; `None` where there is none.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Makes a page of at most `size` rows from up to one row more, which says whether there is a next one.
    pub fn cut(mut rows: Vec<T>, size: usize, cursor_of: impl Fn(&T) -> Cursor) -> Self {
        let has_more = rows.len() > size;
        rows.truncate(size);
        let next = if has_more { rows.last().map(cursor_of) } else { None };
        Self { rows, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back() {
        let cursor = Cursor { created_at: Timestamp::from_micros(-7), id: Uuid::from_u128(42) };

        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        assert_eq!(Cursor::parse("7"), None);
        assert_eq!(Cursor::parse("x.00000000-0000-0000-0000-00000000002a"), None);
        assert_eq!(Cursor::parse("7.0000000000000000000000000000002a"), None);
    }

    #[test]
    fn a_full_last_page_has_no_next() {
        let cursor = |n: &i64| Cursor { created_at: Timestamp::from_micros(*n), id: Uuid::nil() };

        assert_eq!(Page::cut(vec![3, 2], 2, cursor).next, None);
        assert_eq!(Page::cut(vec![3, 2, 1], 2, cursor).next, Some(cursor(&2)));
    }
}
