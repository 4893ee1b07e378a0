//! What has changed since a row was read: the fill guard of the grant cache.
//!
//! Whoever reads a row notes the number of the last change *before* it reads, and what is cached carries that
//! stamp. Whoever changes something raises the number and writes it beside the token or project that it changed,
//! *before* the change is answered. A grant counts only while no later number than its stamp stands beside its
//! token or its project. So a grant that was read before a change can be cached after it and still never counts:
//! nobody has to find and remove it, and filling and changing need no common lock.
//!
//! From before a change is written until it is applied it is under way, and no grant of its group counts: whoever
//! verifies then reads the row. So the cache never hides a commit, however long that takes to be applied.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use uuid::Uuid;

use crate::domain::{ProjectId, TokenId};

/// Numbers are kept for so many groups of ids. A change makes the grants of its whole group be read again: each time while
/// it is under way, and once after it.
const GROUPS: usize = 1 << 14;

/// What one change under way adds to its group: more than the number of any change, since a server that makes a thousand
/// a second needs 8,000 years to make as many.
const UNDER_WAY: u64 = 1 << 48;

/// Stands in a group of which nothing counts again.
const FOR_EVER: u64 = 1 << 63;

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
    /// Of each group of tokens and projects: the number of its last change and, above that, how many are under way. In
    /// one word, because a verification that looks at one number sees both: a group with a change under way is later than
    /// every stamp. Written by whoever changes something.
    groups: Box<[AtomicU64]>,
    /// Chooses the group of an id, under a random key of this process. Clients name the ids of changes: with a group that
    /// follows from the id alone, a tenant could keep the grants of another from counting.
    placing: RandomState,
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
            placing: RandomState::new(),
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

    /// A change is about to be written. It ends by [`Changes::end`] or [`Changes::end_unknown`], once.
    pub(in crate::service) fn begin(&self, subject: Subject) {
        self.rewrite(subject, |under_way, last| (under_way + 1, last));
    }

    /// A change was written or refused, and is not yet answered.
    pub(in crate::service) fn end(&self, subject: Subject) {
        let number = self.next();
        self.rewrite(subject, |under_way, last| (under_way.saturating_sub(1), last.max(number)));
    }

    /// A change was sent and nobody knows when, or whether, it is committed. Nothing of its group counts again in
    /// this process: its rows are read each time.
    pub(in crate::service) fn end_unknown(&self, subject: Subject) {
        self.group(subject).fetch_or(FOR_EVER, Ordering::AcqRel);
    }

    /// A change by somebody else was found to be committed.
    pub(in crate::service) fn apply(&self, subject: Subject) {
        let number = self.next();
        self.rewrite(subject, |under_way, last| (under_way, last.max(number)));
    }

    fn next(&self) -> u64 {
        self.number.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Replaces how many changes of a group are under way, and the number of the last one.
    fn rewrite(&self, subject: Subject, change: impl Fn(u64, u64) -> (u64, u64)) {
        let rewritten = |word: u64| {
            let (under_way, last) = change((word & !FOR_EVER) / UNDER_WAY, word % UNDER_WAY);
            // More of them than can be counted reach the bit above, which is safe.
            Some((word & FOR_EVER) | (under_way * UNDER_WAY) | last)
        };
        let _before = self.group(subject).fetch_update(Ordering::AcqRel, Ordering::Acquire, rewritten);
    }

    /// Anything may have been changed by someone else.
    pub(super) fn apply_to_all(&self) {
        let number = self.next();
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
        &self.groups[self.place(id)]
    }

    fn place(&self, id: Uuid) -> usize {
        // The number of groups is a power of two, so the lowest bits are as good as any.
        usize::try_from(self.placing.hash_one(id.as_u128()) % GROUPS as u64).expect("less than the number of groups")
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
        let ours = [token.as_uuid(), project.as_uuid()].map(|id| changes.place(id));
        let other = (3..1000).map(Uuid::from_u128).find(|id| !ours.contains(&changes.place(*id))).unwrap();

        changes.apply(Subject::Token(other.into()));

        assert!(changes.has_none_since(before, token, project));
    }

    #[test]
    fn no_client_can_choose_the_group_of_an_id() {
        // Alike but for their last byte, as a client may write them.
        let ids: Vec<Uuid> = (0..64).map(Uuid::from_u128).collect();
        let groups = |changes: &Changes| ids.iter().map(|id| changes.place(*id)).collect::<Vec<_>>();
        let (one, other) = (groups(&Changes::new()), groups(&Changes::new()));

        assert_ne!(one, other, "each process has a key of its own");
        let mut distinct = one;
        distinct.sort_unstable();
        distinct.dedup();
        assert!(distinct.len() > 48, "{distinct:?}");
    }

    #[test]
    fn nothing_counts_while_a_change_is_under_way() {
        let (token, project) = ids();
        for subject in [Subject::Token(token), Subject::Project(project)] {
            let changes = alone();
            let before = changes.note();

            changes.begin(subject);
            changes.begin(subject);
            let meanwhile = changes.note();
            assert!(!changes.has_none_since(meanwhile, token, project));
            // What somebody else saw does not end it.
            changes.apply(subject);
            changes.end(subject);
            assert!(!changes.has_none_since(changes.note(), token, project), "one is still under way");
            changes.end(subject);

            assert!(!changes.has_none_since(before, token, project));
            assert!(!changes.has_none_since(meanwhile, token, project), "it may have been read before the commit");
            assert!(changes.has_none_since(changes.note(), token, project));
        }
    }

    #[test]
    fn nothing_of_an_unknown_outcome_counts_again() {
        let (token, project) = ids();
        let changes = alone();

        changes.begin(Subject::Token(token));
        changes.begin(Subject::Token(token));
        changes.end_unknown(Subject::Token(token));
        changes.end(Subject::Token(token));
        changes.apply(Subject::Token(token));

        assert!(!changes.has_none_since(changes.note(), token, project));
    }

    #[test]
    fn more_changes_than_can_be_counted_let_nothing_count() {
        let (token, project) = ids();
        let changes = alone();

        for _ in 0..=FOR_EVER / UNDER_WAY {
            changes.begin(Subject::Token(token));
        }
        changes.end(Subject::Token(token));

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
