//! We seal signing keys, so that a reader of the database has none: XChaCha20-Poly1305, whose nonces are long enough
//! to be drawn at random.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use sha2::{Digest, Sha256};

use super::keys::{Key, Keys};
use crate::{
    domain::{ProjectId, SigningKey},
    entropy::Entropy,
    error::Error,
};

const PURPOSE: &str = "tokensmith signing keys 1";
const NONCE: usize = 24;
const KEY_ID: usize = 8;

/// Seals under the current key; opens under it and the previous ones. A sealed key is 8 bytes that name the sealing
/// key, the nonce of 24, and the ciphertext with its tag; it opens only for the project that it was sealed for.
pub struct Sealer {
    current: Option<Sealing>,
    previous: Vec<Sealing>,
}

struct Sealing {
    id: [u8; KEY_ID],
    cipher: XChaCha20Poly1305,
}

impl Sealer {
    /// A sealer with keys derived from the server's.
    pub fn new(keys: &Keys) -> Self {
        Self {
            current: keys.derive(PURPOSE).as_ref().map(Sealing::new),
            previous: keys.derive_previous(PURPOSE).iter().map(Sealing::new).collect(),
        }
    }

    /// Seals a project's signing key.
    ///
    /// # Errors
    /// [`Error::Internal`] where the server has no key.
    pub fn seal(&self, project: ProjectId, key: &SigningKey, entropy: &dyn Entropy) -> Result<Vec<u8>, Error> {
        let sealing = self.current.as_ref().ok_or_else(no_key)?;
        let mut nonce = [0; NONCE];
        entropy.fill(&mut nonce);
        let project = project.as_uuid();
        let payload = Payload { msg: key.as_bytes(), aad: project.as_bytes() };
        let sealed = sealing
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| Error::internal("a signing key could not be sealed"))?;
        Ok([&sealing.id[..], &nonce, &sealed].concat())
    }

    /// Whether it was sealed with a key that is known.
    pub fn knows(&self, sealed: &[u8]) -> bool {
        sealed.split_first_chunk().is_some_and(|(id, _)| self.find(*id).is_some())
    }

    fn find(&self, id: [u8; KEY_ID]) -> Option<&Sealing> {
        self.current.iter().chain(&self.previous).find(|sealing| sealing.id == id)
    }

    /// Opens what was sealed for the project.
    ///
    /// # Errors
    /// [`Error::Internal`] where no key of the server's opens it, or it was sealed for another project.
    pub fn open(&self, project: ProjectId, sealed: &[u8]) -> Result<SigningKey, Error> {
        let cannot = || Error::internal("a signing key cannot be opened with any key that this server has");
        let (id, rest) = sealed.split_first_chunk::<KEY_ID>().ok_or_else(cannot)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE>().ok_or_else(cannot)?;
        let sealing = self.find(*id).ok_or_else(cannot)?;
        let project = project.as_uuid();
        let payload = Payload { msg: ciphertext, aad: project.as_bytes() };
        let opened = sealing.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| cannot())?;
        let opened = zeroize::Zeroizing::new(opened);
        SigningKey::from_bytes(&opened).ok_or_else(cannot)
    }
}

impl Sealing {
    fn new(key: &Key) -> Self {
        let mut id = [0; KEY_ID];
        let hash = Sha256::new_with_prefix(b"tokensmith-sealing-key-id-1").chain_update(**key).finalize();
        id.copy_from_slice(&hash[..KEY_ID]);
        Self { id, cipher: XChaCha20Poly1305::new(&(**key).into()) }
    }
}

fn no_key() -> Error {
    Error::internal(
        "the server has no key (server.key), so it cannot seal a signing key; 'tokensmith keygen' makes one",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    fn keys(current: u8, previous: &[u8]) -> Keys {
        Keys::new(Some(Key::new([current; 32])), previous.iter().map(|byte| Key::new([*byte; 32])).collect())
    }

    #[test]
    fn a_sealed_key_opens_for_its_project_under_a_key_that_is_known() {
        let project = ProjectId::from(SystemEntropy.uuid());
        let key = SigningKey::generate(&SystemEntropy);

        let sealed = Sealer::new(&keys(1, &[])).seal(project, &key, &SystemEntropy).unwrap();

        let opened = |keys: &Keys, project, sealed: &[u8]| {
            Sealer::new(keys).open(project, sealed).map(|key| key.reveal().as_str().to_owned()).ok()
        };
        let right = Some(key.reveal().as_str().to_owned());
        assert_eq!(opened(&keys(1, &[]), project, &sealed), right);
        assert_eq!(opened(&keys(2, &[1]), project, &sealed), right);
        assert_eq!(opened(&keys(2, &[]), project, &sealed), None);
        assert_eq!(opened(&keys(1, &[]), ProjectId::from(SystemEntropy.uuid()), &sealed), None);
        assert_eq!(opened(&keys(1, &[]), project, &sealed[..sealed.len() - 1]), None);
        assert_eq!(opened(&keys(1, &[]), project, &[]), None);
        assert!(Sealer::new(&keys(2, &[1])).knows(&sealed) && !Sealer::new(&keys(2, &[])).knows(&sealed));
    }

    #[test]
    fn without_a_server_key_nothing_is_sealed() {
        let key = SigningKey::generate(&SystemEntropy);

        let refused = Sealer::new(&Keys::default()).seal(SystemEntropy.uuid().into(), &key, &SystemEntropy);

        assert!(matches!(refused, Err(Error::Internal(_))));
    }
}
