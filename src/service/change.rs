//! We change what verifications answer. Every such change goes through here, because two things must hold for it:
//! cached grants cease to count before it is answered,
//! in this process and in another that remembers some, and it is carried to its end although whoever asked has gone.

use std::{future::Future, sync::Arc};

use tracing::Instrument;

use super::{
    Service,
    grants::{Changes, SETTLED_AFTER, Subject},
};
use crate::error::Error;

impl Service {
    /// Runs a write that changes a token or a project for those who verify.
    ///
    /// # Errors
    /// Those of the write.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        subject: Subject,
        write: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let changing = Changing { changes: self.changes.clone(), subject, is_known: false };
        // By itself: a client that hangs up must not leave a commit behind that nobody applied.
        let work = async move {
            let mut changing = changing;
            let result = write.await;
            changing.is_known = !matches!(result, Err(Error::OutcomeUnknown(_)));
            drop(changing);
            result
        };
        let task = self.runtime.spawn(work.in_current_span());
        let result = task.await.map_err(|_| Error::internal("a write ended without a result"))?;
        // Also after a refusal: from "no such token" a client may conclude that it is dead.
        if self.store.is_remembered_elsewhere() {
            tokio::time::sleep(SETTLED_AFTER).await;
        }
        result
    }
}

/// Applies the change at its end, whichever way that comes. What was refused changed nothing, and costs one reading.
struct Changing {
    changes: Arc<Changes>,
    subject: Subject,
    is_known: bool,
}

impl Drop for Changing {
    fn drop(&mut self) {
        if self.is_known {
            self.changes.apply(self.subject);
        } else {
            self.changes.apply_for_ever(self.subject);
        }
    }
}
