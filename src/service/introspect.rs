//! We look a token up for someone who was handed it (RFC 7662).

use super::{
    Caller, Granted, Service,
    verify::{Lane, Unproven},
};
use crate::{domain::Credential, error::Error};

impl Service {
    /// What a secret stands for, if it is of the caller's tree; `None` where it is unknown, revoked or another
    /// tree's, or no secret at all: which of these is nobody's business.
    ///
    /// # Errors
    /// [`Error::Overloaded`], [`Error::StoreAway`] and [`Error::Internal`] where nobody can tell.
    pub async fn introspect(&self, caller: &Caller, secret: &str) -> Result<Option<Granted>, Error> {
        let Some(credential) = Credential::bearer(secret) else { return Ok(None) };
        match self.prove(Lane::Verification, &credential).await {
            Ok(granted) if caller.sees(granted.project, granted.parent) => Ok(Some(granted)),
            Ok(_) | Err(Unproven::Refused(_)) => Ok(None),
            Err(Unproven::Unknown(error)) => Err(error),
        }
    }
}
