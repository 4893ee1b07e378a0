//! We make, change and delete projects.

use super::{Caller, Service, grants::Subject};
use crate::{
    domain::{
        Actor, Issued, MANAGEMENT, Name, NewProject, Permissions, Project, ProjectChange, ProjectId, Reach, SigningKey,
        StoredSecret, Tenant,
    },
    error::Error,
    store::{Holdings, TokenRows},
};

/// The name of the token that a new project gets.
const FIRST_TOKEN: &str = "management";

/// A project with the first token of its own, where one was asked for.
#[derive(Debug)]
pub struct CreatedProject {
    /// The project.
    pub project: Project,
    /// Its token, with the secret.
    pub token: Option<Issued>,
}

impl Service {
    /// Makes a root project, or a subproject of `parent`; `with_token` gives it a first token that holds
    /// `management`, in the same transaction.
    ///
    /// # Errors
    /// [`Error::ProjectNotFound`] where there is no such parent, [`Error::NestedSubproject`] where it is a
    /// subproject itself, [`Error::SubprojectLimitReached`].
    pub async fn create_project(
        &self,
        name: Name,
        parent: Option<ProjectId>,
        with_token: bool,
    ) -> Result<CreatedProject, Error> {
        let project = self.new_project(name, parent);
        let first = if with_token { Some(self.first_token(project.id).await?) } else { None };
        let (store, limit) = (self.store.clone(), self.limits.subprojects_per_project);
        let write = async move {
            let rows = first.as_ref().map(|(issued, secret)| TokenRows { token: &issued.token, secret });
            store.create_project(Actor::Operator, &project, rows, None, limit).await?;
            tracing::info!(
                project.id = %project.id,
                token.id = first.as_ref().map(|(issued, _)| tracing::field::display(issued.token.id)),
                caller = %Actor::Operator,
                "project created"
            );
            Ok(CreatedProject { project, token: first.map(|(issued, _)| issued) })
        };
        self.carry_out(Tenant::Operator, || write).await
    }

    /// Finds a project, with what it holds.
    ///
    /// # Errors
    /// [`Error::ProjectNotFound`].
    pub async fn inspect_project(&self, id: ProjectId) -> Result<(Project, Holdings), Error> {
        let project = self.store.find_project(Tenant::Operator, id).await?.ok_or(Error::ProjectNotFound)?;
        Ok((project, self.store.count_holdings(id).await?))
    }

    /// Makes a subproject of the caller's project, with a signing key.
    ///
    /// # Errors
    /// [`Error::NestedSubproject`] where the caller's project is a subproject itself, and what the store's
    /// `create_project` refuses.
    pub async fn create_subproject(&self, caller: &Caller, new: NewProject) -> Result<(Project, SigningKey), Error> {
        if !caller.is_root() {
            return Err(Error::NestedSubproject);
        }
        let Reach { actor, project: parent } = caller.at_home();
        let project = new.into_project(self.entropy.uuid().into(), parent, self.clock.now());
        let (key, sealed) = self.signing_key(project.id)?;
        let (store, limit) = (self.store.clone(), self.limits.subprojects_per_project);
        let write = async move {
            store.create_project(actor, &project, None, Some(&sealed), limit).await?;
            tracing::info!(project.id = %project.id, project.parent = %parent, caller = %actor, "project created");
            Ok((project, key))
        };
        self.carry_out(actor.tenant(), || write).await
    }

    /// Finds the project within reach.
    ///
    /// # Errors
    /// [`Error::ProjectNotFound`] where it has gone since.
    pub async fn find_project(&self, reach: Reach) -> Result<Project, Error> {
        self.store.find_project(reach.tenant(), reach.project).await?.ok_or(Error::ProjectNotFound)
    }

    /// Changes the project within reach; a change of nothing changes nothing.
    ///
    /// # Errors
    /// [`Error::ProjectNotFound`], and [`Error::Unauthenticated`] or [`Error::PermissionMissing`] where the caller has
    /// died or lost its permission since it was let in.
    pub async fn update_project(&self, reach: Reach, change: &ProjectChange) -> Result<Project, Error> {
        let (store, wanted, now) = (self.store.clone(), change.clone(), self.clock.now());
        let write = async move {
            let project = store.update_project(reach, &wanted, now).await?;
            if !wanted.is_empty() {
                tracing::info!(project.id = %project.id, caller = %reach.actor, "project updated");
            }
            Ok(project)
        };
        let updated = self.carry_out(reach.tenant(), || write).await;
        self.settled(reach.tenant(), Subject::Project(reach.project), updated).await
    }

    /// Gives the project within reach a new signing key; the old one is forgotten.
    ///
    /// # Errors
    /// As [`Service::update_project`].
    pub async fn rotate_signing_key(&self, reach: Reach) -> Result<(Project, SigningKey), Error> {
        let (key, sealed) = self.signing_key(reach.project)?;
        let (store, now) = (self.store.clone(), self.clock.now());
        let write = async move {
            let project = store.replace_signing_key(reach, &sealed, now).await?;
            tracing::info!(project.id = %project.id, caller = %reach.actor, "signing key rotated");
            Ok(project)
        };
        let replaced = self.carry_out(reach.tenant(), || write).await;
        Ok((self.settled(reach.tenant(), Subject::Project(reach.project), replaced).await?, key))
    }

    /// Deletes a subproject of the caller's project and its tokens: when this returns, none of them verifies. It
    /// cannot be undone.
    ///
    /// # Errors
    /// [`Error::NotDeletable`] where it is the caller's own project, and as [`Service::update_project`].
    pub async fn delete_subproject(&self, caller: &Caller, reach: Reach) -> Result<(), Error> {
        if reach.project == caller.project() {
            return Err(Error::NotDeletable);
        }
        self.delete_project(reach).await.map(|_| ())
    }

    /// Deletes the project within reach and its tokens: when this returns, none of them verifies. It cannot be undone.
    /// Returns how many tokens died.
    ///
    /// # Errors
    /// [`Error::HasSubprojects`], and as [`Service::update_project`].
    pub async fn delete_project(&self, reach: Reach) -> Result<u64, Error> {
        let store = self.store.clone();
        // Logged by the write, which goes on when its client has gone.
        let write = async move {
            let tokens = store.delete_project(reach).await?;
            tracing::info!(project.id = %reach.project, tokens, caller = %reach.actor, "project deleted");
            Ok(tokens)
        };
        self.change(reach.tenant(), Subject::Project(reach.project), write).await
    }

    fn signing_key(&self, project: ProjectId) -> Result<(SigningKey, Vec<u8>), Error> {
        let key = SigningKey::generate(&*self.entropy);
        let sealed = self.sealer.seal(project, &key, &*self.entropy)?;
        Ok((key, sealed))
    }

    pub(super) fn new_project(&self, name: Name, parent: Option<ProjectId>) -> Project {
        Project::new(self.entropy.uuid().into(), name, parent, self.clock.now())
    }

    pub(super) async fn first_token(&self, project: ProjectId) -> Result<(Issued, StoredSecret), Error> {
        let name = Name::parse(FIRST_TOKEN).expect("a constant that is a name");
        self.draw(Actor::Operator, project, name, self.management()).await
    }

    fn management(&self) -> Permissions {
        self.catalogue.parse([MANAGEMENT]).expect("every catalogue knows it")
    }
}
