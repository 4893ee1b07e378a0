//! One table: what each error is on the wire. No wildcard arm, so that a new error is a new line here, and a
//! decision.

use actix_web::{ResponseError, http::StatusCode};

use crate::error::{Error, Fault, Faults, Field, Problem};

/// One line of the table.
pub(super) struct Row {
    /// The status of our own answers and of the REST API.
    pub(super) status: StatusCode,
    /// The status and code of the compatibility API.
    pub(super) compatibility: (StatusCode, Code),
}

/// The code of a compatibility answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// The flat error object with a number.
    Number(u16),
    /// The validation object of the token calls, whose code is text: see `dialect/compatibility.rs`.
    Validation,
}

/// The table.
#[rustfmt::skip]
#[expect(clippy::match_same_arms, reason = "a table has a line for each")]
pub(super) fn row(error: &Error) -> Row {
    use Code::{Number, Validation};
    let line = |status: u16, compatibility: (u16, Code)| Row {
        status: valid(status),
        compatibility: (valid(compatibility.0), compatibility.1),
    };
    match error {
        //                                   ours  compatibility
        Error::MalformedId              => line(404, (400, Number(10000))),
        Error::MalformedBody(_)         => line(400, (400, Number(10000))),
        Error::UnsupportedBody(_)       => line(415, (400, Number(10000))),
        Error::BodyTooLarge { .. }      => line(413, (413, Number(11751))),
        Error::BodyTimeout              => line(408, (408, Number(10000))),
        Error::Invalid(faults) if faults.iter().any(is_wrong_type)
                                        => line(422, (400, Number(10000))),
        Error::Invalid(faults) if is_of(faults, &[Field::AccountPage, Field::AccountPageToken])
                                        => line(422, (400, Number(54453))),
        Error::Invalid(faults) if is_of(faults, &[Field::AccountPageSize])
                                        => line(422, (400, Number(54454))),
        Error::Invalid(faults) if is_of(faults, &[Field::FriendlyName])
                                        => line(422, (422, Number(20002))),
        Error::Invalid(_)               => line(422, (422, Validation)),
        Error::Unauthenticated          => line(401, (401, Number(20003))),
        Error::PermissionMissing { .. } => line(401, (401, Number(20003))),
        Error::ProjectNotFound          => line(404, (404, Number(20404))),
        Error::TokenNotFound            => line(404, (404, Number(20404))),
        Error::CrossSite                => line(403, (403, Number(20403))),
        Error::UnknownPath              => line(404, (404, Number(20404))),
        Error::MethodNotAllowed         => line(405, (405, Number(20004))),
        Error::TokenLimitReached { .. } => line(422, (422, Validation)),
        Error::SubprojectLimitReached { .. } => line(422, (422, Number(20006))),
        Error::NestedSubproject         => line(422, (422, Number(20005))),
        Error::NotDeletable             => line(422, (422, Number(20005))),
        Error::HasSubprojects { .. }    => line(422, (422, Number(20005))),
        Error::SelectorTaken            => line(500, (500, Number(20504))),
        Error::Overloaded               => line(503, (503, Number(20503))),
        Error::Stopping                 => line(503, (503, Number(20503))),
        Error::StoreAway(_)             => line(503, (503, Number(20503))),
        Error::OutcomeUnknown(_)        => line(500, (500, Number(20504))),
        Error::Internal(_)              => line(500, (500, Number(20504))),
    }
}

fn is_wrong_type(fault: &Fault) -> bool {
    matches!(fault.problem, Problem::WrongType { .. })
}

/// Whether the first fault, the one that the compatibility API has room for, is of one of these fields.
fn is_of(faults: &Faults, fields: &[Field]) -> bool {
    fields.contains(&faults.first().field)
}

fn valid(status: u16) -> StatusCode {
    StatusCode::from_u16(status).expect("the table holds three-digit numbers")
}

/// Lets handlers return our error. The dialect of the scope turns it into an answer; this one's body is empty.
impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        row(self).status
    }

    fn error_response(&self) -> actix_web::HttpResponse {
        actix_web::HttpResponse::new(self.status_code())
    }
}
