//! Where things are *kept*. The traits say what a store does, in whole operations; their doc comments are the
//! contract, and `tests/it/store/` holds both databases to it.
//!
//! Each method is one transaction, which `insert_token` may share with others: when it returns `Ok`, everything it did
//! is committed and durable; when it returns [`Error::StoreAway`] or a refusal, nothing was written; on
//! [`Error::OutcomeUnknown`] nobody knows.
//! Every method answers within the store's time limit, 2 s by default. Those that manage wait for their tenant's turn in
//! that time; where it does not come, or too many of the tenant wait, they return [`Error::Overloaded`], and nothing was
//! written.

mod claim;
pub mod copies;
mod database_file;
mod explain;
pub mod migrate;
pub mod postgres;
pub mod replace;
mod sql;
pub mod sqlite;

use std::time::Duration;

use async_trait::async_trait;
pub use explain::advice;

use crate::{
    clock::Timestamp,
    domain::{
        Actor, Check, IdPrefix, Name, Permissions, Position, Project, ProjectChange, ProjectId, Proof, Reach, SecretId,
        Selector, StoredSecret, Tenant, Token, TokenChange, TokenId,
    },
    error::Error,
};

/// Everything that the service asks of a database.
#[async_trait]
pub trait Store: Projects + Tokens + Secrets + Operator {
    /// Whether the store answers and has the schema that this program was built for.
    ///
    /// # Errors
    /// [`Error::StoreAway`] where it does not answer, [`Error::Internal`] where its schema is another.
    async fn ready(&self) -> Result<(), Error>;

    /// A mark that is another one once another process has written; what this process writes leaves it as it is.
    /// `None` where this process must not remember what it reads: the store is shared, or another one remembers.
    ///
    /// # Errors
    /// [`Error::StoreAway`] where it does not answer.
    async fn mark(&self) -> Result<Option<Mark>, Error>;

    /// Whether another process may go on for a moment by what it has read, so that this one waits after a change.
    fn is_remembered_elsewhere(&self) -> bool;

    /// Ends every connection, after what is under way.
    async fn close(&self);
}

/// Where others' writes stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which connection looked: what two of them see cannot be compared.
    pub connection: u64,
    /// What it saw.
    pub version: i64,
}

/// How long after a change of the store another process that remembers what it read has acted on it. Whoever takes
/// something away waits so long before it says so, where there may be such a process.
pub const SETTLED_AFTER: Duration = Duration::from_millis(200);

/// A token to be written, with what rests of its secret.
#[derive(Clone, Copy, Debug)]
pub struct TokenRows<'a> {
    /// The token. Its hint is the secret's, and is not stored twice.
    pub token: &'a Token,
    /// Its secret.
    pub secret: &'a StoredSecret,
}

/// A token that was updated.
#[derive(Clone, Debug)]
pub struct Updated {
    /// The token as it is now.
    pub token: Token,
    /// What it could do before, where the change named permissions.
    pub before: Option<Permissions>,
}

/// What a project has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holdings {
    /// Its own tokens.
    pub tokens: u64,
    /// Its subprojects.
    pub subprojects: u64,
}

/// Which projects to list. What is `None` leaves out nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectFilter {
    /// Only subprojects of this one.
    pub parent: Option<ProjectId>,
    /// Only those of exactly this name.
    pub name: Option<String>,
}

/// Projects and subprojects.
#[async_trait]
pub trait Projects: Send + Sync {
    /// Makes a project, and its first token and its sealed signing key with it where they are given. A root is made on
    /// the operator's authority alone; a subproject where its parent has fewer than `limit`, also while others make some.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] and [`Error::PermissionMissing`] where the actor's token or secret is gone or no
    /// longer holds `management`; [`Error::ProjectNotFound`] where the parent is not there, [`Error::NestedSubproject`] where it is no
    /// root, [`Error::SubprojectLimitReached`], [`Error::SelectorTaken`] where the token's secret must be drawn again.
    async fn create_project(
        &self,
        actor: Actor,
        project: &Project,
        first: Option<TokenRows<'_>>,
        signing_key: Option<&[u8]>,
        limit: u64,
    ) -> Result<(), Error>;

    /// Makes the first project and its token, only where there is no project at all; two processes that try
    /// at once make one. Returns whether this call made it.
    async fn bootstrap(&self, project: &Project, first: TokenRows<'_>) -> Result<bool, Error>;

    /// Whether there is any project.
    async fn is_empty(&self) -> Result<bool, Error>;

    /// Finds a project, wherever it stands in whatever tree, on behalf of a tenant.
    async fn find_project(&self, tenant: Tenant, id: ProjectId) -> Result<Option<Project>, Error>;

    /// Counts what would die with a project: its tokens, and the subprojects that keep it from being deleted.
    ///
    /// # Errors
    /// [`Error::ProjectNotFound`].
    async fn count_holdings(&self, id: ProjectId) -> Result<Holdings, Error>;

    /// Up to `limit` projects at the position, nearest first, of all trees: for the operator alone.
    async fn list_projects(
        &self,
        filter: &ProjectFilter,
        position: Position,
        limit: u32,
    ) -> Result<Vec<Project>, Error>;

    /// Up to `limit` at the position, nearest first, of the project within reach and its subprojects; of exactly this name,
    /// where one is given.
    async fn list_tree(
        &self,
        reach: Reach,
        name: Option<&str>,
        position: Position,
        limit: u32,
    ) -> Result<Vec<Project>, Error>;

    /// Changes the columns that the change names, and no other, of the project within reach.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] and [`Error::PermissionMissing`] as above, [`Error::ProjectNotFound`].
    async fn update_project(&self, reach: Reach, change: &ProjectChange, now: Timestamp) -> Result<Project, Error>;

    /// Puts a sealed signing key in the place of the one that the project within reach has, if it has one.
    ///
    /// # Errors
    /// As [`Projects::update_project`].
    async fn replace_signing_key(&self, reach: Reach, sealed: &[u8], now: Timestamp) -> Result<Project, Error>;

    /// Any signing key that is sealed, to be held against the server's key.
    async fn find_sealed_key(&self) -> Result<Option<Vec<u8>>, Error>;

    /// Deletes the project within reach, and its tokens. Returns how many tokens died.
    ///
    /// # Errors
    /// As [`Projects::update_project`], and [`Error::HasSubprojects`].
    async fn delete_project(&self, reach: Reach) -> Result<u64, Error>;
}

/// What is called once a token is committed.
pub type Written = Box<dyn FnOnce() + Send + Sync>;

/// Tokens.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Writes a token for a project that holds fewer than `limit`, also while others issue. Calls `written` once it is
    /// committed, also where the future was dropped after its transaction had begun; dropped earlier, nothing is written.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] where the actor's token or secret is gone or no longer holds `management`;
    /// [`Error::ProjectNotFound`], [`Error::TokenLimitReached`]; [`Error::SelectorTaken`] where the secret
    /// must be drawn again.
    async fn insert_token(&self, actor: Actor, rows: TokenRows<'_>, limit: u64, written: Written) -> Result<(), Error>;

    /// Changes the columns that the change names, and no other, of a token within reach.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] as above, [`Error::TokenNotFound`].
    async fn update_token(
        &self,
        reach: Reach,
        id: TokenId,
        change: &TokenChange,
        now: Timestamp,
    ) -> Result<Updated, Error>;

    /// Deletes a token within reach, and its secrets.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] as above, [`Error::TokenNotFound`].
    async fn delete_token(&self, reach: Reach, id: TokenId) -> Result<(), Error>;

    /// Finds a token within reach: of the project or, where that is a root, of one of its subprojects.
    async fn find_token(&self, reach: Reach, id: TokenId) -> Result<Option<Token>, Error>;

    /// Up to `limit` of the own tokens of the project within reach, at the position, nearest first; of exactly this name,
    /// where one is given.
    async fn list_tokens(
        &self,
        reach: Reach,
        name: Option<&str>,
        position: Position,
        limit: u32,
    ) -> Result<Vec<Token>, Error>;

    /// Finds a token, wherever it belongs, on behalf of a tenant: for the operator, or to know whether it is anywhere.
    async fn find_any_token(&self, tenant: Tenant, id: TokenId) -> Result<Option<Token>, Error>;
}

/// What a presented secret is compared with, and whom it speaks for.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The secret's row.
    pub secret: SecretId,
    /// The argon2id PHC string.
    pub hash: String,
    /// The first bytes of the secret's SHA-256.
    pub check: Check,
    /// What recognises the secret without argon2, if it was made.
    pub proof: Option<Proof>,
    /// The token.
    pub token: TokenId,
    /// The token's name.
    pub name: Name,
    /// What the token may do.
    pub permissions: Permissions,
    /// When the token was issued.
    pub issued_at: Timestamp,
    /// The project that it belongs to.
    pub project: ProjectId,
    /// That project's parent, if it is a subproject.
    pub parent: Option<ProjectId>,
}

/// A proof, and what it proves.
#[derive(Clone, Debug)]
pub struct MadeProof {
    /// The secret's row.
    pub secret: SecretId,
    /// The hash that the secret proved itself against.
    pub hash: String,
    /// The proof.
    pub proof: Proof,
}

/// Secrets, as verification needs them.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// Finds the one secret that a selector can mean: one indexed read.
    async fn find_holder(&self, selector: Selector) -> Result<Option<Holder>, Error>;

    /// The same for a caller of management, when the turn of the tenant has come that the secret was of before: many callers
    /// of one tenant are not to keep others waiting.
    async fn find_caller(&self, tenant: Tenant, selector: Selector) -> Result<Option<Holder>, Error>;

    /// Puts a new hash of the same secret, and what proves it, in the place of the old one, if that is still there.
    /// Returns whether it was.
    async fn replace_hash(&self, id: SecretId, old: &str, new: &str, proof: Option<&Proof>) -> Result<bool, Error>;

    /// Keeps proofs, each beside the hash that it was made for, where that is still there and nobody is changing it just
    /// now. Returns how many it kept.
    async fn keep_proofs(&self, proofs: &[MadeProof]) -> Result<u64, Error>;
}

/// What only the operator asks for, at the command line or at a server's start.
#[async_trait]
pub trait Operator: Send + Sync {
    /// Up to `limit` projects whose ids begin so, in the order of their ids.
    async fn find_projects_beginning(&self, prefix: IdPrefix, limit: u32) -> Result<Vec<Project>, Error>;

    /// Up to `limit` tokens whose ids begin so, in the order of their ids.
    async fn find_tokens_beginning(&self, prefix: IdPrefix, limit: u32) -> Result<Vec<Token>, Error>;

    /// The one root project; `None` where there are several, or none.
    async fn find_only_root(&self) -> Result<Option<ProjectId>, Error>;

    /// The names that the last server to start was configured with: see `Catalogue::to_stored`.
    async fn find_catalogue(&self) -> Result<Option<String>, Error>;

    /// Keeps these names in their place. Returns the names that stood there.
    async fn replace_catalogue(&self, names: &str, now: Timestamp) -> Result<Option<String>, Error>;
}
