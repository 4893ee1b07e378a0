//! The statements about secrets.

use async_trait::async_trait;
use sqlx::{Postgres, Sqlite};

use super::{SqlStore, read, records::HolderRecord, write};
use crate::{
    domain::{SecretId, Selector},
    error::Error,
    store::{Holder, Secrets},
};

macro_rules! secrets {
    ($database:ty) => {
        #[async_trait]
        impl Secrets for SqlStore<$database> {
            async fn find_holder(&self, selector: Selector) -> Result<Option<Holder>, Error> {
                read!(self, |connection| {
                    sqlx::query_as::<_, HolderRecord>(
                        "select s.id as secret_id, s.hash, s.check_bytes, t.id as token_id, t.name, t.permissions,
                            p.id as project_id, p.parent_id
                        from token_secrets s
                        join tokens t on t.id = s.token_id
                        join projects p on p.id = t.project_id
                        where s.selector = $1",
                    )
                    .bind(selector.as_bytes())
                    .fetch_optional(connection)
                    .await?
                    .map(|record| record.into_holder(&self.catalogue))
                    .transpose()?
                })
            }

            async fn replace_hash(&self, id: SecretId, old: &str, new: &str) -> Result<bool, Error> {
                write!(self, |tx| {
                    sqlx::query("update token_secrets set hash = $3 where id = $1 and hash = $2")
                        .bind(id.as_uuid())
                        .bind(old)
                        .bind(new)
                        .execute(&mut *tx)
                        .await?
                        .rows_affected()
                        == 1
                })
            }
        }
    };
}

secrets!(Postgres);
secrets!(Sqlite);
