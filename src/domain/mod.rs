//! What things *are*: projects, tokens, secrets, permissions. Pure: no async, no database, no HTTP.
//! Each type is parsed once, at the door; inside the house it is valid because it exists.

mod actor;
mod credential;
mod fields;
mod ids;
mod name;
mod page;
mod page_token;
mod permission;
mod permission_set;
mod project;
mod proof;
mod secret;
mod signing_key;
mod token;

pub use actor::{Actor, Reach, Tenant};
pub use credential::Credential;
pub use fields::{Fields, Raw, Schema};
pub use ids::{IdPrefix, ProjectId, SecretId, TokenId};
pub use name::Name;
pub use page::{Cursor, Page, Position};
pub use page_token::List;
pub use permission::{Catalogue, CatalogueError, INTROSPECTION, MANAGEMENT, Permissions};
pub use permission_set::{Needed, PermissionSet};
pub use project::{NewProject, Project, ProjectChange, ProjectOptions};
pub use proof::{Proof, ProofKeyId};
pub use secret::{Check, Hint, Secret, SecretText, Selector};
pub use signing_key::SigningKey;
pub use token::{Issued, NewToken, StoredSecret, Token, TokenChange};
