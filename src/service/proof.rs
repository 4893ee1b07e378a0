//! Proofs: with a key of the server's, a stored secret is recognised without argon2, also right after a start.
//!
//! A proof is HMAC-SHA256 of the secret, its row and its hash, under a key derived from `server.key`. It decides both
//! ways. The keys are disposable: without them, or with others, secrets verify by argon2 and get new proofs.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};

use super::{Key, Keys};
use crate::domain::{Proof, ProofKeyId, Secret, SecretId};

/// Names what is proven, and the form in which it is; the key for it is derived under the same name.
const LABEL: &str = "tokensmith-proof-1";

/// Names what a key's id is made from.
const ID_LABEL: &[u8] = b"tokensmith-proof-key-id-1";

/// The keys that this process can prove with: the current one makes proofs, all of them judge.
#[derive(Clone, Default)]
pub struct ProofKeys {
    current: Option<ProofKey>,
    previous: Vec<ProofKey>,
}

#[derive(Clone)]
struct ProofKey {
    id: ProofKeyId,
    mac: Hmac<Sha256>,
}

/// What a proof says of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is the right one.
    Right {
        /// Whether the current key says so; a proof under a previous one is to be made anew.
        by_current: bool,
    },
    /// It is a wrong one. That is final.
    Wrong,
    /// There is no proof, or it was made with a key that is not known here.
    Unknown,
}

impl ProofKeys {
    /// Those that follow from the server's.
    pub fn new(keys: &Keys) -> Self {
        Self {
            current: keys.derive(LABEL).as_ref().map(ProofKey::new),
            previous: keys.derive_previous(LABEL).iter().map(ProofKey::new).collect(),
        }
    }

    /// Whether new proofs can be made.
    pub(super) fn can_prove(&self) -> bool {
        self.current.is_some()
    }

    /// A proof that the secret belongs to the row and its hash; `None` without a current key.
    pub fn prove(&self, row: SecretId, phc: &str, secret: &Secret) -> Option<Proof> {
        self.current.as_ref().map(|key| Proof::new(key.id, key.mac(row, phc, secret).finalize().into_bytes().into()))
    }

    /// What the row's proof says of the secret.
    pub(super) fn judge(&self, proof: Option<&Proof>, row: SecretId, phc: &str, secret: &Secret) -> Judgement {
        let Some(proof) = proof else { return Judgement::Unknown };
        let known = self.current.iter().chain(&self.previous).enumerate();
        match known.into_iter().find(|(_, key)| key.id == *proof.key()) {
            None => Judgement::Unknown,
            Some((place, key)) => match key.mac(row, phc, secret).verify_slice(proof.mac()) {
                Ok(()) => Judgement::Right { by_current: place == 0 && self.current.is_some() },
                Err(_) => Judgement::Wrong,
            },
        }
    }
}

impl ProofKey {
    fn new(key: &Key) -> Self {
        let digest = Sha256::new().chain_update(ID_LABEL).chain_update(**key).finalize();
        let mut id = ProofKeyId::default();
        id.copy_from_slice(&digest[..8]);
        Self { id, mac: Hmac::new_from_slice(&**key).expect("HMAC takes a key of any length") }
    }

    /// Only the hash has no fixed length, and it stands between two that have.
    fn mac(&self, row: SecretId, phc: &str, secret: &Secret) -> Hmac<Sha256> {
        self.mac
            .clone()
            .chain_update(LABEL)
            .chain_update(row.as_uuid().as_bytes())
            .chain_update(phc)
            .chain_update(secret.as_bytes())
    }
}

impl std::fmt::Debug for ProofKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProofKeys")
            .field("can_prove", &self.can_prove())
            .field("previous", &self.previous.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::{Entropy, SystemEntropy};

    const HASH: &str = "$argon2id$one";
    const OLD: u8 = 1;
    const NEW: u8 = 2;

    fn keys(current: Option<u8>, previous: &[u8]) -> ProofKeys {
        let key = |n: u8| Key::new([n; 32]);
        ProofKeys::new(&Keys::new(current.map(key), previous.iter().copied().map(key).collect()))
    }

    #[test]
    fn a_known_key_decides_both_ways_and_an_unknown_one_not_at_all() {
        let (row, secret) = (SecretId::from(SystemEntropy.uuid()), Secret::generate(&SystemEntropy));
        let proof = keys(Some(OLD), &[]).prove(row, HASH, &secret);
        let rotated = keys(Some(NEW), &[OLD]);
        let judge = |keys: &ProofKeys, secret: &Secret| keys.judge(proof.as_ref(), row, HASH, secret);

        assert_eq!(judge(&keys(Some(OLD), &[NEW]), &secret), Judgement::Right { by_current: true });
        assert_eq!(judge(&rotated, &secret), Judgement::Right { by_current: false });
        assert_eq!(judge(&keys(None, &[OLD]), &secret), Judgement::Right { by_current: false });
        assert_eq!(judge(&rotated, &Secret::generate(&SystemEntropy)), Judgement::Wrong);
        assert_eq!(judge(&keys(Some(NEW), &[]), &secret), Judgement::Unknown);
        assert_eq!(judge(&ProofKeys::default(), &secret), Judgement::Unknown);
    }

    #[test]
    fn a_proof_is_of_one_row_and_one_hash() {
        let (row, secret) = (SecretId::from(SystemEntropy.uuid()), Secret::generate(&SystemEntropy));
        let known = keys(Some(NEW), &[]);
        let proof = known.prove(row, HASH, &secret);
        let other = SecretId::from(SystemEntropy.uuid());

        assert_eq!(known.judge(proof.as_ref(), other, HASH, &secret), Judgement::Wrong);
        assert_eq!(known.judge(proof.as_ref(), row, "$argon2id$two", &secret), Judgement::Wrong);
        assert_eq!(known.judge(None, row, HASH, &secret), Judgement::Unknown);
        assert_eq!(ProofKeys::default().prove(row, HASH, &secret), None);
    }
}
