//! Everything that can go wrong, in the domain's words. What each becomes on the wire is the door's business
//! (`http/error.rs`); what it becomes at a prompt is `Display`: what is wrong, and what to do.

use std::fmt;

/// The cause of a failure that is not the client's, kept for the log and never shown.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What stopped an operation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An id in the path is not a UUID.
    #[error("the path contains an id that is not a UUID; expected 8-4-4-4-12 hexadecimal digits with hyphens")]
    MalformedId,

    /// The body cannot be read as what it claims to be.
    #[error("{0}")]
    MalformedBody(String),

    /// The body is of a type, or in a coding, that this call does not take.
    #[error("{0}")]
    UnsupportedBody(String),

    /// The body is longer than `limits.body_bytes`.
    #[error("the request body is larger than the limit of {limit} bytes; send a smaller one")]
    BodyTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },

    /// The body did not arrive in time.
    #[error("the request body did not arrive in time; send it without pauses")]
    BodyTimeout,

    /// One or more fields were judged and failed.
    #[error("{0}")]
    Invalid(Faults),

    /// No credential, a malformed one, or one that proves nothing.
    #[error(
        "the credentials are missing, malformed or wrong; use HTTP Basic with the project id as the user name and the secret of one of its tokens as the password"
    )]
    Unauthenticated,

    /// The credential is right, but its token does not hold a permission that is needed.
    #[error("this token lacks the permission \"{permission}\", which this request requires")]
    PermissionMissing {
        /// The permission that is missing.
        permission: String,
    },

    /// No such project in the caller's tree, or none at all.
    #[error("no such project")]
    ProjectNotFound,

    /// No such token in the caller's tree, or none at all.
    #[error("no such token")]
    TokenNotFound,

    /// A browser sent the request for a page of another site.
    #[error(
        "a browser sent this request for a page of another site; send it from your own server or from a page of this one"
    )]
    CrossSite,

    /// Nothing is served at this path.
    #[error("unknown path; /openapi.json lists the paths of this server")]
    UnknownPath,

    /// The path is served, but not by this method.
    #[error("this path does not support this method; the Allow header lists the supported ones")]
    MethodNotAllowed,

    /// The project holds as many tokens as it may.
    #[error("the project already has {limit} token{s}, which is the maximum; revoke some first", s = if *limit == 1 { "" } else { "s" })]
    TokenLimitReached {
        /// The limit.
        limit: u64,
    },

    /// The project has as many subprojects as it may.
    #[error("the project already has the maximum number of subprojects ({limit}); delete some first")]
    SubprojectLimitReached {
        /// The limit.
        limit: u64,
    },

    /// A subproject was to be given a subproject.
    #[error("a subproject cannot have subprojects; use a root project as the parent")]
    NestedSubproject,

    /// A project is to be deleted through the API that is no subproject of the caller's.
    #[error(
        "only a subproject can be deleted, and only with a token of its root project; ask the operator to delete a root project"
    )]
    NotDeletable,

    /// A root project is to be deleted while it has subprojects.
    #[error("the project still has {count} subproject{s}; delete {them} first", s = if *count == 1 { "" } else { "s" }, them = if *count == 1 { "it" } else { "them" })]
    HasSubprojects {
        /// How many.
        count: u64,
    },

    /// The drawn selector belongs to another secret already. The service draws again; nobody else sees this.
    #[error("the drawn selector is taken")]
    SelectorTaken,

    /// More work of this kind waits than may wait. Nothing was written.
    #[error("too many requests are waiting; nothing was changed; try again in a moment")]
    Overloaded,

    /// The server is about to end, and is not to be sent more. Only readiness says so.
    #[error("the server is stopping; send requests to another one, or try again in a moment")]
    Stopping,

    /// The store cannot be reached, or did not answer in time. Nothing was written.
    #[error("the database cannot be reached right now; nothing was changed; try again in a moment")]
    StoreAway(#[source] Cause),

    /// A write was sent and its answer lost: it may have happened, or not.
    #[error(
        "the database did not confirm the change, so it may or may not have happened; check the current state before you retry"
    )]
    OutcomeUnknown(#[source] Cause),

    /// A fault of ours, or of what we stand on.
    #[error("internal error; the log line with this request's id has the details")]
    Internal(#[source] Cause),
}

impl Error {
    /// An internal error from a sentence.
    pub fn internal(what: impl Into<String>) -> Self {
        Self::Internal(what.into().into())
    }

    /// One failed field.
    pub fn invalid(field: Field, problem: Problem) -> Self {
        Self::Invalid(Faults(vec![Fault { field, problem }]))
    }
}

/// The fields that failed, in the order in which the contract judges them. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// `Ok` where nothing failed.
    ///
    /// # Errors
    /// The faults, where there are any.
    pub fn none_or(faults: Vec<Fault>) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(Self(faults)) }
    }

    /// Adds one, in its place in the contract's order.
    pub fn add(&mut self, fault: Fault) {
        self.0.push(fault);
        self.0.sort_by_key(|fault| fault.field);
    }

    /// The failed fields, first first.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }

    /// The first failed field.
    pub fn first(&self) -> &Fault {
        self.0.first().expect("made only with one fault or more")
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl From<Faults> for Error {
    fn from(faults: Faults) -> Self {
        Self::Invalid(faults)
    }
}

/// One field that failed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which field.
    pub field: Field,
    /// Why.
    pub problem: Problem,
}

impl Fault {
    /// Its name on the wire: the field's, or that of the unknown parameter.
    pub fn attribute(&self) -> &str {
        match &self.problem {
            Problem::UnknownParameter { name, .. } => name,
            _ => self.field.as_str(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field.as_str();
        match &self.problem {
            Problem::Missing => write!(f, "{field} is required"),
            Problem::Blank => write!(f, "{field} must not be blank"),
            Problem::TooLong { most } => write!(f, "{field} must be at most {most} characters long"),
            Problem::ControlCharacter => write!(f, "{field} must not contain control characters"),
            Problem::WrongType { expected } => write!(f, "{field} must be {expected}"),
            Problem::UnknownPermission { name, known } => {
                write!(f, "{field} contains the unknown permission {name:?}")?;
                if known.is_empty() { Ok(()) } else { write!(f, "; allowed are {}", known.join(", ")) }
            }
            Problem::NotAUuid => {
                write!(f, "{field} must be a UUID: 8-4-4-4-12 hexadecimal digits with hyphens")
            }
            Problem::NotASubproject => write!(f, "{field} is not a subproject of this project"),
            Problem::OutOfRange { least, most } => {
                write!(f, "{field} must be a whole number from {least} to {most}")
            }
            Problem::NotAPage => {
                write!(f, "{field} is not a page token of this list; start at the first page and follow its links")
            }
            Problem::PageTokenRequired => {
                write!(
                    f,
                    "{field} is required for every page after the first; start at the first page and follow its links"
                )
            }
            Problem::UnknownParameter { name, known } => {
                write!(f, "{name:?} is not a parameter of this list; remove it, or use one of {}", known.join(", "))
            }
            Problem::NotBuilt => {
                write!(f, "{field} is not supported by this version; remove it")
            }
        }
    }
}

/// The fields of the requests, by their name on the wire, in the order in which the contract judges them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the field of its name")]
pub enum Field {
    Name,
    Permissions,
    SubprojectId,
    ExpiresAt,
    ExpiresIn,
    AllowedCidrs,
    Disabled,
    ProtectRecordings,
    ProtectMessageMedia,
    ProtectFaxMedia,
    ForceHttpsRequests,
    FriendlyName,
    PageSize,
    PageNumber,
    PageToken,
    AccountPageSize,
    AccountPage,
    AccountPageToken,
    /// The query as a whole, for a parameter that the list does not know.
    Query,
}

impl Field {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Permissions => "permissions",
            Self::SubprojectId => "subproject_id",
            Self::ExpiresAt => "expires_at",
            Self::ExpiresIn => "expires_in",
            Self::AllowedCidrs => "allowed_cidrs",
            Self::Disabled => "disabled",
            Self::ProtectRecordings => "protect_recordings",
            Self::ProtectMessageMedia => "protect_message_media",
            Self::ProtectFaxMedia => "protect_fax_media",
            Self::ForceHttpsRequests => "force_https_requests",
            Self::FriendlyName => "FriendlyName",
            Self::PageSize => "page_size",
            Self::PageNumber => "page_number",
            Self::PageToken => "page_token",
            Self::AccountPageSize => "PageSize",
            Self::AccountPage => "Page",
            Self::AccountPageToken => "PageToken",
            Self::Query => "query",
        }
    }
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is needed and absent, or a list that is needed is empty.
    Missing,
    /// It is text of nothing but white space.
    Blank,
    /// It is text of too many Unicode scalar values.
    TooLong {
        /// The most that it may have.
        most: usize,
    },
    /// It holds a control character (Unicode category Cc).
    ControlCharacter,
    /// It is of another JSON type, null included.
    WrongType {
        /// What it should be, as in "must be …".
        expected: &'static str,
    },
    /// It names a permission that is not in the catalogue.
    UnknownPermission {
        /// The name, cut to 64 characters.
        name: String,
        /// The names of the catalogue; empty where they are too many to list.
        known: Vec<String>,
    },
    /// It should be a UUID.
    NotAUuid,
    /// It is a UUID, but of no subproject of the project at hand.
    NotASubproject,
    /// The contract knows the field, this version does not: silence would promise what it does not keep.
    NotBuilt,
    /// It is not a whole number within the bounds.
    OutOfRange {
        /// The least.
        least: u32,
        /// The most.
        most: u32,
    },
    /// It is not a page token of this list.
    NotAPage,
    /// It is absent, and the page number is above 0.
    PageTokenRequired,
    /// The list does not know a parameter of this name.
    UnknownParameter {
        /// The name, shortened, with secrets taken out.
        name: String,
        /// The parameters of this list.
        known: &'static [&'static str],
    },
}
