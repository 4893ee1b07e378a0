//! The fields of a request before they are judged: what a form and a JSON object have in common.

use std::{collections::BTreeMap, fmt};

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{Name, ProjectId};
use crate::error::{Fault, Field, Problem};

/// One field as it came in. Wiped from memory when dropped: it may be a secret.
#[derive(Clone, PartialEq, Zeroize, ZeroizeOnDrop)]
pub enum Raw {
    /// JSON's `null`.
    Null,
    /// Text.
    Text(String),
    /// A list of nothing but texts; in a form, every value of a field that may be repeated.
    Texts(Vec<String>),
    /// JSON's `true` and `false`.
    Bool(bool),
    /// A number, an object, or a list with something else than text in it.
    Other,
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Text(_) => "[text]",
            Self::Texts(_) => "[texts]",
            Self::Bool(_) => "[bool]",
            Self::Other => "[other]",
        })
    }
}

/// Which fields a request may have. Every other one is ignored, because clients send extras.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Fields that come once.
    pub single: &'static [&'static str],
    /// Fields that are lists: in a form they are repeated, as `name` or `name[]`.
    pub repeated: &'static [&'static str],
}

impl Schema {
    /// The field of that name that comes once.
    pub fn single(&self, name: &str) -> Option<&'static str> {
        self.single.iter().find(|known| **known == name).copied()
    }

    /// The list of that name.
    pub fn repeated(&self, name: &str) -> Option<&'static str> {
        self.repeated.iter().find(|known| **known == name).copied()
    }
}

/// The fields of one request, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(BTreeMap<&'static str, Raw>);

impl Fields {
    /// Puts a field in and gives back what stood there.
    pub fn insert(&mut self, name: &'static str, value: Raw) -> Option<Raw> {
        self.0.insert(name, value)
    }

    /// Adds a text to a field that may be repeated.
    pub fn append(&mut self, name: &'static str, text: String) {
        match self.0.entry(name).or_insert_with(|| Raw::Texts(Vec::new())) {
            Raw::Texts(texts) => texts.push(text),
            other => *other = Raw::Texts(vec![text]),
        }
    }

    /// Looks at a field.
    pub fn get(&self, name: &str) -> Option<&Raw> {
        self.0.get(name)
    }

    /// A name, if the field is there.
    pub(super) fn name(&self, field: Field) -> Result<Option<Name>, Problem> {
        match self.get(field.as_str()) {
            None => Ok(None),
            Some(Raw::Text(text)) => Name::parse(text).map(Some),
            Some(Raw::Null | Raw::Texts(_) | Raw::Bool(_) | Raw::Other) => {
                Err(Problem::WrongType { expected: "a string" })
            }
        }
    }

    /// A text, if the field is there and is one.
    pub fn text(&self, field: Field) -> Option<&str> {
        match self.get(field.as_str()) {
            Some(Raw::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The subproject that a request names; empty and null are none.
    ///
    /// # Errors
    /// [`Problem::NotAUuid`], [`Problem::WrongType`].
    pub fn subproject(&self) -> Result<Option<ProjectId>, Problem> {
        match self.get(Field::SubprojectId.as_str()) {
            None | Some(Raw::Null) => Ok(None),
            Some(Raw::Text(text)) if text.is_empty() => Ok(None),
            Some(Raw::Text(text)) => ProjectId::parse(text).map(Some).ok_or(Problem::NotAUuid),
            Some(Raw::Texts(_) | Raw::Bool(_) | Raw::Other) => {
                Err(Problem::WrongType { expected: "a string with a UUID" })
            }
        }
    }

    /// A yes or no, if the field is there.
    pub(super) fn flag(&self, field: Field) -> Result<Option<bool>, Problem> {
        match self.get(field.as_str()) {
            None => Ok(None),
            Some(Raw::Bool(flag)) => Ok(Some(*flag)),
            Some(Raw::Null | Raw::Text(_) | Raw::Texts(_) | Raw::Other) => {
                Err(Problem::WrongType { expected: "true or false" })
            }
        }
    }
}

/// What must be there.
pub(super) fn required<T>(judged: Result<Option<T>, Problem>) -> Result<T, Problem> {
    judged.and_then(|value| value.ok_or(Problem::Missing))
}

/// Keeps what was judged well, and notes what was not.
pub(super) fn keep<T>(field: Field, judged: Result<T, Problem>, faults: &mut Vec<Fault>) -> Option<T> {
    judged.map_err(|problem| faults.push(Fault { field, problem })).ok()
}
