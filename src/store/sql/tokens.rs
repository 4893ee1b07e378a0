//! The statements about tokens.
//!
//! Locks are taken in one order: the project's row, then tokens' rows. The project's row comes first in every
//! write, so that two callers who act on each other's tokens wait instead of deadlocking.

use async_trait::async_trait;
use sqlx::{PgConnection, Postgres, QueryBuilder, Sqlite, SqliteConnection};
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

use super::{Failure, Purpose, SqlStore, giving, inserts::Insert, read, records::TokenRecord, taking, write};
use crate::{
    clock::Timestamp,
    domain::{Actor, MANAGEMENT, Permissions, Position, ProjectId, Reach, Tenant, Token, TokenChange, TokenId},
    error::Error,
    store::{TokenRows, Tokens, Updated, Written},
};

macro_rules! tokens {
    ($database:ty, $connection:ty, for_share: $for_share:literal, for_update: $for_update:literal) => {
        #[async_trait]
        impl Tokens for SqlStore<$database> {
            async fn insert_token(
                &self,
                actor: Actor,
                rows: TokenRows<'_>,
                limit: u64,
                written: Written,
            ) -> Result<(), Error> {
                let project = rows.token.project;
                let (place, is_first) = self.inserts.join(actor, rows, limit, self.time_limit, written)?;
                if is_first {
                    let store = self.itself.upgrade().expect("it is there while it is asked");
                    let span = tracing::info_span!("tokens", project.id = %project);
                    // It ends by itself, when nothing waits any more.
                    self.runtime.spawn(async move { store.write_inserts(project).await }.instrument(span));
                }
                place.answer().await
            }

            async fn update_token(
                &self,
                reach: Reach,
                id: TokenId,
                change: &TokenChange,
                now: Timestamp,
            ) -> Result<Updated, Error> {
                write!(self, taking(reach.actor), |tx| {
                    let project = Self::find_owner(tx, reach.project, id).await?;
                    if let Some(project) = project {
                        sqlx::query(concat!("select 1 from projects where id = $1", $for_update))
                            .bind(project)
                            .execute(&mut *tx)
                            .await?;
                    }
                    self.assert_alive(tx, reach.actor).await?;
                    // Under the project's lock, so that nobody changes them meanwhile.
                    let before: Option<String> = match change.permissions {
                        None => None,
                        Some(_) => {
                            sqlx::query_scalar("select permissions from tokens where id = $1 and project_id = $2")
                                .bind(id.as_uuid())
                                .bind(project)
                                .fetch_optional(&mut *tx)
                                .await?
                        }
                    };
                    if project.is_some() && !change.is_empty() {
                        // coalesce reads the row as it is under this statement's own lock: what was not sent is
                        // what another may have written a moment ago, never what was read earlier.
                        sqlx::query(
                            "update tokens set name = coalesce($2, name), permissions = coalesce($3, permissions),
                                updated_at = $4
                            where id = $1",
                        )
                        .bind(id.as_uuid())
                        .bind(change.name.as_ref().map(|name| name.as_str()))
                        .bind(change.permissions.as_ref().map(Permissions::to_stored))
                        .bind(now.as_micros())
                        .execute(&mut *tx)
                        .await?;
                    }
                    let record: Option<TokenRecord> = sqlx::query_as(
                        "select t.id, t.project_id, t.name, t.permissions, t.created_at, t.updated_at,
                            t.created_by, s.selector
                        from tokens t
                        join token_secrets s on s.token_id = t.id
                        where t.id = $1 and t.project_id = $2",
                    )
                    .bind(id.as_uuid())
                    .bind(project)
                    .fetch_optional(&mut *tx)
                    .await?;
                    let token = record.ok_or(Error::TokenNotFound)?.into_token(&self.catalogue)?;
                    Updated { token, before: before.map(|before| self.catalogue.recall(&before)) }
                })
            }

            async fn delete_token(&self, reach: Reach, id: TokenId) -> Result<(), Error> {
                write!(self, taking(reach.actor), |tx| {
                    let project = Self::find_owner(tx, reach.project, id).await?;
                    if let Some(project) = project {
                        // Another may have deleted the project's last token while this waited for its row.
                        sqlx::query(
                            "update projects set token_count = token_count - 1 where id = $1 and token_count > 0",
                        )
                        .bind(project)
                        .execute(&mut *tx)
                        .await?;
                    }
                    self.assert_alive(tx, reach.actor).await?;
                    let deleted = sqlx::query("delete from tokens where id = $1 and project_id = $2")
                        .bind(id.as_uuid())
                        .bind(project)
                        .execute(&mut *tx)
                        .await?
                        .rows_affected();
                    // Refusing takes the count back with it.
                    if deleted == 0 {
                        Err(Error::TokenNotFound)?;
                    }
                })
            }

            async fn find_token(&self, reach: Reach, id: TokenId) -> Result<Option<Token>, Error> {
                read!(self, Purpose::Management(reach.tenant()), |connection| {
                    sqlx::query_as::<_, TokenRecord>(
                        "select t.id, t.project_id, t.name, t.permissions, t.created_at, t.updated_at,
                            t.created_by, s.selector
                        from tokens t
                        join token_secrets s on s.token_id = t.id
                        join projects p on p.id = t.project_id
                        where t.id = $1 and (p.id = $2 or p.parent_id = $2)",
                    )
                    .bind(id.as_uuid())
                    .bind(reach.project.as_uuid())
                    .fetch_optional(connection)
                    .await?
                    .map(|record| record.into_token(&self.catalogue))
                    .transpose()?
                })
            }

            async fn list_tokens(
                &self,
                reach: Reach,
                name: Option<&str>,
                position: Position,
                limit: u32,
            ) -> Result<Vec<Token>, Error> {
                macro_rules! tokens {
                    ($side:literal, $order:literal) => {
                        concat!(
                            "select t.id, t.project_id, t.name, t.permissions, t.created_at, t.updated_at,
                                t.created_by, s.selector
                            from tokens t
                            join token_secrets s on s.token_id = t.id
                            where t.project_id = $1 and ($2 is null or t.name = $2)
                                and (t.created_at, t.id) ",
                            $side,
                            " ($3, $4) order by t.created_at ",
                            $order,
                            ", t.id ",
                            $order,
                            " limit $5",
                        )
                    };
                }
                let (statement, cursor) = match position {
                    Position::Older(cursor) => (tokens!("<", "desc"), cursor),
                    Position::Newer(cursor) => (tokens!(">", "asc"), cursor),
                };
                read!(self, Purpose::Management(reach.tenant()), |connection| {
                    sqlx::query_as::<_, TokenRecord>(statement)
                        .bind(reach.project.as_uuid())
                        .bind(name)
                        .bind(cursor.created_at.as_micros())
                        .bind(cursor.id)
                        .bind(i64::from(limit))
                        .fetch_all(connection)
                        .await?
                        .into_iter()
                        .map(|record| record.into_token(&self.catalogue))
                        .collect::<Result<_, _>>()?
                })
            }

            async fn find_any_token(&self, tenant: Tenant, id: TokenId) -> Result<Option<Token>, Error> {
                read!(self, Purpose::Management(tenant), |connection| {
                    sqlx::query_as::<_, TokenRecord>(
                        "select t.id, t.project_id, t.name, t.permissions, t.created_at, t.updated_at,
                            t.created_by, s.selector
                        from tokens t
                        join token_secrets s on s.token_id = t.id
                        where t.id = $1",
                    )
                    .bind(id.as_uuid())
                    .fetch_optional(connection)
                    .await?
                    .map(|record| record.into_token(&self.catalogue))
                    .transpose()?
                })
            }
        }

        impl SqlStore<$database> {
            /// Writes what waits for a project, until nothing does.
            async fn write_inserts(&self, project: ProjectId) {
                let turn = self.inserts.turn(project);
                while let Some(together) = turn.next() {
                    let told = self.insert_together(&together).await;
                    turn.tell(together, told);
                }
            }

            /// Writes tokens of one project in one transaction, all of them or none.
            async fn insert_together(&self, together: &[Insert]) -> Result<(), Error> {
                let [first, ..] = together else { return Ok(()) };
                let limit = together.iter().map(|insert| insert.limit).fold(first.limit, u64::min);
                let deadline = together.iter().map(|insert| insert.deadline).fold(first.deadline, Instant::min);
                write!(self, giving(first.actor), by deadline, |tx| {
                    let counted = Self::count_tokens_below(tx, first.token.project, together.len(), limit).await?;
                    // A caller who is dead learns just that, not what it would have been refused for.
                    for (i, insert) in together.iter().enumerate() {
                        if together[..i].iter().all(|before| before.actor != insert.actor) {
                            self.assert_alive(tx, insert.actor).await?;
                        }
                    }
                    counted?;
                    let rows: Vec<TokenRows<'_>> = together.iter().map(Insert::rows).collect();
                    Self::insert_rows(tx, &rows).await?;
                })
            }

            /// The third lock on management: asks inside the write's own transaction whether the caller's token
            /// and secret are there and hold `management`, and holds both rows until the commit, so that a
            /// revocation comes wholly before this write or wholly after it.
            pub(super) async fn assert_alive(&self, tx: &mut $connection, actor: Actor) -> Result<(), Failure> {
                let Actor::Token { token, secret, .. } = actor else { return Ok(()) };
                let held: Option<String> = sqlx::query_scalar(concat!(
                    "select t.permissions from tokens t join token_secrets s on s.token_id = t.id
                    where t.id = $1 and s.id = $2",
                    $for_share
                ))
                .bind(token.as_uuid())
                .bind(secret.as_uuid())
                .fetch_optional(tx)
                .await?;
                match held {
                    None => Err(Error::Unauthenticated.into()),
                    Some(held) if self.catalogue.recall(&held).may(MANAGEMENT) => Ok(()),
                    Some(_) => Err(Error::PermissionMissing { permission: MANAGEMENT.to_owned() }.into()),
                }
            }

            /// The project that the token belongs to, where that is the one at hand or its subproject.
            async fn find_owner(
                tx: &mut $connection,
                project: ProjectId,
                id: TokenId,
            ) -> Result<Option<Uuid>, Failure> {
                Ok(sqlx::query_scalar(
                    "select p.id from tokens t join projects p on p.id = t.project_id
                    where t.id = $1 and (p.id = $2 or p.parent_id = $2)",
                )
                .bind(id.as_uuid())
                .bind(project.as_uuid())
                .fetch_optional(tx)
                .await?)
            }

            /// Counts so many more tokens in, and so locks the project until the commit. The inner result is the
            /// refusal, for the caller to give when it comes to it.
            async fn count_tokens_below(
                tx: &mut $connection,
                project: ProjectId,
                more: usize,
                limit: u64,
            ) -> Result<Result<(), Error>, Failure> {
                let counted = sqlx::query(
                    "update projects set token_count = token_count + $2 where id = $1 and token_count <= $3 - $2",
                )
                .bind(project.as_uuid())
                .bind(i64::try_from(more).unwrap_or(i64::MAX))
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .execute(&mut *tx)
                .await?
                .rows_affected();
                if counted == 1 {
                    return Ok(Ok(()));
                }
                let there: bool = sqlx::query_scalar("select exists (select 1 from projects where id = $1)")
                    .bind(project.as_uuid())
                    .fetch_one(tx)
                    .await?;
                Ok(Err(if there { Error::TokenLimitReached { limit } } else { Error::ProjectNotFound }))
            }

            /// Writes tokens and their secrets, each kind in one statement; the count is the caller's to keep.
            pub(super) async fn insert_rows(tx: &mut $connection, rows: &[TokenRows<'_>]) -> Result<(), Failure> {
                QueryBuilder::<$database>::new(
                    "insert into tokens (id, project_id, name, permissions, created_at, updated_at, created_by) ",
                )
                .push_values(rows, |mut row, TokenRows { token, .. }| {
                    row.push_bind(token.id.as_uuid())
                        .push_bind(token.project.as_uuid())
                        .push_bind(token.name.as_str())
                        .push_bind(token.permissions.to_stored())
                        .push_bind(token.created_at.as_micros())
                        .push_bind(token.updated_at.as_micros())
                        .push_bind(token.created_by.map(TokenId::as_uuid));
                })
                .build()
                .execute(&mut *tx)
                .await?;
                let inserted = QueryBuilder::<$database>::new(
                    "insert into token_secrets
                        (id, token_id, selector, hash, check_bytes, created_at, proof, proof_key) ",
                )
                .push_values(rows, |mut row, TokenRows { token, secret }| {
                    row.push_bind(secret.id.as_uuid())
                        .push_bind(token.id.as_uuid())
                        .push_bind(secret.selector.as_bytes())
                        .push_bind(secret.hash.as_str())
                        .push_bind(secret.check.as_bytes())
                        .push_bind(secret.created_at.as_micros())
                        .push_bind(secret.proof.as_ref().map(|proof| proof.mac().as_slice()))
                        .push_bind(secret.proof.as_ref().map(|proof| proof.key().as_slice()));
                })
                .push(" on conflict (selector) do nothing")
                .build()
                .execute(tx)
                .await?
                .rows_affected();
                if inserted == rows.len() as u64 { Ok(()) } else { Err(Error::SelectorTaken.into()) }
            }
        }
    };
}

tokens!(Postgres, PgConnection, for_share: " for share", for_update: " for update");
// "begin immediate" has locked everything already.
tokens!(Sqlite, SqliteConnection, for_share: "", for_update: "");
