//! The statements about projects.

use std::slice;

use async_trait::async_trait;
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection};
use uuid::Uuid;

use super::{Failure, Purpose, SqlStore, giving, read, records::ProjectRecord, taking, write};
use crate::{
    clock::Timestamp,
    domain::{Actor, Cursor, Position, Project, ProjectChange, ProjectId, Reach, Tenant},
    error::Error,
    store::{Holdings, ProjectFilter, Projects, TokenRows},
};

macro_rules! projects {
    ($database:ty, $connection:ty, for_share: $for_share:literal, for_update: $for_update:literal, keep_all_out: $keep_all_out:literal) => {
        #[async_trait]
        impl Projects for SqlStore<$database> {
            async fn create_project(
                &self,
                actor: Actor,
                project: &Project,
                first: Option<TokenRows<'_>>,
                signing_key: Option<&[u8]>,
                limit: u64,
            ) -> Result<(), Error> {
                write!(self, giving(actor), |tx| {
                    let room = match project.parent {
                        Some(parent) => Self::lock_parent(tx, parent, limit).await?,
                        None => Ok(()),
                    };
                    // A caller who is dead learns just that, not what it would have been refused for.
                    self.assert_alive(tx, actor).await?;
                    room?;
                    Self::insert_project(tx, project, signing_key).await?;
                    if let Some(rows) = first {
                        Self::insert_first(tx, rows).await?;
                    }
                })
            }

            async fn bootstrap(&self, project: &Project, first: TokenRows<'_>) -> Result<bool, Error> {
                write!(self, giving(Actor::Operator), |tx| {
                    sqlx::query($keep_all_out).execute(&mut *tx).await?;
                    let any: bool =
                        sqlx::query_scalar("select exists (select 1 from projects)").fetch_one(&mut *tx).await?;
                    if !any {
                        Self::insert_project(tx, project, None).await?;
                        Self::insert_first(tx, first).await?;
                    }
                    !any
                })
            }

            async fn is_empty(&self) -> Result<bool, Error> {
                read!(self, Purpose::Management(Tenant::Operator), |connection| {
                    let any: bool =
                        sqlx::query_scalar("select exists (select 1 from projects)").fetch_one(connection).await?;
                    !any
                })
            }

            async fn find_project(&self, tenant: Tenant, id: ProjectId) -> Result<Option<Project>, Error> {
                read!(self, Purpose::Management(tenant), |connection| {
                    sqlx::query_as::<_, ProjectRecord>(
                        "select id, name, parent_id, region_preference, protect_recordings, protect_message_media,
                            protect_fax_media, force_https_requests, created_at, updated_at
                        from projects where id = $1",
                    )
                    .bind(id.as_uuid())
                    .fetch_optional(connection)
                    .await?
                    .map(Project::from)
                })
            }

            async fn count_holdings(&self, id: ProjectId) -> Result<Holdings, Error> {
                read!(self, Purpose::Management(Tenant::Operator), |connection| {
                    let counted: Option<(i64, i64)> = sqlx::query_as(
                        "select p.token_count, (select count(*) from projects c where c.parent_id = p.id)
                        from projects p where p.id = $1",
                    )
                    .bind(id.as_uuid())
                    .fetch_optional(connection)
                    .await?;
                    let (tokens, subprojects) = counted.ok_or(Error::ProjectNotFound)?;
                    Holdings { tokens: tokens.unsigned_abs(), subprojects: subprojects.unsigned_abs() }
                })
            }

            async fn list_projects(
                &self,
                filter: &ProjectFilter,
                position: Position,
                limit: u32,
            ) -> Result<Vec<Project>, Error> {
                macro_rules! projects {
                    ($side:literal, $order:literal) => {
                        concat!(
                            "select id, name, parent_id, region_preference, protect_recordings, protect_message_media,
                                protect_fax_media, force_https_requests, created_at, updated_at
                            from projects
                            where ($1 is null or parent_id = $1) and ($2 is null or name = $2)
                                and (created_at, id) ",
                            $side,
                            " ($3, $4) order by created_at ",
                            $order,
                            ", id ",
                            $order,
                            " limit $5",
                        )
                    };
                }
                let (statement, cursor) = match position {
                    Position::Older(cursor) => (projects!("<", "desc"), cursor),
                    Position::Newer(cursor) => (projects!(">", "asc"), cursor),
                };
                self.list(Tenant::Operator, statement, filter.parent, filter.name.as_deref(), cursor, limit).await
            }

            async fn list_tree(
                &self,
                reach: Reach,
                name: Option<&str>,
                position: Position,
                limit: u32,
            ) -> Result<Vec<Project>, Error> {
                // Two branches, because "id = $1 or parent_id = $1" would read and sort the whole tree for each page;
                // the subprojects come in the order of their index.
                macro_rules! tree {
                    ($side:literal, $order:literal) => {
                        concat!(
                            "select id, name, parent_id, region_preference, protect_recordings, protect_message_media,
                                protect_fax_media, force_https_requests, created_at, updated_at
                            from (
                                select * from (
                                    select * from projects
                                    where parent_id = $1 and ($2 is null or name = $2) and (created_at, id) ",
                            $side,
                            " ($3, $4) order by created_at ",
                            $order,
                            ", id ",
                            $order,
                            " limit $5) subprojects
                                union all
                                select * from projects
                                where id = $1 and ($2 is null or name = $2) and (created_at, id) ",
                            $side,
                            " ($3, $4)) tree order by created_at ",
                            $order,
                            ", id ",
                            $order,
                            " limit $5",
                        )
                    };
                }
                let (statement, cursor) = match position {
                    Position::Older(cursor) => (tree!("<", "desc"), cursor),
                    Position::Newer(cursor) => (tree!(">", "asc"), cursor),
                };
                self.list(reach.tenant(), statement, Some(reach.project), name, cursor, limit).await
            }

            async fn find_sealed_key(&self) -> Result<Option<Vec<u8>>, Error> {
                read!(self, Purpose::Management(Tenant::Operator), |connection| {
                    sqlx::query_scalar("select signing_key from projects where signing_key is not null limit 1")
                        .fetch_optional(connection)
                        .await?
                })
            }

            async fn update_project(
                &self,
                reach: Reach,
                change: &ProjectChange,
                now: Timestamp,
            ) -> Result<Project, Error> {
                write!(self, taking(reach.actor), |tx| {
                    let there = Self::lock_project(tx, reach.project).await?;
                    self.assert_alive(tx, reach.actor).await?;
                    there?;
                    if !change.is_empty() {
                        sqlx::query(
                            "update projects set name = coalesce($2, name),
                                protect_recordings = coalesce($3, protect_recordings),
                                protect_message_media = coalesce($4, protect_message_media),
                                protect_fax_media = coalesce($5, protect_fax_media),
                                force_https_requests = coalesce($6, force_https_requests),
                                updated_at = $7
                            where id = $1",
                        )
                        .bind(reach.project.as_uuid())
                        .bind(change.name.as_ref().map(|name| name.as_str()))
                        .bind(change.options.protect_recordings)
                        .bind(change.options.protect_message_media)
                        .bind(change.options.protect_fax_media)
                        .bind(change.options.force_https_requests)
                        .bind(now.as_micros())
                        .execute(&mut *tx)
                        .await?;
                    }
                    Self::read_project(tx, reach.project).await?
                })
            }

            async fn replace_signing_key(
                &self,
                reach: Reach,
                sealed: &[u8],
                now: Timestamp,
            ) -> Result<Project, Error> {
                write!(self, taking(reach.actor), |tx| {
                    let there = Self::lock_project(tx, reach.project).await?;
                    self.assert_alive(tx, reach.actor).await?;
                    there?;
                    sqlx::query("update projects set signing_key = $2, updated_at = $3 where id = $1")
                        .bind(reach.project.as_uuid())
                        .bind(sealed)
                        .bind(now.as_micros())
                        .execute(&mut *tx)
                        .await?;
                    Self::read_project(tx, reach.project).await?
                })
            }

            async fn delete_project(&self, reach: Reach) -> Result<u64, Error> {
                let id = reach.project;
                write!(self, taking(reach.actor), |tx| {
                    // The lock comes first: who makes a subproject or a token holds this row until the commit.
                    let there = Self::lock_project(tx, id).await?;
                    self.assert_alive(tx, reach.actor).await?;
                    there?;
                    let subprojects: i64 = sqlx::query_scalar("select count(*) from projects where parent_id = $1")
                        .bind(id.as_uuid())
                        .fetch_one(&mut *tx)
                        .await?;
                    if subprojects > 0 {
                        Err(Error::HasSubprojects { count: subprojects.unsigned_abs() })?;
                    }
                    let tokens = sqlx::query("delete from tokens where project_id = $1")
                        .bind(id.as_uuid())
                        .execute(&mut *tx)
                        .await?
                        .rows_affected();
                    sqlx::query("delete from projects where id = $1").bind(id.as_uuid()).execute(&mut *tx).await?;
                    tokens
                })
            }
        }

        impl SqlStore<$database> {
            /// Runs one of the statements that list.
            async fn list(
                &self,
                tenant: Tenant,
                statement: &'static str,
                of: Option<ProjectId>,
                name: Option<&str>,
                cursor: Cursor,
                limit: u32,
            ) -> Result<Vec<Project>, Error> {
                read!(self, Purpose::Management(tenant), |connection| {
                    sqlx::query_as::<_, ProjectRecord>(statement)
                        .bind(of.map(ProjectId::as_uuid))
                        .bind(name)
                        .bind(cursor.created_at.as_micros())
                        .bind(cursor.id)
                        .bind(i64::from(limit))
                        .fetch_all(connection)
                        .await?
                        .into_iter()
                        .map(Project::from)
                        .collect()
                })
            }

            /// Keeps all others from the parent until the commit: a root cannot become a subproject, but it can be deleted
            /// and be given subprojects. The inner result is the refusal, for the caller to give when it comes to it.
            async fn lock_parent(
                tx: &mut $connection,
                id: ProjectId,
                limit: u64,
            ) -> Result<Result<(), Error>, Failure> {
                let parent: Option<Option<Uuid>> =
                    sqlx::query_scalar(concat!("select parent_id from projects where id = $1", $for_update))
                        .bind(id.as_uuid())
                        .fetch_optional(&mut *tx)
                        .await?;
                match parent {
                    None => return Ok(Err(Error::ProjectNotFound)),
                    Some(Some(_)) => return Ok(Err(Error::NestedSubproject)),
                    Some(None) => {}
                }
                // Of a statement of its own: one that waits for the lock counts what was there before it waited.
                let is_full: bool = sqlx::query_scalar(
                    "select (select count(*) from (select 1 from projects where parent_id = $1 limit $2) c) >= $2",
                )
                .bind(id.as_uuid())
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_one(tx)
                .await?;
                Ok(if is_full { Err(Error::SubprojectLimitReached { limit }) } else { Ok(()) })
            }

            /// Keeps all others from the project until the commit. The inner result as above.
            async fn lock_project(tx: &mut $connection, id: ProjectId) -> Result<Result<(), Error>, Failure> {
                let there: Option<i32> =
                    sqlx::query_scalar(concat!("select 1 from projects where id = $1", $for_update))
                        .bind(id.as_uuid())
                        .fetch_optional(tx)
                        .await?;
                Ok(there.map(|_| ()).ok_or(Error::ProjectNotFound))
            }

            async fn read_project(tx: &mut $connection, id: ProjectId) -> Result<Project, Failure> {
                let record: Option<ProjectRecord> = sqlx::query_as(
                    "select id, name, parent_id, region_preference, protect_recordings, protect_message_media,
                        protect_fax_media, force_https_requests, created_at, updated_at
                    from projects where id = $1",
                )
                .bind(id.as_uuid())
                .fetch_optional(tx)
                .await?;
                Ok(record.map(Project::from).ok_or(Error::ProjectNotFound)?)
            }

            async fn insert_first(tx: &mut $connection, rows: TokenRows<'_>) -> Result<(), Failure> {
                sqlx::query("update projects set token_count = 1 where id = $1")
                    .bind(rows.token.project.as_uuid())
                    .execute(&mut *tx)
                    .await?;
                Self::insert_rows(tx, slice::from_ref(&rows)).await
            }

            async fn insert_project(
                tx: &mut $connection,
                project: &Project,
                signing_key: Option<&[u8]>,
            ) -> Result<(), Failure> {
                sqlx::query(
                    "insert into projects (id, name, parent_id, region_preference, protect_recordings,
                        protect_message_media, protect_fax_media, force_https_requests, created_at, updated_at,
                        signing_key)
                    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                )
                .bind(project.id.as_uuid())
                .bind(project.name.as_str())
                .bind(project.parent.map(ProjectId::as_uuid))
                .bind(project.region_preference.as_deref())
                .bind(project.protect_recordings)
                .bind(project.protect_message_media)
                .bind(project.protect_fax_media)
                .bind(project.force_https_requests)
                .bind(project.created_at.as_micros())
                .bind(project.updated_at.as_micros())
                .bind(signing_key)
                .execute(tx)
                .await?;
                Ok(())
            }
        }
    };
}

projects!(
    Postgres, PgConnection,
    for_share: " for share",
    for_update: " for update",
    keep_all_out: "lock table projects in share row exclusive mode"
);
// "begin immediate" has kept all others out already.
projects!(Sqlite, SqliteConnection, for_share: "", for_update: "", keep_all_out: "select 1");
