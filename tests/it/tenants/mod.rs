//! Tenants beside each other: what one does keeps no other from being served, and from revoking first of all.

mod crowd;
mod load;
mod machine;
mod shares;

use crate::support::App;

/// How many sessions of a Postgres database wait for a lock.
async fn sessions_that_wait_for_a_lock(app: &App) -> i64 {
    const WAITING: &str = "select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    app.database.count(WAITING).await
}

async fn until_sessions_wait_for_a_lock(app: &App, sessions: i64) {
    for _ in 0..2000 {
        if sessions_that_wait_for_a_lock(app).await == sessions {
            return;
        }
    }
    panic!("not as many wait for a lock");
}
