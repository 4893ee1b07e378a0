//! Permissions as a set of bits over the catalogue: what a verification compares, where nothing may be allocated.

use std::fmt;

use super::{Catalogue, Permissions};

/// A set of the catalogue's permissions, a bit for each place in it. Names that have left the catalogue are in no
/// set, because they satisfy nothing. It means something only beside the catalogue that it was made from.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct PermissionSet([u64; WORDS]);

const WORDS: usize = 3;

// The two that are always known may stand behind a full list.
const _: () = assert!(Catalogue::MOST + 2 <= WORDS * 64);

impl PermissionSet {
    fn insert(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }

    fn holds(self, place: usize) -> bool {
        self.0[place / 64] & (1 << (place % 64)) != 0
    }

    /// Whether every permission of the other set is in this one.
    pub fn includes(self, other: Self) -> bool {
        self.0.iter().zip(other.0).all(|(held, needed)| held & needed == needed)
    }

    /// What of this set is not in the other one.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        let mut left = self;
        left.0.iter_mut().zip(other.0).for_each(|(word, other)| *word &= !other);
        left
    }

    /// Whether it holds nothing.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl fmt::Debug for PermissionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PermissionSet({:x?})", self.0)
    }
}

impl Catalogue {
    /// What of these is in the catalogue.
    pub fn set_of(&self, permissions: &Permissions) -> PermissionSet {
        let mut set = PermissionSet::default();
        permissions.iter().filter_map(|name| self.place(name)).for_each(|place| set.insert(place));
        set
    }

    /// The names in a set, in the catalogue's order.
    pub fn names_in(&self, set: PermissionSet) -> impl Iterator<Item = &str> {
        self.names().enumerate().filter(move |(place, _)| set.holds(*place)).map(|(_, name)| name)
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.names().position(|known| known == name)
    }
}

/// What a request needs: every one of the names that were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needed {
    known: PermissionSet,
    /// Whether a name was asked for that nobody can hold.
    held_by_nobody: bool,
}

impl Needed {
    /// Needs that name as well. An empty one, like every one that is not in the catalogue, is held by nobody.
    pub fn add(&mut self, catalogue: &Catalogue, name: &str) {
        if self.held_by_nobody {
            return;
        }
        match catalogue.place(name) {
            Some(place) => self.known.insert(place),
            None => self.held_by_nobody = true,
        }
    }

    /// Needs that name as well, if the catalogue has it. Returns whether it has.
    pub fn add_if_known(&mut self, catalogue: &Catalogue, name: &str) -> bool {
        let place = catalogue.place(name);
        place.inspect(|place| self.known.insert(*place)).is_some()
    }

    /// Needs something that no token can hold.
    pub fn add_unknown(&mut self) {
        self.held_by_nobody = true;
    }

    /// Those of the catalogue among the names that were asked for.
    pub fn known(self) -> PermissionSet {
        self.known
    }

    /// Whether something was asked for that nobody can hold.
    pub fn is_held_by_nobody(self) -> bool {
        self.held_by_nobody
    }

    /// Whether a token that holds the set has all that is needed.
    pub fn is_met_by(self, held: PermissionSet) -> bool {
        !self.held_by_nobody && held.includes(self.known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        Catalogue::new((0..Catalogue::MOST).map(|i| format!("p{i}"))).unwrap()
    }

    #[test]
    fn a_set_holds_what_is_in_the_catalogue_to_its_last_place() {
        let catalogue = catalogue();
        let held = catalogue.recall("introspection retired p127 p63 p64 p0");

        let set = catalogue.set_of(&held);

        assert_eq!(catalogue.names_in(set).collect::<Vec<_>>(), ["p0", "p63", "p64", "p127", "introspection"]);
        assert!(!set.is_empty());
        assert!(catalogue.set_of(&catalogue.recall("retired")).is_empty());
    }

    #[test]
    fn what_is_left_of_a_set_is_what_the_other_does_not_hold() {
        let catalogue = catalogue();
        let set = |names: &str| catalogue.set_of(&catalogue.recall(names));

        let left = set("p0 p64 p127").without(set("p64 p1"));

        assert_eq!(catalogue.names_in(left).collect::<Vec<_>>(), ["p0", "p127"]);
        assert!(set("p1").without(set("p1 p2")).is_empty());
    }

    #[test]
    fn all_that_is_needed_must_be_held_and_nobody_holds_the_unknown() {
        let catalogue = catalogue();
        let set = catalogue.set_of(&catalogue.recall("p1 p100"));
        let needed = |names: &[&str]| {
            let mut needed = Needed::default();
            for name in names {
                needed.add(&catalogue, name);
            }
            needed
        };

        for met in [&[][..], &["p1"], &["p100", "p1", "p1"]] {
            assert!(needed(met).is_met_by(set), "{met:?}");
        }
        for unmet in [&["p2"][..], &["p1", "p2"], &[""], &["p1", ""], &["retired"], &["P1"]] {
            assert!(!needed(unmet).is_met_by(set), "{unmet:?}");
        }
    }
}
