//! The statements about projects.

use async_trait::async_trait;
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection};
use uuid::Uuid;

use super::{Failure, SqlStore, read, records::ProjectRecord, write};
use crate::{
    clock::Timestamp,
    domain::{Cursor, Name, Project, ProjectId},
    error::Error,
    store::{Holdings, ProjectFilter, Projects, TokenRows},
};

macro_rules! projects {
    ($database:ty, $connection:ty, for_share: $for_share:literal, for_update: $for_update:literal, keep_all_out: $keep_all_out:literal) => {
        #[async_trait]
        impl Projects for SqlStore<$database> {
            async fn create_project(&self, project: &Project, first: Option<TokenRows<'_>>) -> Result<(), Error> {
                write!(self, |tx| {
                    if let Some(parent) = project.parent {
                        Self::assert_root(tx, parent).await?;
                    }
                    Self::insert_project(tx, project).await?;
                    if let Some(rows) = first {
                        Self::insert_first(tx, rows).await?;
                    }
                })
            }

            async fn bootstrap(&self, project: &Project, first: TokenRows<'_>) -> Result<bool, Error> {
                write!(self, |tx| {
                    sqlx::query($keep_all_out).execute(&mut *tx).await?;
                    let any: bool =
                        sqlx::query_scalar("select exists (select 1 from projects)").fetch_one(&mut *tx).await?;
                    if !any {
                        Self::insert_project(tx, project).await?;
                        Self::insert_first(tx, first).await?;
                    }
                    !any
                })
            }

            async fn is_empty(&self) -> Result<bool, Error> {
                read!(self, |connection| {
                    let any: bool =
                        sqlx::query_scalar("select exists (select 1 from projects)").fetch_one(connection).await?;
                    !any
                })
            }

            async fn find_project(&self, id: ProjectId) -> Result<Option<Project>, Error> {
                read!(self, |connection| {
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
                read!(self, |connection| {
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
                after: Cursor,
                limit: u32,
            ) -> Result<Vec<Project>, Error> {
                read!(self, |connection| {
                    sqlx::query_as::<_, ProjectRecord>(
                        "select id, name, parent_id, region_preference, protect_recordings, protect_message_media,
                            protect_fax_media, force_https_requests, created_at, updated_at
                        from projects
                        where ($1 is null or parent_id = $1) and ($2 is null or name = $2)
                            and (created_at, id) < ($3, $4)
                        order by created_at desc, id desc
                        limit $5",
                    )
                    .bind(filter.parent.map(ProjectId::as_uuid))
                    .bind(filter.name.as_deref())
                    .bind(after.created_at.as_micros())
                    .bind(after.id)
                    .bind(i64::from(limit))
                    .fetch_all(connection)
                    .await?
                    .into_iter()
                    .map(Project::from)
                    .collect()
                })
            }

            async fn rename_project(&self, id: ProjectId, name: &Name, now: Timestamp) -> Result<Project, Error> {
                write!(self, |tx| {
                    sqlx::query_as::<_, ProjectRecord>(
                        "update projects set name = $2, updated_at = $3 where id = $1
                        returning id, name, parent_id, region_preference, protect_recordings,
                            protect_message_media, protect_fax_media, force_https_requests, created_at, updated_at",
                    )
                    .bind(id.as_uuid())
                    .bind(name.as_str())
                    .bind(now.as_micros())
                    .fetch_optional(&mut *tx)
                    .await?
                    .map(Project::from)
                    .ok_or(Error::ProjectNotFound)?
                })
            }

            async fn delete_project(&self, id: ProjectId) -> Result<u64, Error> {
                write!(self, |tx| {
                    // The lock comes first: who makes a subproject or a token holds this row until the commit.
                    let there: Option<i64> =
                        sqlx::query_scalar(concat!("select token_count from projects where id = $1", $for_update))
                            .bind(id.as_uuid())
                            .fetch_optional(&mut *tx)
                            .await?;
                    there.ok_or(Error::ProjectNotFound)?;
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
            /// Holds the parent until the commit: a root cannot become a subproject, but it can be deleted.
            async fn assert_root(tx: &mut $connection, id: ProjectId) -> Result<(), Failure> {
                let parent: Option<Option<Uuid>> =
                    sqlx::query_scalar(concat!("select parent_id from projects where id = $1", $for_share))
                        .bind(id.as_uuid())
                        .fetch_optional(tx)
                        .await?;
                match parent {
                    None => Err(Error::ProjectNotFound.into()),
                    Some(Some(_)) => Err(Error::NestedSubproject.into()),
                    Some(None) => Ok(()),
                }
            }

            async fn insert_first(tx: &mut $connection, rows: TokenRows<'_>) -> Result<(), Failure> {
                sqlx::query("update projects set token_count = 1 where id = $1")
                    .bind(rows.token.project.as_uuid())
                    .execute(&mut *tx)
                    .await?;
                Self::insert_rows(tx, rows).await
            }

            async fn insert_project(tx: &mut $connection, project: &Project) -> Result<(), Failure> {
                sqlx::query(
                    "insert into projects (id, name, parent_id, region_preference, protect_recordings,
                        protect_message_media, protect_fax_media, force_https_requests, created_at, updated_at)
                    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
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
