//! We find out how far someone reaches: from a credential to a caller, from a caller to a project of its tree.

use super::{Grant, Refusal, Service, Subject, verify::Lane};
use crate::{
    domain::{Actor, Credential, INTROSPECTION, Needed, ProjectId, Reach, Tenant, Token, TokenId},
    error::Error,
};

/// Someone who has proven a credential with the permission that was needed. Only [`Service::authenticate`]
/// makes one.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    actor: Actor,
    project: ProjectId,
    is_root: bool,
}

impl Caller {
    /// The project of the caller's token.
    pub fn project(&self) -> ProjectId {
        self.project
    }

    /// Whether that is a root.
    pub fn is_root(&self) -> bool {
        self.is_root
    }

    /// The caller at its own project.
    pub fn at_home(&self) -> Reach {
        Reach { actor: self.actor, project: self.project }
    }

    /// Whether a project is in the caller's tree: its own or, where that is a root, one of its subprojects.
    pub(super) fn sees(&self, project: ProjectId, parent: Option<ProjectId>) -> bool {
        project == self.project || (self.is_root && parent == Some(self.project))
    }

    /// Whose turn it is when the caller acts.
    pub fn tenant(&self) -> Tenant {
        self.actor.tenant()
    }

    /// The caller's token.
    pub fn token(&self) -> Option<TokenId> {
        self.actor.token()
    }
}

impl Service {
    /// Proves a credential and asks for a permission.
    ///
    /// # Errors
    /// As [`Service::verify`]; [`Error::PermissionMissing`] where the token does not hold the permission.
    pub async fn authenticate(&self, credential: &Credential, permission: &str) -> Result<Caller, Error> {
        self.authenticate_for_one_of(credential, &[permission]).await
    }

    /// Proves a credential and asks for any one of the permissions, of which there is one or more.
    ///
    /// # Errors
    /// As [`Service::authenticate`], with the first permission.
    pub async fn authenticate_for_one_of(
        &self,
        credential: &Credential,
        permissions: &[&str],
    ) -> Result<Caller, Error> {
        // Resource servers introspect as often as they are asked, so that is verification as well.
        let lane = if permissions.contains(&INTROSPECTION) { Lane::Verification } else { Lane::Management };
        let grant = self.verify_in(lane, credential).await?;
        if !permissions.iter().any(|permission| self.may(&grant, permission)) {
            self.count_refusal(Refusal::MissingPermission);
            let permission = permissions.first().copied().unwrap_or_default().to_owned();
            return Err(Error::PermissionMissing { permission });
        }
        Ok(Caller { actor: grant.actor(), project: grant.project, is_root: grant.parent.is_none() })
    }

    /// Whether a grant satisfies a permission.
    pub fn may(&self, grant: &Grant, permission: &str) -> bool {
        let mut needed = Needed::default();
        needed.add(&self.catalogue, permission);
        needed.is_met_by(grant.permissions)
    }

    /// The caller at a project: its own or, where that is a root, one of its subprojects.
    ///
    /// # Errors
    /// [`Error::ProjectNotFound`] for every other, whether it exists or not.
    pub async fn reach(&self, caller: &Caller, project: ProjectId) -> Result<Reach, Error> {
        let reach = Reach { actor: caller.actor, project };
        if project == caller.project {
            return Ok(reach);
        }
        if !caller.is_root {
            return Err(Error::ProjectNotFound);
        }
        match self.store.find_project(caller.tenant(), project).await? {
            Some(found) if found.parent == Some(caller.project) => Ok(reach),
            _ => Err(Error::ProjectNotFound),
        }
    }

    /// The caller at its own project, or at the subproject of it that a request names.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it names none of its subprojects, whether it exists or not.
    pub async fn reach_subproject(&self, caller: &Caller, subproject: Option<ProjectId>) -> Result<Reach, Error> {
        let home = caller.at_home();
        Ok(Reach { project: self.owner(home, subproject).await?, ..home })
    }

    /// The operator at a project.
    ///
    /// # Errors
    /// [`Error::ProjectNotFound`].
    pub async fn operator_reach(&self, project: ProjectId) -> Result<Reach, Error> {
        let found = self.store.find_project(Tenant::Operator, project).await?.ok_or(Error::ProjectNotFound);
        let found = self.settled(Tenant::Operator, Subject::Project(project), found).await?;
        Ok(Reach { actor: Actor::Operator, project: found.id })
    }

    /// The operator at the project that a token belongs to, with the token.
    ///
    /// # Errors
    /// [`Error::TokenNotFound`].
    pub async fn operator_reach_of(&self, token: TokenId) -> Result<(Reach, Token), Error> {
        let found = self.store.find_any_token(Tenant::Operator, token).await?.ok_or(Error::TokenNotFound);
        let found = self.settled(Tenant::Operator, Subject::Token(token), found).await?;
        Ok((Reach { actor: Actor::Operator, project: found.project }, found))
    }

    /// Finds a token within reach.
    ///
    /// # Errors
    /// [`Error::TokenNotFound`].
    pub async fn find_token(&self, reach: Reach, id: TokenId) -> Result<Token, Error> {
        self.store.find_token(reach, id).await?.ok_or(Error::TokenNotFound)
    }
}
