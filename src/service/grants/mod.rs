//! The grants of secrets that have proven themselves: what a verification finds without the store, and without argon2.
//!
//! A secret's entry is found by its selector and holds a keyed digest of its 24 bytes, never the secret. A wrong secret
//! fills nothing. `changes` says whether an entry still counts; one that does not still proves its secret, and its
//! row is read again.

mod changes;
mod watch;

use std::{
    hash::RandomState,
    mem::size_of,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use quick_cache::{
    Weighter,
    sync::{Cache, DefaultLifecycle},
};
use subtle::ConstantTimeEq;

pub use changes::Subject;
pub(super) use changes::{Changes, Stamp};
pub use watch::Watch;

use super::digest::Digest;
use crate::{
    clock::Timestamp,
    domain::{Actor, PermissionSet, ProjectId, SecretId, Selector, Tenant, TokenId},
};

/// What a proven credential stands for, as the store held it when it was last read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The project that the token belongs to.
    pub project: ProjectId,
    /// That project's parent, if it is a subproject.
    pub parent: Option<ProjectId>,
    /// The token.
    pub token: TokenId,
    /// The secret that was presented.
    pub secret: SecretId,
    /// The token's name.
    pub name: Box<str>,
    /// What it may do, of the catalogue.
    pub permissions: PermissionSet,
    /// When the token was issued.
    pub issued_at: Timestamp,
}

impl Grant {
    /// The token and secret, as the maker of what is written.
    pub(super) fn actor(&self) -> Actor {
        let root = self.parent.unwrap_or(self.project);
        Actor::Token { token: self.token, secret: self.secret, root }
    }
}

/// A grant that was proven a moment ago. Cloning one is cheap.
#[derive(Clone)]
pub struct Granted(Arc<Entry>);

impl Deref for Granted {
    type Target = Grant;

    fn deref(&self) -> &Grant {
        &self.0.grant
    }
}

impl std::fmt::Debug for Granted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.grant.fmt(f)
    }
}

pub(super) struct Entry {
    /// Of the secret.
    digest: Digest,
    /// Of the hash that the secret proved itself against, or whose proof it met.
    hash: u64,
    /// When the row was last read. Written by whoever reads it again and finds the same.
    stamp: AtomicU64,
    grant: Grant,
}

/// What the cache says of a secret.
pub(super) enum Found {
    /// It is right, and its grant counts.
    Granted(Granted),
    /// It is right, but its row must be read.
    Proven(Proven),
    /// It is wrong: another one is under that selector, and counts.
    Wrong,
    /// It is not known.
    Nothing,
}

/// A secret that has proven itself against a hash.
pub(super) struct Proven(Arc<Entry>);

impl Proven {
    /// The tenant that it is of, which never changes.
    pub(super) fn tenant(&self) -> Tenant {
        self.0.grant.actor().tenant()
    }

    /// Whether the row still holds what the secret proved itself against.
    pub(super) fn holds_for(&self, secret: SecretId, hash: u64) -> bool {
        self.0.grant.secret == secret && self.0.hash == hash
    }
}

/// The grants that are remembered, up to a weight.
pub(super) struct Grants {
    entries: Cache<Selector, Arc<Entry>, Bytes, RandomState>,
    changes: Arc<Changes>,
}

impl Grants {
    pub(super) fn new(most_bytes: u64, changes: Arc<Changes>) -> Self {
        let estimated = usize::try_from(most_bytes / TYPICAL).unwrap_or(usize::MAX);
        let entries = Cache::with(estimated, most_bytes, Bytes, RandomState::new(), DefaultLifecycle::default());
        Self { entries, changes }
    }

    pub(super) fn find(&self, selector: Selector, digest: &Digest) -> Found {
        let Some(entry) = self.entries.get(&selector) else { return Found::Nothing };
        let is_right = bool::from(entry.digest.ct_eq(digest));
        let stamp = Stamp(entry.stamp.load(Ordering::Acquire));
        let counts = self.changes.has_none_since(stamp, entry.grant.token, entry.grant.project);
        match (is_right, counts) {
            (true, true) => Found::Granted(Granted(entry)),
            (true, false) => Found::Proven(Proven(entry)),
            (false, true) => Found::Wrong,
            (false, false) => Found::Nothing,
        }
    }

    /// Remembers what was read of a proven secret; the stamp was taken before.
    pub(super) fn fill(&self, selector: Selector, fresh: Fresh, known: Option<Proven>) -> Granted {
        let Fresh { digest, hash, stamp, grant } = fresh;
        if let Some(Proven(known)) = known
            && known.hash == hash
            && known.grant == grant
        {
            // Two may have read; the later one knows more.
            known.stamp.fetch_max(stamp.0, Ordering::AcqRel);
            return Granted(known);
        }
        let entry = Arc::new(Entry { digest, hash, stamp: AtomicU64::new(stamp.0), grant });
        self.entries.insert(selector, entry.clone());
        Granted(entry)
    }

    /// Forgets a secret that is no longer stored.
    pub(super) fn forget(&self, selector: Selector) {
        self.entries.remove(&selector);
    }
}

/// A grant that was just read, for the secret of that digest.
pub(super) struct Fresh {
    pub(super) digest: Digest,
    pub(super) hash: u64,
    pub(super) stamp: Stamp,
    pub(super) grant: Grant,
}

/// What an entry weighs: the bytes that it takes of the memory.
#[derive(Clone, Copy)]
struct Bytes;

/// A grant with a name of 20 characters.
const TYPICAL: u64 = 300;

/// What a slot of the cache takes beside the entry itself: key, pointer, list and hash table, and what a table that
/// doubles leaves empty; and the allocator's head of the two allocations.
const SLOT: usize = 80;

impl Weighter<Selector, Arc<Entry>> for Bytes {
    fn weight(&self, _: &Selector, entry: &Arc<Entry>) -> u64 {
        let counts = 2 * size_of::<usize>();
        (SLOT + counts + size_of::<Entry>() + entry.grant.name.len()) as u64
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use uuid::Uuid;

    use super::*;

    fn fresh(grants: &Grants, n: u128) -> (Selector, Fresh) {
        let mut bytes = [0; 6];
        bytes.copy_from_slice(&n.to_be_bytes()[10..]);
        let grant = Grant {
            project: Uuid::from_u128(n).into(),
            parent: None,
            token: Uuid::from_u128(n << 64).into(),
            secret: Uuid::from_u128(n).into(),
            name: "twenty characters ok".into(),
            permissions: PermissionSet::default(),
            issued_at: Timestamp::from_micros(0),
        };
        let stamp = grants.changes.note();
        (Selector::from_bytes(&bytes).unwrap(), Fresh { digest: [7; 32], hash: 1, stamp, grant })
    }

    fn grants(most_bytes: u64) -> Grants {
        let changes = Arc::new(Changes::new());
        changes.is_alone(Instant::now(), Duration::from_mins(1));
        Grants::new(most_bytes, changes)
    }

    #[test]
    fn a_secret_is_known_by_its_digest_alone() {
        let grants = grants(1 << 20);
        let (selector, new) = fresh(&grants, 1);
        grants.fill(selector, new, None);

        assert!(matches!(grants.find(selector, &[7; 32]), Found::Granted(_)));
        assert!(matches!(grants.find(selector, &[8; 32]), Found::Wrong));
        let (other, _) = fresh(&grants, 2);
        assert!(matches!(grants.find(other, &[7; 32]), Found::Nothing));
    }

    #[test]
    fn what_was_read_before_a_change_proves_its_secret_and_no_more() {
        let grants = grants(1 << 20);
        let (selector, early) = fresh(&grants, 1);
        let token = early.grant.token;

        // The fill comes after the change; the reading came before.
        grants.changes.apply(Subject::Token(token));
        grants.fill(selector, early, None);

        let Found::Proven(proven) = grants.find(selector, &[7; 32]) else { panic!("it must not count") };
        assert!(matches!(grants.find(selector, &[8; 32]), Found::Nothing));
        let (_, again) = fresh(&grants, 1);
        grants.fill(selector, again, Some(proven));
        assert!(matches!(grants.find(selector, &[7; 32]), Found::Granted(_)));
    }

    #[test]
    fn a_grant_with_a_name_of_20_characters_takes_at_most_300_bytes() {
        const MANY: u128 = 100_000;
        let grants = grants(1 << 30);
        for n in 0..MANY {
            let (selector, new) = fresh(&grants, n);
            grants.fill(selector, new, None);
        }

        // The allocator rounds up to 16 and keeps 8 for itself.
        let allocated = |bytes: usize| (bytes + 8).next_multiple_of(16) as u128;
        let entry = allocated(size_of::<Entry>() + 16) + allocated(20);
        let table = grants.entries.memory_used();
        let each = entry + (table.entries + table.map) as u128 / MANY;
        assert!(each <= 300, "{each} bytes");
        assert_eq!(grants.entries.len() as u128, MANY);
        let weight = u128::from(grants.entries.weight()) / MANY;
        assert!((each.saturating_sub(40)..=300).contains(&weight), "it weighs {weight} and takes {each} bytes");
    }

    #[test]
    fn the_weight_is_bounded() {
        let grants = grants(1 << 20);
        for n in 0..20_000 {
            let (selector, new) = fresh(&grants, n);
            grants.fill(selector, new, None);
        }

        assert!(grants.entries.weight() <= 1 << 20, "{}", grants.entries.weight());
        assert!(grants.entries.len() > 2000, "{}", grants.entries.len());
    }
}
