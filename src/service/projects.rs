//! We make, rename and delete projects, on the operator's authority.

use super::{CreatedProject, Service};
use crate::{
    domain::{Actor, Issued, MANAGEMENT, Name, Permissions, Project, ProjectId, StoredSecret},
    error::Error,
    store::{Holdings, TokenRows},
};

/// The name of the token that a new project gets.
const FIRST_TOKEN: &str = "management";

impl Service {
    /// Makes a root project, or a subproject of `parent`; `with_token` gives it a first token that holds
    /// `management`, in the same transaction.
    ///
    /// # Errors
    /// [`Error::ProjectNotFound`] where there is no such parent, [`Error::NestedSubproject`] where it is a
    /// subproject itself.
    pub async fn create_project(
        &self,
        name: Name,
        parent: Option<ProjectId>,
        with_token: bool,
    ) -> Result<CreatedProject, Error> {
        let project = self.new_project(name, parent);
        let first = if with_token { Some(self.first_token(project.id).await?) } else { None };
        let rows = first.as_ref().map(|(issued, secret)| TokenRows { token: &issued.token, secret });
        self.store.create_project(&project, rows).await?;
        tracing::info!(project.id = %project.id, "project created");
        Ok(CreatedProject { project, token: first.map(|(issued, _)| issued) })
    }

    /// Finds a project, with what it holds.
    ///
    /// # Errors
    /// [`Error::ProjectNotFound`].
    pub async fn inspect_project(&self, id: ProjectId) -> Result<(Project, Holdings), Error> {
        let project = self.store.find_project(id).await?.ok_or(Error::ProjectNotFound)?;
        Ok((project, self.store.count_holdings(id).await?))
    }

    /// Gives a project another name.
    ///
    /// # Errors
    /// [`Error::ProjectNotFound`].
    pub async fn rename_project(&self, id: ProjectId, name: &Name) -> Result<Project, Error> {
        let project = self.store.rename_project(id, name, self.clock.now()).await?;
        tracing::info!(project.id = %id, "project renamed");
        Ok(project)
    }

    /// Deletes a project and its tokens: when this returns, none of them verifies. It cannot be undone. Returns
    /// how many tokens died.
    ///
    /// # Errors
    /// [`Error::ProjectNotFound`], [`Error::HasSubprojects`].
    pub async fn delete_project(&self, id: ProjectId) -> Result<u64, Error> {
        let tokens = self.store.delete_project(id).await?;
        tracing::info!(project.id = %id, tokens, "project deleted");
        Ok(tokens)
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
