//! How a database is brought to the schema, and which databases are refused.

use std::{collections::BTreeMap, fs, sync::Arc};

use refinery::Runner;
use rstest::rstest;
use tokensmith::{
    error::Error,
    store::migrate::{MigrateError, postgres_runner, sqlite_runner},
};

use crate::support::{Backend, Database, catalogue};

fn embedded(runner: &Runner) -> Vec<String> {
    runner.get_migrations().iter().map(ToString::to_string).collect()
}

fn folder(name: &str) -> Vec<String> {
    let folder = format!("{}/migrations/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut files: BTreeMap<u32, String> = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let name = file.strip_suffix(".sql").unwrap_or_else(|| panic!("{file} is no migration")).to_owned();
        let version = name.split_once("__").unwrap().0.strip_prefix('V').unwrap().parse().unwrap();
        assert!(files.insert(version, name).is_none(), "{version} stands twice");
    }
    files.into_values().collect()
}

#[test]
fn both_databases_have_the_same_migrations_and_all_of_them_are_embedded() {
    assert_eq!(folder("postgres"), folder("sqlite"));
    assert_eq!(embedded(&postgres_runner()), folder("postgres"));
    assert_eq!(embedded(&sqlite_runner()), folder("sqlite"));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn migrating_twice_does_it_once(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let database = Database::bare(backend).await;

    assert_eq!(database.migrate().await.unwrap(), folder("sqlite"));
    assert_eq!(database.migrate().await.unwrap(), Vec::<String>::new());
    database.open(catalogue()).ready().await.unwrap();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_migrate_at_once_one_does_it(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    for _ in 0..5 {
        let database = Arc::new(Database::bare(backend).await);
        let migrating: Vec<_> = (0..6)
            .map(|_| {
                let database = database.clone();
                tokio::spawn(async move { database.migrate().await })
            })
            .collect();

        let mut applied = Vec::new();
        for task in migrating {
            applied.extend(task.await.unwrap().unwrap());
        }

        assert_eq!(applied, folder("sqlite"));
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_a_newer_version_migrated_is_refused_and_left_alone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = Database::migrated(backend).await;
    database
        .execute(
            "insert into refinery_schema_history (version, name, applied_on, checksum)
            values (999, 'from_the_future', '2030-01-01T00:00:00Z', '1')",
        )
        .await;

    let refused = database.migrate().await;

    assert!(matches!(&refused, Err(MigrateError::Newer(name)) if name == "V999__from_the_future"), "{refused:?}");
    assert!(matches!(database.open(catalogue()).ready().await, Err(Error::Internal(_))));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_was_changed_after_it_ran_is_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = Database::migrated(backend).await;
    database.execute("update refinery_schema_history set checksum = '1' where version = 1").await;

    let refused = database.migrate().await;

    assert!(matches!(&refused, Err(MigrateError::Changed(name)) if name.starts_with("V1__")), "{refused:?}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_fails_leaves_nothing_behind(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let database = Database::bare(backend).await;
    // The first migration makes this one as its last table.
    database.execute("create table token_secrets (in_the_way integer)").await;

    assert!(matches!(database.migrate().await, Err(MigrateError::Refinery(_))));

    database.execute("drop table token_secrets").await;
    assert_eq!(database.migrate().await.unwrap(), folder("sqlite"));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_a_schema_is_not_ready(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let database = Database::bare(backend).await;

    assert!(matches!(database.open(catalogue()).ready().await, Err(Error::Internal(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_holds_every_column_of_ours_to_its_type() {
    let database = Database::migrated(Backend::Sqlite).await;

    let loose = "select count(*) from pragma_table_list
        where schema = 'main' and not strict and name not like 'sqlite_%' and name <> 'refinery_schema_history'";
    assert_eq!(database.count(loose).await, 0);
    assert!(database.count("select count(*) from pragma_table_list where schema = 'main' and strict").await >= 3);
}
