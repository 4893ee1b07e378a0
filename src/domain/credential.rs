//! A credential: who someone says they are, and the secret that should prove it.

use super::{ProjectId, Secret};

/// The two halves of `project_id:secret`, well formed but not yet proven.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The project that the token is said to belong to.
    pub project: ProjectId,
    /// The secret.
    pub secret: Secret,
}

impl Credential {
    /// Reads `project_id:secret` (RFC 7617): split at the first colon, nothing trimmed. `None` where either
    /// half is not of its form; which one is nobody's business.
    pub fn parse(text: &str) -> Option<Self> {
        let (project, secret) = text.split_once(':')?;
        Some(Self { project: ProjectId::parse(project)?, secret: Secret::parse(secret)? })
    }
}
