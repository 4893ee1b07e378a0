//! A project: the tenant that owns tokens. A subproject is a project whose parent is a root project.

use super::{Cursor, Name, ProjectId};
use crate::clock::Timestamp;

/// A project as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its id, and the user name of its tokens.
    pub id: ProjectId,
    /// What people call it.
    pub name: Name,
    /// The root project that it belongs to; `None` for a root.
    pub parent: Option<ProjectId>,
    /// Kept for the platform: where it would rather be served from.
    pub region_preference: Option<String>,
    /// Kept for the platform: whether recordings need credentials.
    pub protect_recordings: bool,
    /// Kept for the platform: whether message media need credentials.
    pub protect_message_media: bool,
    /// Kept for the platform: whether fax media need credentials.
    pub protect_fax_media: bool,
    /// Kept for the platform: whether its requests must come by HTTPS.
    pub force_https_requests: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Project {
    /// A new project with every option off.
    pub fn new(id: ProjectId, name: Name, parent: Option<ProjectId>, now: Timestamp) -> Self {
        Self {
            id,
            name,
            parent,
            region_preference: None,
            protect_recordings: false,
            protect_message_media: false,
            protect_fax_media: false,
            force_https_requests: false,
            created_at: now,
            updated_at: now,
        }
    }

    /// Where a list goes on after it.
    pub fn cursor(&self) -> Cursor {
        Cursor { created_at: self.created_at, id: self.id.as_uuid() }
    }

    /// Whether it belongs to another project.
    pub fn is_subproject(&self) -> bool {
        self.parent.is_some()
    }
}
