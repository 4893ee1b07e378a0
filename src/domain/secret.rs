//! The secret that a holder presents: `PT` and 48 lowercase hexadecimal digits, which are 24 bytes:
//! 6 of selector, 14 that are the secret proper (112 random bits), and a CRC-32 of those 20.
//!
//! The selector finds the row, the checksum turns typos and junk away before any work, and secret scanners
//! get a pattern with few false alarms. Nothing here prints more of a secret than its hint.

use std::{borrow::Cow, fmt};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::entropy::Entropy;

const PREFIX: &str = "PT";
const SELECTOR: usize = 6;
const CHECKSUMMED: usize = 20;
const BYTES: usize = 24;

/// A whole secret. Wiped from memory when dropped; prints as `[secret]`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; BYTES]);

/// A secret as text, to be shown once or hashed. Wiped when dropped.
pub type SecretText = Zeroizing<String>;

impl Secret {
    /// Draws a new one.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; BYTES];
        entropy.fill(&mut bytes[..CHECKSUMMED]);
        let checksum = crc32fast::hash(&bytes[..CHECKSUMMED]).to_be_bytes();
        bytes[CHECKSUMMED..].copy_from_slice(&checksum);
        Self(bytes)
    }

    /// Reads the text form; `None` where the prefix, a digit, the length or the checksum is wrong.
    pub fn parse(text: impl AsRef<[u8]>) -> Option<Self> {
        let digits = text.as_ref().strip_prefix(PREFIX.as_bytes())?;
        let mut secret = Self([0; BYTES]);
        let decoded = base16ct::lower::decode(digits, &mut secret.0).ok()?;
        if decoded.len() != BYTES {
            return None;
        }
        let checksum = crc32fast::hash(&secret.0[..CHECKSUMMED]).to_be_bytes();
        (secret.0[CHECKSUMMED..] == checksum).then_some(secret)
    }

    /// The text form, for the one answer that may hold it and for hashing.
    pub fn reveal(&self) -> SecretText {
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 2 * BYTES));
        text.push_str(PREFIX);
        text.push_str(&Zeroizing::new(base16ct::lower::encode_string(&self.0)));
        text
    }

    /// The text with every secret in it replaced by `[secret]`, a clipped one too: for what others sent or typed,
    /// before it is written down.
    pub fn redact(text: &str) -> Cow<'_, str> {
        let mut redacted = Cow::Borrowed(text);
        while let Some((start, end)) = find(redacted.as_bytes()) {
            redacted.to_mut().replace_range(start..end, "[secret]");
        }
        redacted
    }

    /// The 24 bytes, for keyed digests. They are as secret as the text.
    pub const fn as_bytes(&self) -> &[u8; BYTES] {
        &self.0
    }

    /// What finds the row.
    pub fn selector(&self) -> Selector {
        let mut selector = [0; SELECTOR];
        selector.copy_from_slice(&self.0[..SELECTOR]);
        Selector(selector)
    }

    /// What refuses nearly every wrong secret before argon2.
    pub fn check(&self) -> Check {
        let digest = Sha256::digest(self.reveal().as_bytes());
        Check([digest[0], digest[1]])
    }
}

/// Where the first secret in a text begins and ends.
fn find(text: &[u8]) -> Option<(usize, usize)> {
    /// More than a hint has, fewer than what is left of a secret that was clipped is worth guessing.
    const DIGITS: usize = 16;
    let is_digit = |byte: &&u8| byte.is_ascii_hexdigit();
    text.windows(PREFIX.len()).enumerate().filter(|(_, window)| *window == PREFIX.as_bytes()).find_map(|(start, _)| {
        let digits = text[start + PREFIX.len()..].iter().take_while(is_digit).count();
        (digits >= DIGITS).then_some((start, start + PREFIX.len() + digits))
    })
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// The first 6 bytes of a secret: the key of its row. Never shown whole.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Selector([u8; SELECTOR]);

impl Selector {
    /// The bytes, for the store.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// From the store; `None` where the length is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// What people may see of it.
    pub fn hint(&self) -> Hint {
        Hint(format!("{PREFIX}{}", base16ct::lower::encode_string(&self.0[..4])))
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.hint().as_str())
    }
}

/// `PT` and the first 8 hexadecimal digits of a secret: enough to recognise a token by, and shown to people.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Hint(String);

impl Hint {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The first 2 bytes of the SHA-256 of a secret's text. Stored beside the hash: a wrong secret with a right
/// selector is refused by it 65,535 times in 65,536, so that a stranger cannot make us run argon2.
#[derive(Clone, Copy)]
pub struct Check([u8; 2]);

impl Check {
    /// The bytes, for the store.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// From the store; `None` where the length is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[check]")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Fixed([u8; CHECKSUMMED]);

    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.copy_from_slice(&self.0[..bytes.len()]);
        }
    }

    #[test]
    fn the_form_is_fixed() {
        let secret = Secret::generate(&Fixed([0xab; CHECKSUMMED]));

        assert_eq!(*secret.reveal(), format!("PT{}e0ac8d3a", "ab".repeat(20)));
        assert_eq!(secret.selector().hint().as_str(), "PTabababab");
    }

    #[test]
    fn debug_shows_no_secret() {
        let secret = Secret::generate(&Fixed([0xab; CHECKSUMMED]));

        assert_eq!(format!("{secret:?}"), "[secret]");
        assert_eq!(format!("{:?}", secret.selector()), "PTabababab…");
        assert_eq!(format!("{:?}", secret.check()), "[check]");
    }

    #[test]
    fn secrets_are_taken_out_of_a_text_and_hints_stay() {
        let secret = Secret::generate(&Fixed([0xab; CHECKSUMMED])).reveal();

        assert_eq!(
            Secret::redact(&format!("é{}, {}{}", *secret, *secret, &secret[..18])),
            "é[secret], [secret][secret]"
        );
        assert_eq!(Secret::redact("PTabababab and PT"), "PTabababab and PT");
    }

    proptest! {
        #[test]
        fn what_is_revealed_is_read_back(bytes in any::<[u8; CHECKSUMMED]>()) {
            let secret = Secret::generate(&Fixed(bytes));

            let text = secret.reveal();
            let read = Secret::parse(&text).unwrap();

            prop_assert_eq!(text.len(), 50);
            prop_assert_eq!(read.0, secret.0);
        }

        #[test]
        fn one_wrong_digit_is_no_secret(bytes in any::<[u8; CHECKSUMMED]>(), at in 2usize..50, digit in "[0-9a-f]") {
            let text = Secret::generate(&Fixed(bytes)).reveal();
            let mut wrong = text.to_string();
            wrong.replace_range(at..=at, &digit);

            prop_assert_eq!(Secret::parse(&wrong).is_some(), wrong == *text);
        }

        #[test]
        fn other_text_is_no_secret_and_no_panic(text in "\\PC*") {
            prop_assert!(Secret::parse(&text).is_none());
        }

        #[test]
        fn upper_case_is_no_secret(bytes in any::<[u8; CHECKSUMMED]>()) {
            let text = Secret::generate(&Fixed(bytes)).reveal();
            let upper = format!("PT{}", text[2..].to_uppercase());

            prop_assert_eq!(Secret::parse(&upper).is_some(), upper == *text);
        }
    }
}
