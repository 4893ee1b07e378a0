//! Permissions: the catalogue that the operator configures, and the sets that tokens hold.

use crate::error::Problem;

/// The permission that the management calls need. It may issue every other one, itself included.
pub const MANAGEMENT: &str = "management";

/// The permission to look tokens up (RFC 7662) and nothing else.
pub const INTROSPECTION: &str = "introspection";

/// The names that this server knows, in the order in which answers list them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue(Vec<String>);

/// Why a list of names is no catalogue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// A name is not of the form that names have.
    #[error("{0:?} is not a permission name; use 1 to 64 of a-z, 0-9, '_', '.', ':' and '-', and begin with a letter")]
    Malformed(String),
    /// A name stands twice.
    #[error("{0:?} is listed more than once; list it once")]
    Repeated(String),
    /// There are too many names.
    #[error("{0} names are listed; list at most {most}", most = Catalogue::MOST)]
    TooMany(usize),
}

impl Catalogue {
    /// The most names that a configuration may list.
    pub const MOST: usize = 128;

    /// The most names that an error message lists.
    const MOST_IN_A_MESSAGE: usize = 20;

    /// Judges a configured list. `management` and `introspection` are appended where they are not listed.
    ///
    /// # Errors
    /// The first thing that is wrong with the list.
    pub fn new(names: impl IntoIterator<Item = String>) -> Result<Self, CatalogueError> {
        let mut known: Vec<String> = Vec::new();
        for name in names {
            if !is_permission_name(&name) {
                return Err(CatalogueError::Malformed(name));
            }
            if known.contains(&name) {
                return Err(CatalogueError::Repeated(name));
            }
            known.push(name);
        }
        if known.len() > Self::MOST {
            return Err(CatalogueError::TooMany(known.len()));
        }
        for always in [MANAGEMENT, INTROSPECTION] {
            if !known.iter().any(|name| name == always) {
                known.push(always.to_owned());
            }
        }
        Ok(Self(known))
    }

    /// One text for the store: the names with a space between.
    pub fn to_stored(&self) -> String {
        self.0.join(" ")
    }

    /// Reads what [`Catalogue::to_stored`] wrote; `None` for what is not a catalogue.
    pub fn from_stored(stored: &str) -> Option<Self> {
        let names: Vec<String> = stored.split(' ').map(str::to_owned).collect();
        // Two names may have been appended to a full list.
        let others = names.iter().filter(|name| ![MANAGEMENT, INTROSPECTION].contains(&name.as_str())).cloned();
        let is_whole = Self::new(others).is_ok_and(|read| read.0.len() == names.len());
        (is_whole && names.iter().any(|name| name == MANAGEMENT) && names.iter().any(|name| name == INTROSPECTION))
            .then_some(Self(names))
    }

    /// Whether both know the same names, in whatever order.
    pub fn knows_the_same_as(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().all(|name| other.knows(name))
    }

    /// Whether the name is in the catalogue.
    pub fn knows(&self, name: &str) -> bool {
        self.0.iter().any(|known| known == name)
    }

    /// The names, in the catalogue's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The names that an error message may list: all of them, or none where a message would be too long.
    fn names_for_a_message(&self) -> Vec<String> {
        if self.0.len() <= Self::MOST_IN_A_MESSAGE { self.0.clone() } else { Vec::new() }
    }

    /// Judges the names that a client sent: at least one, all known; repetitions are dropped.
    ///
    /// # Errors
    /// [`Problem::Missing`] for none, [`Problem::UnknownPermission`] for the first unknown one.
    pub fn parse<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Result<Permissions, Problem> {
        let names: Vec<&str> = names.into_iter().collect();
        if names.is_empty() {
            return Err(Problem::Missing);
        }
        if let Some(unknown) = names.iter().find(|name| !self.knows(name)) {
            return Err(Problem::UnknownPermission { name: shorten(unknown), known: self.names_for_a_message() });
        }
        Ok(self.sorted(&names))
    }

    /// Reads what [`Permissions::to_stored`] wrote. Names that have left the catalogue since are kept, last.
    pub fn recall(&self, stored: &str) -> Permissions {
        self.sorted(&stored.split(' ').filter(|name| !name.is_empty()).collect::<Vec<_>>())
    }

    fn sorted(&self, names: &[&str]) -> Permissions {
        let known = self.names().filter(|known| names.contains(known)).map(str::to_owned).collect();
        let mut retired: Vec<String> = Vec::new();
        for name in names.iter().filter(|name| !self.knows(name)) {
            if !retired.iter().any(|seen| seen == name) {
                retired.push((*name).to_owned());
            }
        }
        Permissions { known, retired }
    }
}

/// What a token may do. At least one name when a client made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    known: Vec<String>,
    retired: Vec<String>,
}

impl Permissions {
    /// Whether the set satisfies the permission. A name that has left the catalogue satisfies nothing.
    pub fn may(&self, permission: &str) -> bool {
        self.known.iter().any(|known| known == permission)
    }

    /// All names: those of the catalogue in its order, then those that have left it.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.known.iter().chain(&self.retired).map(String::as_str)
    }

    /// One text for the store: the names with a space between, which no name can hold.
    pub fn to_stored(&self) -> String {
        self.iter().collect::<Vec<_>>().join(" ")
    }
}

fn is_permission_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= 64
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.:-".contains(&b))
}

/// An unknown name comes from the client and goes back in a message: 64 characters tell it enough.
fn shorten(name: &str) -> String {
    name.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue(names: &[&str]) -> Catalogue {
        Catalogue::new(names.iter().map(|name| (*name).to_owned())).unwrap()
    }

    #[test]
    fn management_and_introspection_are_always_known_and_last_where_not_listed() {
        let names: Vec<String> = catalogue(&["voice", "chat"]).names().map(str::to_owned).collect();

        assert_eq!(names, ["voice", "chat", "management", "introspection"]);
    }

    #[test]
    fn a_stored_catalogue_is_read_back_and_nothing_else_is() {
        let many = Catalogue::new((0..Catalogue::MOST).map(|i| format!("p{i}"))).unwrap();
        for catalogue in [many, catalogue(&[]), catalogue(&["management", "voice"])] {
            assert_eq!(Catalogue::from_stored(&catalogue.to_stored()), Some(catalogue));
        }

        for damaged in
            ["", "voice", "management", "management introspection Voice", "management management introspection"]
        {
            assert_eq!(Catalogue::from_stored(damaged), None, "{damaged:?}");
        }
    }

    #[test]
    fn catalogues_of_the_same_names_in_another_order_agree() {
        assert!(catalogue(&["a", "b"]).knows_the_same_as(&catalogue(&["b", "a"])));
        assert!(!catalogue(&["a", "b"]).knows_the_same_as(&catalogue(&["a", "c"])));
        assert!(!catalogue(&["a", "b"]).knows_the_same_as(&catalogue(&["a"])));
    }

    #[test]
    fn permissions_are_deduplicated_and_in_catalogue_order() {
        let parsed = catalogue(&["calling", "chat", "fax"]).parse(["fax", "calling", "fax"]).unwrap();

        assert_eq!(parsed.iter().collect::<Vec<_>>(), ["calling", "fax"]);
    }

    #[test]
    fn a_retired_name_is_kept_last_and_satisfies_nothing() {
        let held = catalogue(&["calling", "chat"]).recall("fax chat");

        assert_eq!(held.iter().collect::<Vec<_>>(), ["chat", "fax"]);
        assert!(held.may("chat"));
        assert!(!held.may("fax"));
        assert_eq!(held.to_stored(), "chat fax");
    }

    #[test]
    fn no_names_and_unknown_names_are_refused() {
        let catalogue = catalogue(&["calling"]);

        assert_eq!(catalogue.parse([]), Err(Problem::Missing));
        let known = ["calling", "management", "introspection"].map(str::to_owned).to_vec();
        assert_eq!(
            catalogue.parse(["calling", "Calling"]),
            Err(Problem::UnknownPermission { name: "Calling".to_owned(), known })
        );
    }

    #[test]
    fn an_error_lists_at_most_twenty_known_names() {
        let refused = |names: usize| {
            let catalogue = Catalogue::new((0..names).map(|i| format!("p{i}"))).unwrap();
            let Err(Problem::UnknownPermission { known, .. }) = catalogue.parse(["x"]) else { panic!("it is unknown") };
            known.len()
        };

        // `management` and `introspection` are added to what is configured.
        assert_eq!((refused(18), refused(19)), (20, 0));
    }

    #[test]
    fn a_catalogue_is_judged() {
        let names = |names: &[&str]| Catalogue::new(names.iter().map(|n| (*n).to_owned()));

        assert_eq!(names(&["a b"]), Err(CatalogueError::Malformed("a b".into())));
        assert_eq!(names(&[""]), Err(CatalogueError::Malformed(String::new())));
        assert_eq!(names(&["a", "a"]), Err(CatalogueError::Repeated("a".into())));
        let many: Vec<String> = (0..129).map(|i| format!("p{i}")).collect();
        assert_eq!(Catalogue::new(many), Err(CatalogueError::TooMany(129)));
    }
}
