//! argon2id itself (RFC 9106), on memory that the caller keeps: allocating 19 MiB for each hash costs half as much
//! again as the hash.

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Ident, Output, ParamsString, PasswordHash, Salt},
};
use subtle::ConstantTimeEq;

use crate::{domain::SecretText, error::Error};

/// The cost of a hash, in argon2's own units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory, KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
}

impl Cost {
    /// The most that is ever spent on one hash, also on one that a row asks for: who can write a row must not
    /// be able to spend all memory.
    pub const MOST: Self = Self { memory_kib: 256 * 1024, iterations: 16, parallelism: 16 };

    /// argon2's parameters, where they are within argon2's bounds and ours.
    pub fn params(self) -> Option<Params> {
        let most = Self::MOST;
        if self.memory_kib > most.memory_kib || self.iterations > most.iterations || self.parallelism > most.parallelism
        {
            return None;
        }
        Params::new(self.memory_kib, self.iterations, self.parallelism, None).ok()
    }

    /// Whether a hash of that other cost is strictly weaker: weaker in something and stronger in nothing.
    pub fn exceeds(self, other: Self) -> bool {
        self != other
            && self.memory_kib >= other.memory_kib
            && self.iterations >= other.iterations
            && self.parallelism >= other.parallelism
    }

    /// The cost that a PHC string states, where it is an argon2id string within the bounds.
    pub fn of(phc: &str) -> Option<Self> {
        let (_, params) = read_phc(phc)?;
        Some(Self { memory_kib: params.m_cost(), iterations: params.t_cost(), parallelism: params.p_cost() })
    }
}

/// The length of a salt, in bytes.
pub(super) const SALT: usize = Salt::RECOMMENDED_LENGTH;

/// Hashes a secret into a PHC string.
pub(super) fn hash(
    secret: &SecretText,
    salt: &[u8],
    params: &Params,
    memory: &mut Vec<Block>,
) -> Result<String, Error> {
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    fill(secret, salt, params, &mut output, memory)?;
    let phc = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(internal)?,
        salt: Some(Salt::new(salt).map_err(internal)?),
        hash: Some(Output::new(&output).map_err(internal)?),
    };
    Ok(phc.to_string())
}

/// Whether the secret is the one that was hashed.
pub(super) fn verify(secret: &SecretText, phc: &str, memory: &mut Vec<Block>) -> Result<bool, Error> {
    let out_of_bounds = || Error::internal("a stored hash is no argon2id PHC string within the bounds");
    let (phc, params) = read_phc(phc).ok_or_else(out_of_bounds)?;
    let (Some(salt), Some(expected)) = (phc.salt, phc.hash) else { return Err(out_of_bounds()) };
    let mut output = [0; Output::MAX_LENGTH];
    let output = &mut output[..expected.len()];
    fill(secret, &salt, &params, output, memory)?;
    Ok(output.ct_eq(expected.as_bytes()).into())
}

fn fill(
    secret: &SecretText,
    salt: &[u8],
    params: &Params,
    output: &mut [u8],
    memory: &mut Vec<Block>,
) -> Result<(), Error> {
    let blocks = params.block_count();
    if memory.len() < blocks {
        memory.resize(blocks, Block::new());
    }
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password_into_with_memory(secret.as_bytes(), salt, output, &mut memory[..blocks])
        .map_err(internal)
}

/// A PHC string of argon2id, version 1.3, whose cost is within [`Cost::MOST`].
fn read_phc(phc: &str) -> Option<(PasswordHash, Params)> {
    let phc = PasswordHash::new(phc).ok()?;
    if phc.algorithm != Ident::new("argon2id").ok()? || phc.version != Some(Version::V0x13.into()) {
        return None;
    }
    let params = Params::try_from(&phc).ok()?;
    Cost { memory_kib: params.m_cost(), iterations: params.t_cost(), parallelism: params.p_cost() }.params()?;
    Some((phc, params))
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Internal(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost { memory_kib: 64, iterations: 1, parallelism: 1 };

    #[test]
    fn only_a_strictly_weaker_hash_is_made_again() {
        let cost = Cost { memory_kib: 128, iterations: 2, parallelism: 1 };

        assert!(cost.exceeds(CHEAP));
        assert!(!cost.exceeds(cost));
        assert!(!cost.exceeds(Cost { memory_kib: 64, iterations: 3, parallelism: 1 }));
    }
}
