//! Who does something, and how far it reaches.

use std::fmt;

use super::{ProjectId, SecretId, TokenId};

/// On whose authority a write happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The command line. Who can open the store owns it, so nothing is asked.
    Operator,
    /// A token. Every write asks again, inside its own transaction, whether the token and this very secret
    /// are still alive and still hold `management`.
    Token {
        /// The caller's token.
        token: TokenId,
        /// The secret that it proved itself with.
        secret: SecretId,
    },
}

impl Actor {
    /// The token to be recorded as the maker of what it makes; `None` for the operator.
    pub fn token(self) -> Option<TokenId> {
        match self {
            Self::Operator => None,
            Self::Token { token, .. } => Some(token),
        }
    }
}

/// As log lines name it: the token's id, or `operator`.
impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.token() {
            Some(token) => token.fmt(f),
            None => f.write_str("operator"),
        }
    }
}

/// An actor at a project of its tree: the only way to a project's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// On whose authority.
    pub actor: Actor,
    /// The project at hand. A root's reach takes in its subprojects.
    pub project: ProjectId,
}
