//! A store that fails when told to, in the ways a real one can.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokensmith::{
    clock::Timestamp,
    domain::{
        Actor, IdPrefix, Position, Project, ProjectChange, ProjectId, Proof, Reach, SecretId, Selector, Tenant, Token,
        TokenChange, TokenId,
    },
    error::Error,
    store::{
        Holder, Holdings, MadeProof, Mark, Operator, ProjectFilter, Projects, Secrets, Store, TokenRows, Tokens,
        Updated, Written,
    },
};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

/// How a store can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// It cannot be reached; nothing is written.
    Away,
    /// It answers nonsense; nothing is written.
    Fault,
    /// Writes happen, and their confirmation is lost.
    Unconfirmed,
    /// Writes have not happened, and nobody knows whether they still will.
    Undecided,
}

/// The operations that a test may break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// All of them.
    Always,
    /// Those that write: whoever calls is let in first.
    Writing,
}

/// A real store behind a switch.
pub struct BrokenStore {
    inner: Arc<dyn Store>,
    broken: Mutex<Option<(Break, When)>>,
    found: AtomicU64,
    /// How long it takes to hear of a mark.
    late: Mutex<Duration>,
    /// Whether whoever asks for a mark panics.
    panics: AtomicBool,
    /// Closed while a test holds it: see [`BrokenStore::hold_readers`].
    readers: Gate,
    /// Likewise: see [`BrokenStore::hold_writers`].
    writers: Gate,
    /// Likewise: see [`BrokenStore::hold_written`].
    written: Gate,
    /// Likewise: see [`BrokenStore::hold_lookups`].
    lookups: Gate,
}

impl BrokenStore {
    pub fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        let (broken, found, late) = (Mutex::new(None), AtomicU64::new(0), Mutex::default());
        let panics = AtomicBool::default();
        let [readers, writers, written, lookups] = [(); 4].map(|()| Gate::default());
        Arc::new(Self { inner, broken, found, late, panics, readers, writers, written, lookups })
    }

    pub fn fail(&self, how: Break, when: When) {
        *self.broken.lock().unwrap() = Some((how, when));
    }

    pub fn mend(&self) {
        *self.broken.lock().unwrap() = None;
    }

    /// How often the row of a secret was read.
    pub fn found(&self) -> u64 {
        self.found.load(Ordering::SeqCst)
    }

    /// Whoever asks for a mark hears of it only so long after it was read.
    pub fn tell_marks_late(&self, by: Duration) {
        *self.late.lock().unwrap() = by;
    }

    /// Whoever asks for a mark panics.
    pub fn panic_at_marks(&self) {
        self.panics.store(true, Ordering::SeqCst);
    }

    /// Whoever reads the row of a secret hears of it only once this is dropped.
    pub async fn hold_readers(&self) -> OwnedRwLockWriteGuard<()> {
        self.readers.clone().write_owned().await
    }

    /// Whoever writes begins only once this is dropped.
    pub async fn hold_writers(&self) -> OwnedRwLockWriteGuard<()> {
        self.writers.clone().write_owned().await
    }

    /// Whoever has written hears of it only once this is dropped.
    pub async fn hold_written(&self) -> OwnedRwLockWriteGuard<()> {
        self.written.clone().write_owned().await
    }

    /// Whoever looks a project or a token up, or lists them, begins only once this is dropped.
    pub async fn hold_lookups(&self) -> OwnedRwLockWriteGuard<()> {
        self.lookups.clone().write_owned().await
    }

    async fn look_up<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let _opened = self.lookups.read().await;
        self.read(work).await
    }

    /// Reads the row of a secret.
    async fn find<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let holder = self.read(work).await;
        self.found.fetch_add(1, Ordering::SeqCst);
        let _opened = self.readers.read().await;
        holder
    }

    async fn read<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        match *self.broken.lock().unwrap() {
            Some((how, When::Always)) => Err(how.error()),
            _ => Ok(()),
        }?;
        work.await
    }

    async fn write<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let _opened = self.writers.read().await;
        let how = self.broken.lock().unwrap().map(|(how, _)| how);
        match how {
            None => {
                let done = work.await;
                let _opened = self.written.read().await;
                done
            }
            Some(how @ Break::Unconfirmed) => {
                work.await?;
                Err(how.error())
            }
            Some(how) => Err(how.error()),
        }
    }
}

/// Open to all, until one takes it for itself.
type Gate = Arc<RwLock<()>>;

/// What no client may ever read.
pub const INTERNALS: &str = "the internals of the store";

impl Break {
    fn error(self) -> Error {
        match self {
            Self::Away => Error::StoreAway(INTERNALS.into()),
            Self::Fault => Error::Internal(INTERNALS.into()),
            Self::Unconfirmed | Self::Undecided => Error::OutcomeUnknown(INTERNALS.into()),
        }
    }
}

#[async_trait]
impl Store for BrokenStore {
    async fn ready(&self) -> Result<(), Error> {
        self.read(self.inner.ready()).await
    }

    async fn mark(&self) -> Result<Option<Mark>, Error> {
        assert!(!self.panics.load(Ordering::SeqCst), "as a test has asked for");
        let mark = self.read(self.inner.mark()).await;
        let late = *self.late.lock().unwrap();
        tokio::time::sleep(late).await;
        mark
    }

    fn is_remembered_elsewhere(&self) -> bool {
        self.inner.is_remembered_elsewhere()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[async_trait]
impl Projects for BrokenStore {
    async fn create_project(
        &self,
        actor: Actor,
        project: &Project,
        first: Option<TokenRows<'_>>,
        signing_key: Option<&[u8]>,
        limit: u64,
    ) -> Result<(), Error> {
        self.write(self.inner.create_project(actor, project, first, signing_key, limit)).await
    }

    async fn bootstrap(&self, project: &Project, first: TokenRows<'_>) -> Result<bool, Error> {
        self.write(self.inner.bootstrap(project, first)).await
    }

    async fn is_empty(&self) -> Result<bool, Error> {
        self.read(self.inner.is_empty()).await
    }

    async fn find_project(&self, tenant: Tenant, id: ProjectId) -> Result<Option<Project>, Error> {
        self.look_up(self.inner.find_project(tenant, id)).await
    }

    async fn count_holdings(&self, id: ProjectId) -> Result<Holdings, Error> {
        self.look_up(self.inner.count_holdings(id)).await
    }

    async fn list_projects(
        &self,
        filter: &ProjectFilter,
        position: Position,
        limit: u32,
    ) -> Result<Vec<Project>, Error> {
        self.look_up(self.inner.list_projects(filter, position, limit)).await
    }

    async fn list_tree(
        &self,
        reach: Reach,
        name: Option<&str>,
        position: Position,
        limit: u32,
    ) -> Result<Vec<Project>, Error> {
        self.look_up(self.inner.list_tree(reach, name, position, limit)).await
    }

    async fn update_project(&self, reach: Reach, change: &ProjectChange, now: Timestamp) -> Result<Project, Error> {
        self.write(self.inner.update_project(reach, change, now)).await
    }

    async fn replace_signing_key(&self, reach: Reach, sealed: &[u8], now: Timestamp) -> Result<Project, Error> {
        self.write(self.inner.replace_signing_key(reach, sealed, now)).await
    }

    async fn find_sealed_key(&self) -> Result<Option<Vec<u8>>, Error> {
        self.read(self.inner.find_sealed_key()).await
    }

    async fn delete_project(&self, reach: Reach) -> Result<u64, Error> {
        self.write(self.inner.delete_project(reach)).await
    }
}

#[async_trait]
impl Tokens for BrokenStore {
    async fn insert_token(&self, actor: Actor, rows: TokenRows<'_>, limit: u64, written: Written) -> Result<(), Error> {
        self.write(self.inner.insert_token(actor, rows, limit, written)).await
    }

    async fn update_token(
        &self,
        reach: Reach,
        id: TokenId,
        change: &TokenChange,
        now: Timestamp,
    ) -> Result<Updated, Error> {
        self.write(self.inner.update_token(reach, id, change, now)).await
    }

    async fn delete_token(&self, reach: Reach, id: TokenId) -> Result<(), Error> {
        self.write(self.inner.delete_token(reach, id)).await
    }

    async fn find_token(&self, reach: Reach, id: TokenId) -> Result<Option<Token>, Error> {
        self.look_up(self.inner.find_token(reach, id)).await
    }

    async fn list_tokens(
        &self,
        reach: Reach,
        name: Option<&str>,
        position: Position,
        limit: u32,
    ) -> Result<Vec<Token>, Error> {
        self.look_up(self.inner.list_tokens(reach, name, position, limit)).await
    }

    async fn find_any_token(&self, tenant: Tenant, id: TokenId) -> Result<Option<Token>, Error> {
        self.look_up(self.inner.find_any_token(tenant, id)).await
    }
}

#[async_trait]
impl Secrets for BrokenStore {
    async fn find_holder(&self, selector: Selector) -> Result<Option<Holder>, Error> {
        self.find(self.inner.find_holder(selector)).await
    }

    async fn find_caller(&self, tenant: Tenant, selector: Selector) -> Result<Option<Holder>, Error> {
        self.find(self.inner.find_caller(tenant, selector)).await
    }

    async fn replace_hash(&self, id: SecretId, old: &str, new: &str, proof: Option<&Proof>) -> Result<bool, Error> {
        self.write(self.inner.replace_hash(id, old, new, proof)).await
    }

    async fn keep_proofs(&self, proofs: &[MadeProof]) -> Result<u64, Error> {
        self.write(self.inner.keep_proofs(proofs)).await
    }
}

#[async_trait]
impl Operator for BrokenStore {
    async fn find_projects_beginning(&self, prefix: IdPrefix, limit: u32) -> Result<Vec<Project>, Error> {
        self.read(self.inner.find_projects_beginning(prefix, limit)).await
    }

    async fn find_tokens_beginning(&self, prefix: IdPrefix, limit: u32) -> Result<Vec<Token>, Error> {
        self.read(self.inner.find_tokens_beginning(prefix, limit)).await
    }

    async fn find_only_root(&self) -> Result<Option<ProjectId>, Error> {
        self.read(self.inner.find_only_root()).await
    }

    async fn find_catalogue(&self) -> Result<Option<String>, Error> {
        self.read(self.inner.find_catalogue()).await
    }

    async fn replace_catalogue(&self, names: &str, now: Timestamp) -> Result<Option<String>, Error> {
        self.write(self.inner.replace_catalogue(names, now)).await
    }
}
