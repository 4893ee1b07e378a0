//! What the store asks of its Postgres sessions, seen from inside them: a trigger and a view that the test puts into its
//! database run in the very sessions that write and read.

use std::time::Duration;

use sqlx::{Connection, Executor};
use tokensmith::{
    domain::{Actor, Tenant},
    error::Error,
};

use super::{
    contract::{row, rows_for},
    unheard,
};
use crate::support::{Backend, Database, catalogue};

const LIMIT: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_writes_confirms_what_is_on_disk_and_ends_in_time() {
    let database = Database::migrated(Backend::Postgres).await;
    let mut connection = database.postgres().await;
    // What the server's own default is must not matter.
    connection
        .execute(
            "do $$ begin execute format('alter database %I set synchronous_commit = off', current_database()); end $$;
            create table seen (setting text, value text);
            create function look() returns trigger language plpgsql as $$ begin
                insert into seen select name, current_setting(name) from unnest(array['synchronous_commit',
                    'lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout']) name;
                return new;
            end $$;
            create trigger look after insert on projects for each row execute function look()",
        )
        .await
        .unwrap();
    let store = database.open_with(catalogue(), LIMIT);

    store.create_project(Actor::Operator, &row(None), None, None, 9).await.unwrap();

    let seen: Vec<(String, String)> =
        sqlx::query_as("select setting, value from seen order by setting").fetch_all(&mut connection).await.unwrap();
    let seen: Vec<_> = seen.iter().map(|(setting, value)| (setting.as_str(), value.as_str())).collect();
    // The client gives up first, after LIMIT.
    assert_eq!(
        seen,
        [
            ("idle_in_transaction_session_timeout", "6s"),
            ("lock_timeout", "3s"),
            ("statement_timeout", "6s"),
            ("synchronous_commit", "on"),
        ]
    );
    store.close().await;
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_reads_cannot_write() {
    let database = Database::migrated(Backend::Postgres).await;
    let mut connection = database.postgres().await;
    let store = database.open_with(catalogue(), LIMIT);
    let project = row(None);
    store.create_project(Actor::Operator, &project, None, None, 9).await.unwrap();
    let (token, secret) = rows_for(project.id);
    let rows = tokensmith::store::TokenRows { token: &token, secret: &secret };
    store.insert_token(Actor::Operator, rows, 9, unheard()).await.unwrap();
    assert!(store.find_holder(secret.selector).await.unwrap().is_some());
    connection
        .execute(
            "create table seen (n integer);
            create function write() returns boolean language plpgsql volatile as $$ begin
                insert into seen values (1);
                return true;
            end $$;
            alter table tokens rename to tokens_themselves;
            create view tokens as select * from tokens_themselves where write()",
        )
        .await
        .unwrap();

    // Each in a session for reading, of which the pool has four.
    for _ in 0..8 {
        let verified = store.find_holder(secret.selector).await;
        let managed = store.find_any_token(Tenant::Operator, token.id).await;
        assert!(matches!(verified, Err(Error::StoreAway(_))), "{verified:?}");
        assert!(matches!(managed, Err(Error::StoreAway(_))), "{managed:?}");
    }

    let written: i64 = sqlx::query_scalar("select count(*) from seen").fetch_one(&mut connection).await.unwrap();
    assert_eq!(written, 0);
    store.close().await;
    connection.close().await.unwrap();
}
