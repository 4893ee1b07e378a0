//! The end of the server: from the signal on, clients are asked to go elsewhere before their connections are closed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// How long kept connections stay open when the listener has closed: a client that sends another request on one is answered, and
/// told that it was the last. No more than actix-server takes anyway to look whether its workers are done.
pub(super) const LAST_CALL: Duration = Duration::from_millis(750);

/// Whether the server is about to end. All workers share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Stopping(Arc<AtomicBool>);

impl Stopping {
    pub(super) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether each answer is the last one of its connection, and no balancer should send more.
    pub(super) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
