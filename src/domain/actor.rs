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
        /// The root of the token's tree.
        root: ProjectId,
    },
}

/// Who shares the service with others: a root project with its subprojects, or the operator. Connections and argon2 are
/// given to tenants in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tenant {
    /// The command line, and what the service does of its own accord.
    Operator,
    /// A root project with its subprojects.
    Root(ProjectId),
    /// Whoever has yet to prove a secret that this process does not remember.
    Unproven,
}

impl Actor {
    /// The token to be recorded as the maker of what it makes; `None` for the operator.
    pub fn token(self) -> Option<TokenId> {
        match self {
            Self::Operator => None,
            Self::Token { token, .. } => Some(token),
        }
    }

    /// Whose turn it is when this acts.
    pub fn tenant(self) -> Tenant {
        match self {
            Self::Operator => Tenant::Operator,
            Self::Token { root, .. } => Tenant::Root(root),
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

impl Reach {
    /// Whose turn it is when the actor acts there.
    pub fn tenant(self) -> Tenant {
        self.actor.tenant()
    }
}
