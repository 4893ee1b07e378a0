//! The pulse of a database: when it last answered, as far as this process has heard. It tells a pool whose connections are
//! all at work from a database that is away, and connections that went silent from those that have answered since.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// What one store has heard of its database.
#[derive(Debug)]
pub(in crate::store) struct Pulse {
    started: Instant,
    time_limit: Duration,
    /// How long past its time a connection may take to be in order again.
    grace: Duration,
    /// How many operations were answered.
    answers: AtomicU64,
    /// Microseconds after `started`: connections that were last heard of before may have gone silent.
    doubted_before: AtomicU64,
}

impl Pulse {
    pub(in crate::store) fn new(time_limit: Duration, grace: Duration) -> Self {
        Self {
            started: Instant::now(),
            time_limit,
            grace,
            answers: AtomicU64::new(0),
            doubted_before: AtomicU64::new(0),
        }
    }

    /// Notes that an operation was answered.
    pub(super) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were. Where the number has grown, the database was there meanwhile.
    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Notes that an operation was not answered in time: a load balancer or a NAT that has forgotten one connection has
    /// usually forgotten them all, and each would cost another client its whole time limit.
    pub(super) fn missed(&self) {
        // Those that have answered a moment ago are not silent, and a client that waits for a lock proves nothing about them.
        let before = self.started.elapsed().saturating_sub(self.time_limit / 4);
        self.doubted_before.fetch_max(micros(before), Ordering::Relaxed);
    }

    /// Whether a connection that has been idle for so long may have gone silent.
    pub(in crate::store) fn is_doubtful(&self, idle_for: Duration) -> bool {
        let heard = self.started.elapsed().saturating_sub(idle_for);
        micros(heard) < self.doubted_before.load(Ordering::Relaxed)
    }

    /// How long past its time a connection may take to be in order again.
    pub(super) fn grace(&self) -> Duration {
        self.grace
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_connections_not_heard_of_lately_are_doubted() {
        let pulse = Pulse::new(Duration::from_millis(40), Duration::ZERO);
        std::thread::sleep(Duration::from_millis(30));
        assert!(!pulse.is_doubtful(Duration::from_millis(25)), "nothing was missed");

        pulse.missed();

        assert!(pulse.is_doubtful(Duration::from_millis(25)));
        assert!(!pulse.is_doubtful(Duration::ZERO), "it was heard of a moment ago");
    }
}
