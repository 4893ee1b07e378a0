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
