//! What has changed since a row was read: the fill guard of the grant cache.
//!
//! Whoever reads a row notes the number of the last change *before* it reads, and what is cached carries that
//! stamp. Whoever changes something raises the number and writes it beside the token or project that it changed,
//! *before* the change is answered. A grant counts only while no later number than its stamp stands beside its
//! token or its project. So a grant that was read before a change can be cached after it and still never counts:
//! nobody has to find and remove it, and filling and changing need no common lock.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use uuid::Uuid;

use crate::domain::{ProjectId, TokenId};

/// Numbers are kept for so many groups of ids. A change makes the grants of its whole group be read again, once.
const GROUPS: usize = 1 << 14;

/// The number of the last change when a row was about to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) struct Stamp(pub(super) u64);

/// What a change is about.
#[derive(Clone, Copy, Debug)]
pub enum Subject {
    /// A token and its secrets.
    Token(TokenId),
    /// A project and its tokens.
    Project(ProjectId),
}

/// The changes that this process knows of.
pub(in crate::service) struct Changes {
    /// The last one. Raised by whoever changes something.
    number: AtomicU64,
    /// The last one of each group of tokens and projects. Only ever raised, by the same.
    groups: Box<[AtomicU64]>,
    /// Every grant with a stamp below it was read too early. Raised by the watch.
    floor: AtomicU64,
    /// Until when nobody else can have changed something unnoticed: nanoseconds since `began`. Set by the watch.
    alone_until: AtomicU64,
    /// Whether the watch has ended, for good. Set by whoever ended it, while it may still be at its last look.
    is_unwatched: AtomicBool,
    began: Instant,
}

impl Changes {
    pub(in crate::service) fn new() -> Self {
        Self {
            number: AtomicU64::new(0),
            groups: (0..GROUPS).map(|_| AtomicU64::new(0)).collect(),
            floor: AtomicU64::new(0),
            alone_until: AtomicU64::new(0),
            is_unwatched: AtomicBool::new(false),
            began: Instant::now(),
        }
    }

    /// Taken before a row is read.
    pub(in crate::service) fn note(&self) -> Stamp {
        Stamp(self.number.load(Ordering::Acquire))
    }

    /// A change has been committed, and is not yet answered.
    pub(in crate::service) fn apply(&self, subject: Subject) {
        let number = self.number.fetch_add(1, Ordering::AcqRel) + 1;
        self.group(subject).fetch_max(number, Ordering::AcqRel);
    }

    /// A change was sent and nobody knows when, or whether, it is committed. Nothing of its group counts again in
    /// this process: its rows are read each time.
    pub(in crate::service) fn apply_for_ever(&self, subject: Subject) {
        self.group(subject).store(u64::MAX, Ordering::Release);
    }

    /// Anything may have been changed by someone else.
    pub(super) fn apply_to_all(&self) {
        let number = self.number.fetch_add(1, Ordering::AcqRel) + 1;
        self.floor.fetch_max(number, Ordering::AcqRel);
    }

    /// Somebody looked at `since`, and what others had changed until then is applied.
    pub(super) fn is_alone(&self, since: Instant, lease: Duration) {
        self.alone_until.fetch_max(nanos((since + lease).duration_since(self.began)), Ordering::SeqCst);
        if self.is_unwatched.load(Ordering::SeqCst) {
            self.is_alone_no_more();
        }
    }

    /// Others may write unnoticed from now on.
    pub(super) fn is_alone_no_more(&self) {
        self.alone_until.store(0, Ordering::SeqCst);
    }

    /// Nobody looks any more.
    pub(super) fn is_watched_no_more(&self) {
        self.is_unwatched.store(true, Ordering::SeqCst);
        self.is_alone_no_more();
    }

    /// Whether what was read at that stamp still counts.
    pub(super) fn has_none_since(&self, stamp: Stamp, token: TokenId, project: ProjectId) -> bool {
        // The lease is looked at first: what was noticed before it was given is then seen below.
        let alone_until = self.alone_until.load(Ordering::Acquire);
        alone_until > nanos(self.began.elapsed())
            && stamp.0 >= self.floor.load(Ordering::Acquire)
            && stamp.0 >= self.group(Subject::Token(token)).load(Ordering::Acquire)
            && stamp.0 >= self.group(Subject::Project(project)).load(Ordering::Acquire)
    }

    fn group(&self, subject: Subject) -> &AtomicU64 {
        let id: Uuid = match subject {
            Subject::Token(id) => id.as_uuid(),
            Subject::Project(id) => id.as_uuid(),
        };
        // Our ids are random. Whoever asks for others makes a group be read again, and no more.
        let [a, b, ..] = id.into_bytes();
        &self.groups[usize::from(u16::from_be_bytes([a, b])) % GROUPS]
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_mins(1);

    fn ids() -> (TokenId, ProjectId) {
        (Uuid::from_u128(1 << 112).into(), Uuid::from_u128(2 << 112).into())
    }

    fn alone() -> Changes {
        let changes = Changes::new();
        changes.is_alone(Instant::now(), LEASE);
        changes
    }

    #[test]
    fn what_was_read_before_a_change_never_counts_and_what_was_read_after_it_does() {
        let (token, project) = ids();
        for subject in [Subject::Token(token), Subject::Project(project)] {
            let changes = alone();
            let before = changes.note();
            assert!(changes.has_none_since(before, token, project));

            changes.apply(subject);

            assert!(!changes.has_none_since(before, token, project));
            assert!(changes.has_none_since(changes.note(), token, project));
        }
    }

    #[test]
    fn a_change_of_another_leaves_a_grant_alone() {
        let (token, project) = ids();
        let changes = alone();
        let before = changes.note();

        changes.apply(Subject::Token(Uuid::from_u128(3 << 112).into()));

        assert!(changes.has_none_since(before, token, project));
    }

    #[test]
    fn nothing_of_an_unknown_outcome_counts_again() {
        let (token, project) = ids();
        let changes = alone();

        changes.apply_for_ever(Subject::Token(token));
        changes.apply(Subject::Token(token));

        assert!(!changes.has_none_since(changes.note(), token, project));
    }

    #[test]
    fn what_others_may_have_changed_is_read_again() {
        let (token, project) = ids();
        let changes = alone();
        let before = changes.note();

        changes.apply_to_all();

        assert!(!changes.has_none_since(before, token, project));
        assert!(changes.has_none_since(changes.note(), token, project));
    }

    #[test]
    fn nothing_counts_where_nobody_looks() {
        let (token, project) = ids();
        let changes = Changes::new();
        assert!(!changes.has_none_since(changes.note(), token, project));

        changes.is_alone(Instant::now(), LEASE);
        assert!(changes.has_none_since(changes.note(), token, project));

        changes.is_alone_no_more();
        assert!(!changes.has_none_since(changes.note(), token, project));
        changes.is_alone(Instant::now(), LEASE);
        assert!(changes.has_none_since(changes.note(), token, project));
        let changes = Changes::new();
        let long_ago = Instant::now().checked_sub(LEASE).unwrap_or_else(Instant::now);
        changes.is_alone(long_ago, Duration::ZERO);
        assert!(!changes.has_none_since(changes.note(), token, project));
    }

    #[test]
    fn the_last_look_of_a_watch_that_has_ended_lets_nothing_count() {
        let (token, project) = ids();
        let changes = alone();

        changes.is_watched_no_more();
        changes.is_alone(Instant::now(), LEASE);

        assert!(!changes.has_none_since(changes.note(), token, project));
    }
}
