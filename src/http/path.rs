//! What a path names, checked in the contract's order before a body is read: the ids' form, the caller's tree,
//! the token itself.

use std::{
    future::{Future, Ready},
    pin::Pin,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::Method, web::Data};

use crate::{
    domain::{ProjectId, Reach, TokenId},
    error::Error,
    service::{Caller, Service, Subject},
};

type Extraction<T> = Pin<Box<dyn Future<Output = Result<T, Error>>>>;

/// The caller at the project of the path.
pub(super) struct AtProject(pub(super) Reach);

/// The caller at the project of the path, or at its own where the path names none, with the id of a token that was
/// there a moment ago.
pub(super) struct AtToken(pub(super) Reach, pub(super) TokenId);

impl FromRequest for AtProject {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (service, caller) = who(request, payload);
        let project = ProjectId::parse(request.match_info().query("project"));
        let asks_to_change = asks_to_change(request);
        Box::pin(async move {
            let project = project.ok_or(Error::MalformedId)?;
            let reach = service.reach(&caller.await?, project).await;
            Ok(Self(settled(&service, asks_to_change, Subject::Project(project), reach).await?))
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
            let reach = settled(&service, asks_to_change, Subject::Project(project), reach).await?;
            let found = service.find_token(reach, token).await;
            let found = settled(&service, asks_to_change, Subject::Token(token), found).await?;
            Ok(Self(reach, found.id))
        })
    }
}

/// Where the request asks for a change, what that would have seen to: it is never reached where something is not there.
async fn settled<T>(
    service: &Service,
    asks_to_change: bool,
    subject: Subject,
    found: Result<T, Error>,
) -> Result<T, Error> {
    if asks_to_change { service.settled(subject, found).await } else { found }
}

fn asks_to_change(request: &HttpRequest) -> bool {
    ![Method::GET, Method::HEAD].contains(request.method())
}

fn who(request: &HttpRequest, payload: &mut Payload) -> (Data<Service>, Ready<Result<Caller, Error>>) {
    let service = request.app_data::<Data<Service>>().expect("the server puts it into every app");
    (service.clone(), Caller::from_request(request, payload))
}
