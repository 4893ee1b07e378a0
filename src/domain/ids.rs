//! Ids: UUIDs that cannot be taken for one another.

use std::fmt;

use serde::Serialize;
use uuid::{Uuid, fmt::Hyphenated};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Reads 8-4-4-4-12 hexadecimal digits with hyphens, in either case; `None` for every other form.
            pub fn parse(text: impl AsRef<[u8]>) -> Option<Self> {
                parse_hyphenated(text.as_ref()).map(Self)
            }

            /// The bare UUID, for the store.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }
    };
}

id! {
    /// The id of a project, which is also the user name of its tokens in HTTP Basic.
    ProjectId
}
id! {
    /// The id of a token.
    TokenId
}
id! {
    /// The id of one secret of a token: a token keeps its id when its secret is replaced.
    SecretId
}

/// The beginning of an id, as people type it: at least 8 hexadecimal digits, in either case, with hyphens where an id has
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdPrefix {
    first: Uuid,
    last: Uuid,
}

impl IdPrefix {
    /// The fewest digits: with fewer, a short word could be one.
    pub const LEAST: u32 = 8;

    /// Reads a beginning; `None` for every other text.
    pub fn parse(text: &str) -> Option<Self> {
        const HYPHENS: [usize; 4] = [8, 13, 18, 23];
        if text.len() > Hyphenated::LENGTH {
            return None;
        }
        let (mut value, mut digits) = (0, 0);
        for (place, character) in text.chars().enumerate() {
            if HYPHENS.contains(&place) {
                if character != '-' {
                    return None;
                }
            } else {
                value = value << 4 | u128::from(character.to_digit(16)?);
                digits += 1;
            }
        }
        if digits < Self::LEAST {
            return None;
        }
        let missing = u128::BITS - 4 * digits;
        let first = value << missing;
        Some(Self { first: Uuid::from_u128(first), last: Uuid::from_u128(first | ((1 << missing) - 1)) })
    }

    /// The first id that begins so.
    pub const fn first(self) -> Uuid {
        self.first
    }

    /// The last one.
    pub const fn last(self) -> Uuid {
        self.last
    }
}

/// The crate's own parser also takes bare, braced and urn forms; the contract takes one.
pub(super) fn parse_hyphenated(text: &[u8]) -> Option<Uuid> {
    if text.len() == Hyphenated::LENGTH { Uuid::try_parse_ascii(text).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_in_either_case_and_shown_in_lower_case() {
        let id = ProjectId::parse("0A1B2C3D-4E5F-4A6B-8C7D-9E0F1A2B3C4D").unwrap();

        assert_eq!(id.to_string(), "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d");
    }

    #[test]
    fn the_beginning_of_an_id_spans_all_ids_that_begin_so() {
        for (text, first, last) in [
            ("0A1b2c3d", "0a1b2c3d-0000-0000-0000-000000000000", "0a1b2c3d-ffff-ffff-ffff-ffffffffffff"),
            ("0a1b2c3d-", "0a1b2c3d-0000-0000-0000-000000000000", "0a1b2c3d-ffff-ffff-ffff-ffffffffffff"),
            ("0a1b2c3d-4", "0a1b2c3d-4000-0000-0000-000000000000", "0a1b2c3d-4fff-ffff-ffff-ffffffffffff"),
            (
                "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
                "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
                "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
            ),
        ] {
            let prefix = IdPrefix::parse(text).unwrap();

            assert_eq!((prefix.first().to_string(), prefix.last().to_string()), (first.to_owned(), last.to_owned()));
        }
    }

    #[test]
    fn a_word_and_a_short_beginning_are_no_beginning_of_an_id() {
        for text in [
            "",
            "0a1b2c3",
            "0a1b2c3g",
            "0a1b2c3d4",
            "0a1b2c3-4",
            "0a1b2c3d-4e5f4",
            "-0a1b2c3d",
            "０a1b2c3d",
            "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d0",
        ] {
            assert_eq!(IdPrefix::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn every_other_form_is_no_id() {
        for text in [
            "",
            "0a1b2c3d4e5f4a6b8c7d9e0f1a2b3c4d",
            "{0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d}",
            "urn:uuid:0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
            "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4",
            "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4g",
            "0a1b2c3d-4e5f4-a6b-8c7d-9e0f1a2b3c4d",
            " 0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4",
            "０a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c",
        ] {
            assert_eq!(ProjectId::parse(text), None, "{text:?}");
        }
    }
}
