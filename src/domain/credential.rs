//! A credential: the secret that someone presents, and the project that they say it belongs to.

use uuid::fmt::Hyphenated;

use super::{ProjectId, Secret};

/// What was presented, well formed but not yet proven.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The project that the token is said to belong to; `None` where the secret speaks for itself.
    pub project: Option<ProjectId>,
    /// The secret.
    pub secret: Secret,
}

impl Credential {
    /// Reads `project_id:secret` (RFC 7617): split at the first colon, nothing trimmed. `None` where either
    /// half is not of its form; which one is nobody's business.
    pub fn parse(text: impl AsRef<[u8]>) -> Option<Self> {
        // A project's id is of one length and holds no colon, so that the first one can only stand behind it.
        let (project, rest) = text.as_ref().split_at_checked(Hyphenated::LENGTH)?;
        let secret = rest.strip_prefix(b":")?;
        Self::of(project, secret)
    }

    /// Reads the two halves where they came apart. `None` as for [`Credential::parse`].
    pub fn of(project: impl AsRef<[u8]>, secret: impl AsRef<[u8]>) -> Option<Self> {
        Some(Self { project: Some(ProjectId::parse(project)?), secret: Secret::parse(secret)? })
    }

    /// Reads a secret that stands alone (RFC 6750).
    pub fn bearer(text: impl AsRef<[u8]>) -> Option<Self> {
        Some(Self { project: None, secret: Secret::parse(text)? })
    }

    /// Whether it may stand for that project's token.
    pub fn names(&self, project: ProjectId) -> bool {
        self.project.is_none_or(|said| said == project)
    }
}
