//! The statements that only the operator needs: ids by their beginning, and what the last server was started with.

use async_trait::async_trait;
use sqlx::{Postgres, Sqlite};

use super::{
    Purpose, SqlStore, read,
    records::{ProjectRecord, TokenRecord},
    taking, write,
};
use crate::{
    clock::Timestamp,
    domain::{Actor, IdPrefix, Project, ProjectId, Tenant, Token},
    error::Error,
    store::Operator,
};

macro_rules! operator {
    ($database:ty) => {
        #[async_trait]
        impl Operator for SqlStore<$database> {
            async fn find_projects_beginning(&self, prefix: IdPrefix, limit: u32) -> Result<Vec<Project>, Error> {
                read!(self, Purpose::Management(Tenant::Operator), |connection| {
                    sqlx::query_as::<_, ProjectRecord>(
                        "select id, name, parent_id, region_preference, protect_recordings, protect_message_media,
                            protect_fax_media, force_https_requests, created_at, updated_at
                        from projects where id between $1 and $2 order by id limit $3",
                    )
                    .bind(prefix.first())
                    .bind(prefix.last())
                    .bind(i64::from(limit))
                    .fetch_all(connection)
                    .await?
                    .into_iter()
                    .map(Project::from)
                    .collect()
                })
            }

            async fn find_tokens_beginning(&self, prefix: IdPrefix, limit: u32) -> Result<Vec<Token>, Error> {
                read!(self, Purpose::Management(Tenant::Operator), |connection| {
                    sqlx::query_as::<_, TokenRecord>(
                        "select t.id, t.project_id, t.name, t.permissions, t.created_at, t.updated_at,
                            t.created_by, s.selector
                        from tokens t
                        join token_secrets s on s.token_id = t.id
                        where t.id between $1 and $2 order by t.id limit $3",
                    )
                    .bind(prefix.first())
                    .bind(prefix.last())
                    .bind(i64::from(limit))
                    .fetch_all(connection)
                    .await?
                    .into_iter()
                    .map(|record| record.into_token(&self.catalogue))
                    .collect::<Result<_, _>>()?
                })
            }

            async fn find_only_root(&self) -> Result<Option<ProjectId>, Error> {
                read!(self, Purpose::Management(Tenant::Operator), |connection| {
                    let roots: Vec<uuid::Uuid> =
                        sqlx::query_scalar("select id from projects where parent_id is null limit 2")
                            .fetch_all(connection)
                            .await?;
                    match roots[..] {
                        [root] => Some(root.into()),
                        _ => None,
                    }
                })
            }

            async fn find_catalogue(&self) -> Result<Option<String>, Error> {
                read!(self, Purpose::Management(Tenant::Operator), |connection| {
                    sqlx::query_scalar("select value from settings where name = 'permissions.catalogue'")
                        .fetch_optional(connection)
                        .await?
                })
            }

            async fn replace_catalogue(&self, names: &str, now: Timestamp) -> Result<Option<String>, Error> {
                write!(self, taking(Actor::Operator), |tx| {
                    let before: Option<String> =
                        sqlx::query_scalar("select value from settings where name = 'permissions.catalogue'")
                            .fetch_optional(&mut *tx)
                            .await?;
                    sqlx::query(
                        "insert into settings (name, value, updated_at) values ('permissions.catalogue', $1, $2)
                        on conflict (name) do update set value = excluded.value, updated_at = excluded.updated_at
                        where settings.value <> excluded.value",
                    )
                    .bind(names)
                    .bind(now.as_micros())
                    .execute(&mut *tx)
                    .await?;
                    before
                })
            }
        }
    };
}

operator!(Postgres);
operator!(Sqlite);
