//! What a path names, checked in the contract's order before a body is judged: the ids' form, the caller's tree,
//! the token itself.

use std::{
    future::{Future, Ready},
    pin::Pin,
};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{Method, header::TRANSFER_ENCODING},
    web::Data,
};

use crate::{
    domain::{ProjectId, Reach, TokenId},
    error::Error,
    service::{Caller, Service, Subject},
};

type Extraction<T> = Pin<Box<dyn Future<Output = Result<T, Error>>>>;

/// The caller at the project of the path.
pub(super) struct AtProject(pub(super) Reach);

/// The caller at the project of the path, or at its own where the path names none, with the id of a token. Nobody has looked
/// whether it is there: the read or write of it does.
pub(super) struct AtToken(pub(super) Reach, pub(super) TokenId);

/// The same, for a change that is in the body. A token that is not there comes before any fault of the body. To look for it
/// before each change would make the change wait for others' lists; so it is looked for where the body has a fault.
pub(super) struct ToChange {
    pub(super) at: AtToken,
    /// A body in chunks may break the connection, and an answer must then be ready at once.
    was_seen: bool,
}

impl ToChange {
    /// What was judged of the body.
    ///
    /// # Errors
    /// [`Error::TokenNotFound`], or else the one of the body.
    pub(super) async fn judged<T>(&self, service: &Service, judged: Result<T, Error>) -> Result<T, Error> {
        if judged.is_err() && !self.was_seen {
            self.at.look(service).await?;
        }
        judged
    }
}

impl AtToken {
    /// Whether it is there.
    async fn look(&self, service: &Service) -> Result<(), Error> {
        let Self(reach, id) = *self;
        let found = service.find_token(reach, id).await;
        service.settled(reach.tenant(), Subject::Token(id), found).await.map(|_| ())
    }
}

impl FromRequest for AtProject {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (service, caller) = who(request, payload);
        let project = ProjectId::parse(request.match_info().query("project"));
        let asks_to_change = asks_to_change(request);
        Box::pin(async move {
            let project = project.ok_or(Error::MalformedId)?;
            let caller = caller.await?;
            let reach = service.reach(&caller, project).await;
            Ok(Self(settled(&service, &caller, asks_to_change, Subject::Project(project), reach).await?))
        })
    }
}

impl FromRequest for AtToken {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (service, caller) = who(request, payload);
        let project = request.match_info().get("project").map(ProjectId::parse);
        let token = TokenId::parse(request.match_info().query("token"));
        let asks_to_change = asks_to_change(request);
        Box::pin(async move {
            let caller = caller.await?;
            let project = project.unwrap_or(Some(caller.project()));
            let (project, token) = project.zip(token).ok_or(Error::MalformedId)?;
            let reach = service.reach(&caller, project).await;
            let reach = settled(&service, &caller, asks_to_change, Subject::Project(project), reach).await?;
            Ok(Self(reach, token))
        })
    }
}

impl FromRequest for ToChange {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (service, _) = who(request, payload);
        let at = AtToken::from_request(request, payload);
        let is_in_chunks = request.headers().contains_key(TRANSFER_ENCODING);
        Box::pin(async move {
            let at = at.await?;
            if is_in_chunks {
                at.look(&service).await?;
            }
            Ok(Self { at, was_seen: is_in_chunks })
        })
    }
}

/// Where the request asks for a change, what that would have seen to: it is never reached where something is not there.
async fn settled<T>(
    service: &Service,
    caller: &Caller,
    asks_to_change: bool,
    subject: Subject,
    found: Result<T, Error>,
) -> Result<T, Error> {
    if asks_to_change { service.settled(caller.tenant(), subject, found).await } else { found }
}

fn asks_to_change(request: &HttpRequest) -> bool {
    ![Method::GET, Method::HEAD].contains(request.method())
}

fn who(request: &HttpRequest, payload: &mut Payload) -> (Data<Service>, Ready<Result<Caller, Error>>) {
    let service = request.app_data::<Data<Service>>().expect("the server puts it into every app");
    (service.clone(), Caller::from_request(request, payload))
}
