//! A project: the tenant that owns tokens. A subproject is a project whose parent is a root project.

use super::{
    Cursor, Fields, Name, ProjectId, Schema,
    fields::{keep, required},
};
use crate::{
    clock::Timestamp,
    error::{Fault, Faults, Field},
};

/// A project as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its id, and the user name of its tokens.
    pub id: ProjectId,
    /// What people call it.
    pub name: Name,
    /// The root project that it belongs to; `None` for a root.
    pub parent: Option<ProjectId>,
    /// Kept for the platform: where it would rather be served from; `None` where it is as configured for all.
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

    /// Its region preference, or the one that holds for projects without their own.
    pub fn region<'r>(&'r self, otherwise: &'r str) -> &'r str {
        self.region_preference.as_deref().unwrap_or(otherwise)
    }

    /// The fields of the REST API's requests that make and change a project.
    pub const FIELDS: Schema = Schema {
        single: &[
            Field::Name.as_str(),
            Field::ProtectRecordings.as_str(),
            Field::ProtectMessageMedia.as_str(),
            Field::ProtectFaxMedia.as_str(),
            Field::ForceHttpsRequests.as_str(),
        ],
        repeated: &[],
    };

    /// The field of the compatibility API's.
    pub const ACCOUNT_FIELDS: Schema = Schema { single: &[Field::FriendlyName.as_str()], repeated: &[] };

    /// Where a list goes on after it.
    pub fn cursor(&self) -> Cursor {
        Cursor { created_at: self.created_at, id: self.id.as_uuid() }
    }

    /// Whether it belongs to another project.
    pub fn is_subproject(&self) -> bool {
        self.parent.is_some()
    }
}

/// A request for a subproject, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewProject {
    /// Its name.
    pub name: Name,
    /// The options that were sent. The others are off.
    pub options: ProjectOptions,
}

/// A change to a project, judged. What is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectChange {
    /// The new name.
    pub name: Option<Name>,
    /// The options that were sent.
    pub options: ProjectOptions,
}

/// The options of a project that a request names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the project's field of its name")]
pub struct ProjectOptions {
    pub protect_recordings: Option<bool>,
    pub protect_message_media: Option<bool>,
    pub protect_fax_media: Option<bool>,
    pub force_https_requests: Option<bool>,
}

impl NewProject {
    /// Judges the fields of the REST API.
    ///
    /// # Errors
    /// Every field that failed: the name, then the options.
    pub fn judge(fields: &Fields) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let name = keep(Field::Name, required(fields.name(Field::Name)), &mut faults);
        let options = ProjectOptions::judge(fields, &mut faults);
        Faults::none_or(faults)?;
        Ok(Self { name: name.expect("no fault, so a name"), options })
    }

    /// Judges the field of the compatibility API.
    ///
    /// # Errors
    /// The fault of the name.
    pub fn judge_account(fields: &Fields) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let name = keep(Field::FriendlyName, required(fields.name(Field::FriendlyName)), &mut faults);
        Faults::none_or(faults)?;
        Ok(Self { name: name.expect("no fault, so a name"), options: ProjectOptions::default() })
    }

    /// The project that is asked for.
    pub fn into_project(self, id: ProjectId, parent: ProjectId, now: Timestamp) -> Project {
        let Self { name, options } = self;
        Project {
            protect_recordings: options.protect_recordings.unwrap_or(false),
            protect_message_media: options.protect_message_media.unwrap_or(false),
            protect_fax_media: options.protect_fax_media.unwrap_or(false),
            force_https_requests: options.force_https_requests.unwrap_or(false),
            ..Project::new(id, name, Some(parent), now)
        }
    }
}

impl ProjectChange {
    /// Judges the fields of the REST API; absent ones are no fault.
    ///
    /// # Errors
    /// Every field that failed: the name, then the options.
    pub fn judge(fields: &Fields) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let name = keep(Field::Name, fields.name(Field::Name), &mut faults);
        let options = ProjectOptions::judge(fields, &mut faults);
        Faults::none_or(faults)?;
        Ok(Self { name: name.flatten(), options })
    }

    /// A change of nothing but the name.
    pub fn rename(name: Name) -> Self {
        Self { name: Some(name), options: ProjectOptions::default() }
    }

    /// Whether nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl ProjectOptions {
    fn judge(fields: &Fields, faults: &mut Vec<Fault>) -> Self {
        let mut flag = |field| keep(field, fields.flag(field), faults).flatten();
        Self {
            protect_recordings: flag(Field::ProtectRecordings),
            protect_message_media: flag(Field::ProtectMessageMedia),
            protect_fax_media: flag(Field::ProtectFaxMedia),
            force_https_requests: flag(Field::ForceHttpsRequests),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Raw;

    #[test]
    fn every_failed_field_of_a_project_is_named() {
        let mut fields = Fields::default();
        fields.insert("name", Raw::Null);
        fields.insert("protect_fax_media", Raw::Text("true".into()));
        fields.insert("force_https_requests", Raw::Other);

        for faults in [NewProject::judge(&fields).unwrap_err(), ProjectChange::judge(&fields).unwrap_err()] {
            let named: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
            assert_eq!(named, ["name", "protect_fax_media", "force_https_requests"]);
        }
    }

    #[test]
    fn a_change_of_nothing_is_no_fault() {
        assert!(ProjectChange::judge(&Fields::default()).unwrap().is_empty());
    }
}
