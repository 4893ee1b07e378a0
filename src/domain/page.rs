//! Paging through a list, newest first, by the position of a row: rows that come or go meanwhile shift nothing.

use std::fmt;

use uuid::Uuid;

use crate::clock::Timestamp;

/// The place of a row in a list that is sorted by moment and id.
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
            id: super::ids::parse_hyphenated(id.as_bytes())?,
        })
    }

    /// The place just on the older side of it, so that a list of what is newer begins with the row itself.
    fn just_older(self) -> Self {
        match self.id.as_u128().checked_sub(1) {
            Some(id) => Self { id: Uuid::from_u128(id), ..self },
            None => Self {
                created_at: Timestamp::from_micros(self.created_at.as_micros().saturating_sub(1)),
                id: Uuid::max(),
            },
        }
    }

    /// The place just on the newer side of it.
    fn just_newer(self) -> Self {
        match self.id.as_u128().checked_add(1) {
            Some(id) => Self { id: Uuid::from_u128(id), ..self },
            None => Self {
                created_at: Timestamp::from_micros(self.created_at.as_micros().saturating_add(1)),
                id: Uuid::nil(),
            },
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.created_at.as_micros(), self.id.as_hyphenated())
    }
}

/// Which rows a page takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Those on the older side of a place, the nearest first.
    Older(Cursor),
    /// Those on its newer side, the nearest first.
    Newer(Cursor),
}

impl Position {
    /// The newest rows of all.
    pub const START: Self = Self::Older(Cursor::START);

    /// Behind the place, or from the start.
    pub fn after(cursor: Option<Cursor>) -> Self {
        Self::Older(cursor.unwrap_or(Cursor::START))
    }
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows, newest first.
    pub rows: Vec<T>,
    /// Behind which place the next page lies; `None` where nothing is older.
    pub next: Option<Cursor>,
    /// Before which place the previous page lies; `None` where nothing is newer, and where nobody asked.
    pub previous: Option<Cursor>,
}

impl<T> Page<T> {
    /// Makes a page of at most `size` rows from up to one row more, nearest first, which says whether the list goes
    /// on in that direction. What lies on the other side of the page is for the caller to ask: see
    /// [`Page::other_side`].
    pub fn cut(mut rows: Vec<T>, size: usize, position: Position, cursor_of: impl Fn(&T) -> Cursor) -> Self {
        let has_more = rows.len() > size;
        rows.truncate(size);
        let far = if has_more { rows.last().map(cursor_of) } else { None };
        match position {
            Position::Older(_) => Self { rows, next: far, previous: None },
            Position::Newer(_) => {
                rows.reverse();
                Self { rows, next: None, previous: far }
            }
        }
    }

    /// Where to look for rows on the side that the page was reached from; `None` at the list's start.
    pub fn other_side(&self, position: Position, cursor_of: impl Fn(&T) -> Cursor) -> Option<Position> {
        match position {
            Position::START => None,
            // All rows of the page are gone: the row that it was reached from may still be there.
            Position::Older(from) => {
                Some(Position::Newer(self.rows.first().map_or_else(|| from.just_older(), cursor_of)))
            }
            Position::Newer(from) => {
                Some(Position::Older(self.rows.last().map_or_else(|| from.just_newer(), cursor_of)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: i64) -> Cursor {
        Cursor { created_at: Timestamp::from_micros(n), id: Uuid::nil() }
    }

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
        let cut = |rows| Page::cut(rows, 2, Position::START, |n| at(*n));

        assert_eq!(cut(vec![3, 2]).next, None);
        assert_eq!(cut(vec![3, 2, 1]).next, Some(at(2)));
    }

    #[test]
    fn a_page_that_was_reached_backwards_is_newest_first_as_well() {
        let page = Page::cut(vec![2, 3, 4], 2, Position::Newer(at(1)), |n| at(*n));

        assert_eq!((page.rows, page.previous), (vec![3, 2], Some(at(3))));
    }

    #[test]
    fn an_empty_page_leads_back_to_the_row_that_it_was_reached_from() {
        let gone = Page::cut(Vec::<i64>::new(), 2, Position::Older(at(5)), |n| at(*n));
        let Some(Position::Newer(place)) = gone.other_side(Position::Older(at(5)), |n| at(*n)) else { panic!() };

        assert!((place.created_at, place.id) < (at(5).created_at, at(5).id));
        assert_eq!(gone.other_side(Position::START, |n| at(*n)), None);
    }
}
