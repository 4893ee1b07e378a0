//! The server's keys. Nothing is done with them but to derive others, each for one purpose (HKDF-SHA256, RFC 5869).

use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// A key of 32 bytes that erases itself.
pub type Key = Zeroizing<[u8; 32]>;

/// The key that is used, if there is one, and earlier ones that are still understood. Prints none of them.
#[derive(Clone, Default)]
pub struct Keys {
    current: Option<Key>,
    previous: Vec<Key>,
}

impl Keys {
    /// Keys as they were configured.
    pub fn new(current: Option<Key>, previous: Vec<Key>) -> Self {
        Self { current, previous }
    }

    /// The key for a purpose that new things are made with; `None` without a server's key.
    pub fn derive(&self, purpose: &str) -> Option<Key> {
        self.current.as_ref().map(|key| expand(key, purpose))
    }

    /// The keys for a purpose that old things may have been made with.
    pub fn derive_previous(&self, purpose: &str) -> Vec<Key> {
        self.previous.iter().map(|key| expand(key, purpose)).collect()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("current", &self.current.as_ref().map(|_| "[secret]"))
            .field("previous", &self.previous.len())
            .finish()
    }
}

fn expand(key: &Key, purpose: &str) -> Key {
    let mut derived = Key::default();
    Hkdf::<Sha256>::new(None, &**key)
        .expand(purpose.as_bytes(), &mut *derived)
        .expect("32 bytes are far below HKDF's limit");
    derived
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let keys = Keys::new(Some(Key::new([7; 32])), vec![Key::new([8; 32])]);

        let one = keys.derive("one").unwrap();

        assert_eq!(one, keys.derive("one").unwrap());
        assert_ne!(one, keys.derive("two").unwrap());
        assert_ne!(one, keys.derive_previous("one")[0]);
        assert!(Keys::default().derive("one").is_none());
        assert_eq!(format!("{keys:?}"), r#"Keys { current: Some("[secret]"), previous: 1 }"#);
    }
}
