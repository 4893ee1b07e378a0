//! Rows as they come from either database, and what they become.

use sqlx::{FromRow, Row, postgres::PgRow, sqlite::SqliteRow};
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    domain::{Catalogue, Check, Name, Project, Proof, Selector, Token},
    error::Error,
    store::Holder,
};

/// Reads a record's fields from the columns of the same names, of either database.
///
/// sqlx's derive does the same, but its macros need all of sqlx, SQLite's C code included, built a second time.
macro_rules! from_columns {
    ($record:ident { $($column:ident),+ $(,)? }) => {
        from_columns!(PgRow, $record { $($column),+ });
        from_columns!(SqliteRow, $record { $($column),+ });
    };
    ($row:ty, $record:ident { $($column:ident),+ }) => {
        impl FromRow<'_, $row> for $record {
            fn from_row(row: &$row) -> sqlx::Result<Self> {
                Ok(Self { $($column: row.try_get(stringify!($column))?),+ })
            }
        }
    };
}

/// The columns of a token, with the selector of its secret.
pub(super) struct TokenRecord {
    id: Uuid,
    project_id: Uuid,
    name: String,
    permissions: String,
    created_at: i64,
    updated_at: i64,
    created_by: Option<Uuid>,
    selector: Vec<u8>,
}

from_columns!(TokenRecord { id, project_id, name, permissions, created_at, updated_at, created_by, selector });

impl TokenRecord {
    pub(super) fn into_token(self, catalogue: &Catalogue) -> Result<Token, Error> {
        Ok(Token {
            id: self.id.into(),
            project: self.project_id.into(),
            name: Name::from_stored(self.name),
            permissions: catalogue.recall(&self.permissions),
            hint: Selector::from_bytes(&self.selector).ok_or_else(damaged)?.hint(),
            created_at: Timestamp::from_micros(self.created_at),
            updated_at: Timestamp::from_micros(self.updated_at),
            created_by: self.created_by.map(Into::into),
        })
    }
}

/// The columns of a project.
pub(super) struct ProjectRecord {
    id: Uuid,
    name: String,
    parent_id: Option<Uuid>,
    region_preference: Option<String>,
    protect_recordings: bool,
    protect_message_media: bool,
    protect_fax_media: bool,
    force_https_requests: bool,
    created_at: i64,
    updated_at: i64,
}

from_columns!(ProjectRecord {
    id,
    name,
    parent_id,
    region_preference,
    protect_recordings,
    protect_message_media,
    protect_fax_media,
    force_https_requests,
    created_at,
    updated_at
});

impl From<ProjectRecord> for Project {
    fn from(record: ProjectRecord) -> Self {
        Self {
            id: record.id.into(),
            name: Name::from_stored(record.name),
            parent: record.parent_id.map(Into::into),
            region_preference: record.region_preference,
            protect_recordings: record.protect_recordings,
            protect_message_media: record.protect_message_media,
            protect_fax_media: record.protect_fax_media,
            force_https_requests: record.force_https_requests,
            created_at: Timestamp::from_micros(record.created_at),
            updated_at: Timestamp::from_micros(record.updated_at),
        }
    }
}

/// The columns that a verification reads.
pub(super) struct HolderRecord {
    secret_id: Uuid,
    hash: String,
    check_bytes: Vec<u8>,
    proof: Option<Vec<u8>>,
    proof_key: Option<Vec<u8>>,
    token_id: Uuid,
    name: String,
    permissions: String,
    created_at: i64,
    project_id: Uuid,
    parent_id: Option<Uuid>,
}

from_columns!(HolderRecord {
    secret_id,
    hash,
    check_bytes,
    proof,
    proof_key,
    token_id,
    name,
    permissions,
    created_at,
    project_id,
    parent_id
});

impl HolderRecord {
    pub(super) fn into_holder(self, catalogue: &Catalogue) -> Result<Holder, Error> {
        Ok(Holder {
            secret: self.secret_id.into(),
            hash: self.hash,
            check: Check::from_bytes(&self.check_bytes).ok_or_else(damaged)?,
            proof: match self.proof_key.zip(self.proof) {
                None => None,
                Some((key, mac)) => Some(Proof::from_stored(&key, &mac).ok_or_else(damaged)?),
            },
            token: self.token_id.into(),
            name: Name::from_stored(self.name),
            permissions: catalogue.recall(&self.permissions),
            issued_at: Timestamp::from_micros(self.created_at),
            project: self.project_id.into(),
            parent: self.parent_id.map(Into::into),
        })
    }
}

fn damaged() -> Error {
    Error::internal("a stored secret has a selector, check or proof of the wrong length")
}
