//! The name of a project or a token: text for people.

use serde::Serialize;

use crate::error::Problem;

/// A name: trimmed of Unicode white space, 1–250 Unicode scalar values, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// The most Unicode scalar values that a name may have.
    pub const MOST: usize = 250;

    /// Trims and judges a name.
    ///
    /// # Errors
    /// [`Problem::Blank`], [`Problem::ControlCharacter`], [`Problem::TooLong`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Problem::Blank);
        }
        if text.chars().any(char::is_control) {
            return Err(Problem::ControlCharacter);
        }
        if text.chars().count() > Self::MOST {
            return Err(Problem::TooLong { most: Self::MOST });
        }
        Ok(Self(text.to_owned()))
    }

    /// A name that was judged before it was stored.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_otherwise_kept_as_given() {
        let name = Name::parse("\u{3000} John Doe's  Token\n").unwrap();

        assert_eq!(name.as_str(), "John Doe's  Token");
    }

    #[test]
    fn length_counts_scalar_values_and_not_bytes() {
        assert!(Name::parse(&"🔑".repeat(250)).is_ok());
        assert_eq!(Name::parse(&"🔑".repeat(251)), Err(Problem::TooLong { most: 250 }));
    }

    #[test]
    fn blank_and_controlling_names_are_refused() {
        assert_eq!(Name::parse(" \t\u{2003}"), Err(Problem::Blank));
        assert_eq!(Name::parse("a\0b"), Err(Problem::ControlCharacter));
        assert_eq!(Name::parse("a\u{85}b"), Err(Problem::ControlCharacter));
    }
}
