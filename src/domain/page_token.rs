//! Page tokens: a position in one list, as text. No secret, and no authority: every query is scoped by its caller.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Cursor, Position, ProjectId};
use crate::clock::Timestamp;

/// What a list is of. A page token fits the list that it was made for and no other.
#[derive(Clone, Copy, Debug)]
pub struct List<'l> {
    /// The call that lists.
    pub endpoint: &'static str,
    /// The project of whoever asks.
    pub caller: ProjectId,
    /// The project whose rows are listed.
    pub project: ProjectId,
    /// Only rows of this name.
    pub name: Option<&'l str>,
}

const PREFIX: &str = "PA";
const PLACE: usize = 1 + 8 + 16;
const BINDING: usize = 8;

impl List<'_> {
    /// The token of a position: `PA` and lowercase hexadecimal digits.
    pub fn token(&self, position: Position) -> String {
        let (direction, cursor) = match position {
            Position::Older(cursor) => (0, cursor),
            Position::Newer(cursor) => (1, cursor),
        };
        let mut bytes = [0; PLACE + BINDING];
        bytes[0] = direction;
        bytes[1..9].copy_from_slice(&cursor.created_at.as_micros().to_be_bytes());
        bytes[9..PLACE].copy_from_slice(cursor.id.as_bytes());
        let binding = self.binding(&bytes[..PLACE]);
        bytes[PLACE..].copy_from_slice(&binding);
        format!("{PREFIX}{}", base16ct::lower::encode_string(&bytes))
    }

    /// The position that a token of this list means; `None` for every other text.
    pub fn position(&self, token: &str) -> Option<Position> {
        let mut bytes = [0; PLACE + BINDING];
        let digits = token.strip_prefix(PREFIX).filter(|digits| digits.len() == 2 * bytes.len())?;
        base16ct::lower::decode(digits, &mut bytes).ok()?;
        let (place, binding) = bytes.split_at(PLACE);
        if self.binding(place) != binding {
            return None;
        }
        let micros: [u8; 8] = place[1..9].try_into().ok()?;
        let cursor = Cursor {
            created_at: Timestamp::from_micros(i64::from_be_bytes(micros)),
            id: Uuid::from_slice(&place[9..]).ok()?,
        };
        match place[0] {
            0 => Some(Position::Older(cursor)),
            1 => Some(Position::Newer(cursor)),
            _ => None,
        }
    }

    /// Anybody can compute it. It keeps an honest client from going on in another list by mistake.
    fn binding(&self, place: &[u8]) -> [u8; BINDING] {
        let mut hash = Sha256::new_with_prefix(b"tokensmith-page-1");
        hash.update(self.endpoint.as_bytes());
        hash.update([0]);
        hash.update(self.caller.as_uuid().as_bytes());
        hash.update(self.project.as_uuid().as_bytes());
        match self.name {
            None => hash.update([0]),
            Some(name) => {
                hash.update([1]);
                hash.update((name.len() as u64).to_be_bytes());
                hash.update(name.as_bytes());
            }
        }
        hash.update(place);
        let mut binding = [0; BINDING];
        binding.copy_from_slice(&hash.finalize()[..BINDING]);
        binding
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn project(n: u128) -> ProjectId {
        ProjectId::from(Uuid::from_u128(n))
    }

    fn list() -> List<'static> {
        List { endpoint: "tokens", caller: project(1), project: project(1), name: None }
    }

    #[test]
    fn a_token_fits_its_own_list_and_no_other() {
        let position = Position::Newer(Cursor { created_at: Timestamp::from_micros(-5), id: Uuid::from_u128(7) });
        let token = list().token(position);

        assert_eq!(list().position(&token), Some(position));
        for other in [
            List { endpoint: "projects", ..list() },
            List { caller: project(2), ..list() },
            List { project: project(2), ..list() },
            List { name: Some(""), ..list() },
            List { name: Some("x"), ..list() },
        ] {
            assert_eq!(other.position(&token), None, "{other:?}");
        }
    }

    #[test]
    fn a_token_that_was_tampered_with_fits_nothing() {
        let token = list().token(Position::START);
        for text in
            ["", "PA", "pa", &token[2..], &token.to_uppercase(), &format!("{token}00"), &token[..token.len() - 1]]
        {
            assert_eq!(list().position(text), None, "{text}");
        }
        let flipped = format!("{}{}", &token[..2], token[2..].replacen("00", "01", 1));
        assert_eq!(list().position(&flipped), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}", digits in "PA[0-9a-f]{66}") {
            let _ = list().position(&text);
            prop_assert_eq!(list().position(&digits), None);
        }
    }
}
