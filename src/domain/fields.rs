//! The fields of a request before they are judged: what a form and a JSON object have in common.

use std::collections::BTreeMap;

/// One field as it came in.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    /// JSON's `null`.
    Null,
    /// Text.
    Text(String),
    /// A list of nothing but texts; in a form, every value of a field that may be repeated.
    Texts(Vec<String>),
    /// A number, a boolean, an object, or a list with something else than text in it.
    Other,
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
}
