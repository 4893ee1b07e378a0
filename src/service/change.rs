//! We change what verifications answer. Every such change goes through here, because two things must hold for it:
//! cached grants cease to count before it is answered,
//! in this process and in another that remembers some, and it is carried to its end although whoever asked has gone.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::time::timeout;
use tracing::Instrument;

use super::{
    Service,
    grants::{Changes, Subject},
};
use crate::{error::Error, store::SETTLED_AFTER};

/// So many changes at once: more than any store works on, so that none is idle.
pub(super) const AT_ONCE: usize = 64;

/// How long a change waits for its turn before anything is written.
const PATIENCE: Duration = Duration::from_secs(1);

impl Service {
    /// Runs a write that changes a token or a project for those who verify.
    ///
    /// # Errors
    /// Those of the write; [`Error::Overloaded`] where too many wait.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        subject: Subject,
        write: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        // Taken while the client is still there: what has it goes on by itself, so it must not be without bound.
        let permit = timeout(PATIENCE, self.changing.clone().acquire_owned()).await;
        let permit = permit.map_err(|_| Error::Overloaded)?.map_err(|_| Error::internal("changes have ended"))?;
        let changing = Changing { changes: self.changes.clone(), subject, is_known: false };
        // By itself: a client that hangs up must not leave a commit behind that nobody applied.
        let work = async move {
            let mut changing = changing;
            let result = write.await;
            changing.is_known = !matches!(result, Err(Error::OutcomeUnknown(_)));
            drop((changing, permit));
            result
        };
        let task = self.runtime.spawn(work.in_current_span());
        let result = task.await.map_err(|_| Error::internal("a write ended without a result"))?;
        self.wait_for_others().await;
        result
    }

    /// Before someone who wanted to change a token or a project is told that it is not there: from that, too, a client may
    /// conclude that it is dead. Whoever made it so may have committed, and not applied it yet.
    pub async fn settle(&self, gone: Subject) {
        self.changes.apply(gone);
        self.wait_for_others().await;
    }

    /// Another process that remembers what it read notices a change after a while.
    async fn wait_for_others(&self) {
        if self.store.is_remembered_elsewhere() {
            tokio::time::sleep(SETTLED_AFTER).await;
        }
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
