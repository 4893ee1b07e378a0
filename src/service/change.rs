//! We change what verifications answer. Every such change goes through here, because two things must hold for it: cached
//! grants cease to count before it is answered, in this process and in another that remembers some, and it is carried to
//! its end although whoever asked has gone.

use std::{future::Future, sync::Arc};

use tracing::Instrument;

use super::{
    Service,
    grants::{Changes, Subject},
};
use crate::{
    domain::Tenant,
    error::Error,
    store::SETTLED_AFTER,
    turns::{Bounds, Turns},
};

/// So many changes of one tenant may be under way: written, or waiting for their turn to be. More are told to come again,
/// before anything is written.
const OF_ONE_TENANT: usize = 1024;

/// Room for changes, which go on when their client has gone.
pub(super) fn room() -> Turns<Tenant> {
    Turns::new(Bounds { at_once: usize::MAX, each: OF_ONE_TENANT, waiting: 0 })
}

impl Service {
    /// Runs a write that changes a token or a project for those who verify, on behalf of a tenant.
    ///
    /// # Errors
    /// Those of the write; [`Error::Overloaded`] where too many of the tenant are under way.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        tenant: Tenant,
        subject: Subject,
        write: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        // By itself: a client that hangs up must not leave a commit behind that nobody applied.
        let changes = self.changes.clone();
        let result = self
            .carry_out(tenant, || {
                let mut changing = Changing::begin(changes, subject);
                async move {
                    let result = write.await;
                    changing.is_known = !matches!(result, Err(Error::OutcomeUnknown(_)));
                    drop(changing);
                    result
                }
            })
            .await;
        // Nothing was written, and nothing is said to be dead.
        if !matches!(result, Err(Error::StoreAway(_) | Error::Overloaded)) {
            self.wait_for_others().await;
        }
        result
    }

    /// Runs a write to its end in a task of its own, also where its client hangs up meanwhile, so that a change and its log
    /// line come together. The work is made only where there is room for it.
    ///
    /// # Errors
    /// Those of the write; [`Error::Overloaded`] where too many of the tenant are under way.
    pub(super) async fn carry_out<T: Send + 'static, W: Future<Output = Result<T, Error>> + Send + 'static>(
        &self,
        tenant: Tenant,
        work: impl FnOnce() -> W,
    ) -> Result<T, Error> {
        // It goes on when its client has gone, so it must not be without bound.
        let room = self.changing.try_take(tenant).map_err(|_| Error::Overloaded)?;
        let work = work();
        let task = async move {
            let result = work.await;
            drop(room);
            result
        };
        let task = self.runtime.spawn(task.in_current_span());
        task.await.map_err(|_| Error::internal("a write ended without a result"))?
    }

    /// What someone is told who wanted to change a token or a project. Where it is not there, a client may conclude that it is
    /// dead; whoever made it so may have committed and not applied it yet, so that is seen to first.
    ///
    /// # Errors
    /// What it was told already; those of the store.
    pub async fn settled<T>(&self, tenant: Tenant, subject: Subject, told: Result<T, Error>) -> Result<T, Error> {
        if matches!(told, Err(Error::ProjectNotFound | Error::TokenNotFound)) {
            let is_gone = match subject {
                Subject::Token(id) => self.store.find_any_token(tenant, id).await?.is_none(),
                Subject::Project(id) => self.store.find_project(tenant, id).await?.is_none(),
            };
            // What is another tenant's stays in the cache; the wait is for all, and tells nobody which it was.
            if is_gone {
                self.changes.apply(subject);
            }
            self.wait_for_others().await;
        }
        told
    }

    /// Another process that remembers what it read notices a change after a while.
    async fn wait_for_others(&self) {
        if self.store.is_remembered_elsewhere() {
            tokio::time::sleep(SETTLED_AFTER).await;
        }
    }
}

/// A change under way: no grant of its subject counts meanwhile. It is applied at its end, whichever way that comes. What
/// was refused changed nothing, and costs one reading.
struct Changing {
    changes: Arc<Changes>,
    subject: Subject,
    is_known: bool,
}

impl Changing {
    fn begin(changes: Arc<Changes>, subject: Subject) -> Self {
        changes.begin(subject);
        Self { changes, subject, is_known: false }
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        if self.is_known {
            self.changes.end(self.subject);
        } else {
            self.changes.end_unknown(self.subject);
        }
    }
}
