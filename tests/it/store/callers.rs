//! Each write about a project asks again, in its own transaction, whether its caller still may.

use rstest::rstest;
use tokensmith::{
    domain::{Actor, NewToken, ProjectChange, ProjectId, Reach, TokenChange},
    error::Error,
};

use super::{
    contract::{NOW, row},
    name, operator,
};
use crate::support::{App, Backend, catalogue};

/// What becomes of a caller between the check at the door and its write.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Revoked,
    Narrowed,
    /// Its secret is another now.
    Replaced,
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_may_no_more_writes_no_project(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values(Fate::Revoked, Fate::Narrowed, Fate::Replaced)] fate: Fate,
) {
    let app = App::start(backend).await;
    let child = app.subproject("Child").await;
    let management =
        NewToken { name: name("caller"), permissions: catalogue().parse(["management"]).unwrap(), subproject: None };
    let caller = app.service.issue(operator(app.root.id), management).await.unwrap();
    let holder = app.store.find_holder(caller.secret.selector()).await.unwrap().unwrap();
    let actor = Actor::Token { token: holder.token, secret: holder.secret, root: app.root.id };
    let at = |project: ProjectId| Reach { actor, project };
    match fate {
        Fate::Revoked => app.store.delete_token(operator(app.root.id), holder.token).await.unwrap(),
        Fate::Narrowed => {
            let change = TokenChange { name: None, permissions: Some(catalogue().parse(["chat"]).unwrap()) };
            let reach = operator(app.root.id);
            app.store.update_token(reach, holder.token, &change, NOW).await.unwrap();
        }
        Fate::Replaced => {
            let its = "delete from token_secrets where token_id = (select id from tokens where name = 'caller')";
            app.database.execute(its).await;
        }
    }
    let before = app.database.rows().await;

    let told = [
        app.store.create_project(actor, &row(Some(app.root.id)), None, None, 9).await,
        app.store.update_project(at(child.id), &ProjectChange::rename(name("x")), NOW).await.map(|_| ()),
        app.store.replace_signing_key(at(child.id), b"sealed", NOW).await.map(|_| ()),
        app.store.delete_project(at(child.id)).await.map(|_| ()),
        // The caller comes before what else would be refused.
        app.store.create_project(actor, &row(Some(child.id)), None, None, 9).await,
        app.store.create_project(actor, &row(Some(app.root.id)), None, None, 1).await,
        app.store.delete_project(at(app.root.id)).await.map(|_| ()),
    ];

    for told in told {
        match fate {
            Fate::Revoked | Fate::Replaced => assert!(matches!(told, Err(Error::Unauthenticated)), "{told:?}"),
            Fate::Narrowed => assert!(matches!(told, Err(Error::PermissionMissing { .. })), "{told:?}"),
        }
    }
    assert_eq!(app.database.rows().await, before);
}
