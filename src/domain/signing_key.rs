//! A project's signing key: what a platform signs its webhooks with. Shown once, kept sealed.

use std::fmt;

use zeroize::Zeroizing;

use super::SecretText;
use crate::entropy::Entropy;

/// 16 random bytes, shown as `PSK_` and 32 lowercase hexadecimal digits. Prints as `[secret]`.
#[derive(Clone)]
pub struct SigningKey(Zeroizing<[u8; Self::LENGTH]>);

impl SigningKey {
    /// How many bytes it has.
    pub const LENGTH: usize = 16;

    /// Draws one.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new([0; Self::LENGTH]);
        entropy.fill(&mut *bytes);
        Self(bytes)
    }

    /// A key that was sealed before it was stored; `None` where it is of another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// The bytes, to be sealed.
    pub fn as_bytes(&self) -> &[u8] {
        &*self.0
    }

    /// The text that its holder keeps.
    pub fn reveal(&self) -> SecretText {
        SecretText::new(format!("PSK_{}", base16ct::lower::encode_string(&*self.0)))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}
