//! Whether others write to the store: what makes a cached grant count at all.
//!
//! A task asks the store for its mark of others' changes every 50 ms, never on the road of a request. A mark that
//! differs makes every cached grant be read again. A mark that was read lets grants count for 150 ms from the moment
//! before the reading, and no longer: where the task cannot run or the store does not answer, rows are read. So
//! 200 ms after another process has committed, nothing older counts here.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use super::Changes;
use crate::store::{Mark, SETTLED_AFTER, Store};

const EVERY: Duration = Duration::from_millis(50);

/// How long to wait before asking again where another process remembers.
const WHILE_ANOTHER: Duration = Duration::from_millis(500);

/// Shorter than [`SETTLED_AFTER`] by more than a clock goes wrong in it.
const LEASE: Duration = Duration::from_millis(150);
const _: () = assert!(LEASE.as_millis() < SETTLED_AFTER.as_millis());

/// The task that watches. It ends when this is dropped, and with it cached grants cease to count.
#[must_use = "the watch ends when it is dropped"]
pub struct Watch {
    task: JoinHandle<()>,
    changes: Arc<Changes>,
}

impl Watch {
    pub(in crate::service) fn start(store: Arc<dyn Store>, changes: Arc<Changes>) -> Self {
        Self { task: tokio::spawn(keep(store, changes.clone())), changes }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may be at a look, which ends by itself.
        self.task.abort();
        self.changes.is_watched_no_more();
    }
}

/// Watches. If that fails, no grant counts any more, which is safe but slow, and somebody should know.
async fn keep(store: Arc<dyn Store>, changes: Arc<Changes>) {
    // A task of its own, because only so its panic comes to somebody's notice. It ends with this one.
    let mut watching = JoinSet::new();
    watching.spawn(watch(store, changes.clone()));
    if let Some(Err(error)) = watching.join_next().await
        && error.is_panic()
    {
        changes.is_watched_no_more();
        tracing::error!(
            "the watch over others' writes has failed, a fault of this program: no grant is remembered any more, and each \
             verification reads its row until the server is restarted"
        );
    }
}

async fn watch(store: Arc<dyn Store>, changes: Arc<Changes>) {
    let mut last: Option<Mark> = None;
    let mut is_answered = true;
    loop {
        let began = Instant::now();
        match store.mark().await {
            Ok(Some(mark)) => {
                if last != Some(mark) {
                    changes.apply_to_all();
                    last = Some(mark);
                }
                changes.is_alone(began, LEASE);
                is_answered = true;
            }
            // Others may remember, or share the store: this process does not. What it knew until now is too old when
            // it may again.
            Ok(None) => {
                changes.is_alone_no_more();
                last = None;
                sleep(WHILE_ANOTHER).await;
            }
            Err(error) => {
                if is_answered {
                    tracing::debug!(%error, "the store does not say whether others write to it; rows are read");
                }
                is_answered = false;
            }
        }
        sleep(EVERY).await;
    }
}
