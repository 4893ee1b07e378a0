//! Each operation alone: what it promises, what it finds where there is nothing, what it refuses and leaves behind.

use std::slice;

use rstest::rstest;
use tokensmith::{
    clock::Timestamp,
    domain::{
        Actor, Catalogue, Hint, Permissions, Project as Row, ProjectId, Proof, SecretId, Selector, StoredSecret,
        Tenant, Token, TokenChange, TokenId,
    },
    entropy::{Entropy, SystemEntropy},
    error::Error,
    store::{MadeProof, TokenRows},
};

use super::{assert_whole, credential, issue, name, operator, token_id, unheard};
use crate::support::{App, Backend, Database, Options, catalogue};

pub(super) const NOW: Timestamp = Timestamp::from_micros(1_795_494_884_000_000);

pub(super) fn row(parent: Option<ProjectId>) -> Row {
    Row::new(SystemEntropy.uuid().into(), name("row"), parent, NOW)
}

pub(super) fn rows_for(project: ProjectId) -> (Token, StoredSecret) {
    let secret = tokensmith::domain::Secret::generate(&SystemEntropy);
    let stored = StoredSecret {
        id: SecretId::from(SystemEntropy.uuid()),
        selector: secret.selector(),
        hash: "$argon2id$…".to_owned(),
        check: secret.check(),
        proof: None,
        created_at: NOW,
    };
    let token = Token {
        id: TokenId::from(SystemEntropy.uuid()),
        project,
        name: name("token"),
        permissions: catalogue().parse(["chat"]).unwrap(),
        hint: secret.selector().hint(),
        created_at: NOW,
        updated_at: NOW,
        created_by: None,
    };
    (token, stored)
}

pub(super) fn made(secret: SecretId, hash: &str, proof: &Proof) -> MadeProof {
    MadeProof { secret, hash: hash.to_owned(), proof: *proof }
}

fn nobody() -> ProjectId {
    ProjectId::parse("00000000-0000-4000-8000-000000000000").unwrap()
}

fn no_token() -> TokenId {
    TokenId::parse("00000000-0000-4000-8000-000000000000").unwrap()
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_read_back_whole(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let database = Database::migrated(backend).await;
    let store = database.open(catalogue());
    let mut project = row(None);
    project.region_preference = Some("us-east".to_owned());
    project.protect_recordings = true;
    project.force_https_requests = true;
    let (token, secret) = rows_for(project.id);

    store
        .create_project(Actor::Operator, &project, Some(TokenRows { token: &token, secret: &secret }), None, 1)
        .await
        .unwrap();

    assert_eq!(store.find_project(Tenant::Operator, project.id).await.unwrap(), Some(project.clone()));
    assert_eq!(store.find_token(operator(project.id), token.id).await.unwrap(), Some(token.clone()));
    assert_eq!(store.find_any_token(Tenant::Operator, token.id).await.unwrap(), Some(token.clone()));
    let holder = store.find_holder(secret.selector).await.unwrap().unwrap();
    assert_eq!((holder.secret, holder.token, holder.project), (secret.id, token.id, project.id));
    assert_eq!((holder.hash, holder.name, holder.permissions), (secret.hash, token.name, token.permissions));
    assert!(holder.check.matches(&secret.check));
    assert_eq!(holder.parent, None);
    assert_whole(&database).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_found(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let app = App::start(backend).await;
    let stranger = app.project("Stranger", None).await;
    let selector = Selector::from_bytes(&[0; 6]).unwrap();
    let change = TokenChange { name: Some(name("x")), permissions: None };

    assert_eq!(app.store.find_project(Tenant::Operator, nobody()).await.unwrap(), None);
    assert_eq!(app.store.find_any_token(Tenant::Operator, no_token()).await.unwrap(), None);
    assert!(app.store.find_holder(selector).await.unwrap().is_none());
    assert!(!app.store.replace_hash(SystemEntropy.uuid().into(), "old", "new", None).await.unwrap());
    for (project, id) in
        [(app.root.id, no_token()), (app.root.id, token_id(&stranger)), (nobody(), token_id(&app.root))]
    {
        assert_eq!(app.store.find_token(operator(project), id).await.unwrap(), None);
        let updated = app.store.update_token(operator(project), id, &change, NOW).await;
        assert!(matches!(updated, Err(Error::TokenNotFound)), "{updated:?}");
        let deleted = app.store.delete_token(operator(project), id).await;
        assert!(matches!(deleted, Err(Error::TokenNotFound)), "{deleted:?}");
    }
    assert_whole(&app.database).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_root_finds_its_subprojects_tokens_and_nobody_else_does(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let child = app.subproject("Child").await;
    let sibling = app.subproject("Sibling").await;
    let finds =
        async |project: ProjectId, id: TokenId| app.store.find_token(operator(project), id).await.unwrap().is_some();

    assert!(finds(app.root.id, token_id(&child)).await);
    assert!(finds(child.id, token_id(&child)).await);
    assert!(!finds(sibling.id, token_id(&child)).await);
    assert!(!finds(child.id, token_id(&app.root)).await);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_subproject_needs_a_parent_that_is_a_root(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let app = App::start(backend).await;
    let child = app.subproject("Child").await;
    let before = app.database.rows().await;

    assert!(matches!(
        app.store.create_project(Actor::Operator, &row(Some(nobody())), None, None, 1).await,
        Err(Error::ProjectNotFound)
    ));
    assert!(matches!(
        app.store.create_project(Actor::Operator, &row(Some(child.id)), None, None, 1).await,
        Err(Error::NestedSubproject)
    ));

    assert_eq!(app.database.rows().await, before);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_taken_selector_is_said_and_nothing_of_the_second_token_stays(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let (first, secret) = rows_for(app.root.id);
    app.store.insert_token(Actor::Operator, TokenRows { token: &first, secret: &secret }, 10, unheard()).await.unwrap();
    let before = app.database.rows().await;
    let (second, mut other) = rows_for(app.root.id);
    other.selector = secret.selector;
    let rows = TokenRows { token: &second, secret: &other };

    assert!(matches!(app.store.insert_token(Actor::Operator, rows, 10, unheard()).await, Err(Error::SelectorTaken)));
    let project = row(None);
    let in_new_project = Token { project: project.id, ..second.clone() };
    let rows = TokenRows { token: &in_new_project, secret: &other };
    assert!(matches!(
        app.store.create_project(Actor::Operator, &project, Some(rows), None, 1).await,
        Err(Error::SelectorTaken)
    ));

    assert_eq!(app.database.rows().await, before);
    assert_whole(&app.database).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_bootstrapped_once_also_by_two_at_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = Database::migrated(backend).await;
    let store = database.open(catalogue());
    assert!(store.is_empty().await.unwrap());

    let booting: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let project = row(None);
                let (token, secret) = rows_for(project.id);
                store.bootstrap(&project, TokenRows { token: &token, secret: &secret }).await.unwrap()
            })
        })
        .collect();
    let mut made = 0;
    for task in booting {
        made += usize::from(task.await.unwrap());
    }

    assert_eq!(made, 1);
    assert!(!store.is_empty().await.unwrap());
    assert_eq!(database.count("select count(*) from projects").await, 1);
    assert_whole(&database).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_project_holds_its_limit_and_not_one_more(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let app = App::start_with(backend, Options { tokens_per_project: 3, ..Options::default() }).await;
    let second = issue(&app.service, app.root.id, "second").await;
    issue(&app.service, app.root.id, "third").await;

    let refused = app.service.issue(operator(app.root.id), super::new_token("fourth")).await;

    assert!(matches!(refused, Err(Error::TokenLimitReached { limit: 3 })), "{refused:?}");
    app.service.revoke(operator(app.root.id), second.token.id).await.unwrap();
    issue(&app.service, app.root.id, "fourth").await;
    let nobodys = app.service.issue(operator(nobody()), super::new_token("x")).await;
    assert!(matches!(nobodys, Err(Error::ProjectNotFound)));
    assert_whole(&app.database).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_update_changes_what_it_names_and_a_change_of_nothing_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let token = issue(&app.service, app.root.id, "before").await.token;
    let reach = operator(app.root.id);
    app.clock.advance(60);

    let unchanged = app.service.update_token(reach, token.id, &TokenChange::default()).await.unwrap();
    assert_eq!(unchanged, token);

    let change = TokenChange { name: Some(name("after")), permissions: None };
    let renamed = app.service.update_token(reach, token.id, &change).await.unwrap();
    assert_eq!((renamed.name.as_str(), &renamed.permissions), ("after", &token.permissions));
    assert!(renamed.updated_at > token.updated_at);
    assert_eq!(renamed.created_at, token.created_at);

    let change = TokenChange { name: None, permissions: Some(catalogue().parse(["fax", "calling"]).unwrap()) };
    let widened = app.service.update_token(reach, token.id, &change).await.unwrap();
    assert_eq!(widened.permissions.iter().collect::<Vec<_>>(), ["calling", "fax"]);
    assert_eq!(widened.name.as_str(), "after");
    assert_eq!(app.store.find_any_token(Tenant::Operator, token.id).await.unwrap(), Some(widened));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_token_is_gone_with_its_secret(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let app = App::start(backend).await;
    let issued = issue(&app.service, app.root.id, "doomed").await;
    let reach = operator(app.root.id);

    app.service.revoke(reach, issued.token.id).await.unwrap();

    assert!(matches!(app.service.revoke(reach, issued.token.id).await, Err(Error::TokenNotFound)));
    assert!(app.store.find_holder(issued.secret.selector()).await.unwrap().is_none());
    assert_eq!(app.store.find_any_token(Tenant::Operator, issued.token.id).await.unwrap(), None);
    assert_whole(&app.database).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_hash_is_replaced_only_in_the_place_of_the_one_it_was_made_from(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let selector = credential(&app.root).secret.selector();
    let holder = app.store.find_holder(selector).await.unwrap().unwrap();

    assert!(!app.store.replace_hash(holder.secret, "another", "new", None).await.unwrap());
    assert!(app.store.replace_hash(holder.secret, &holder.hash, "new", None).await.unwrap());
    assert!(!app.store.replace_hash(holder.secret, &holder.hash, "newer", None).await.unwrap());

    assert_eq!(app.store.find_holder(selector).await.unwrap().unwrap().hash, "new");

    app.service.revoke(operator(app.root.id), token_id(&app.root)).await.unwrap();
    assert!(!app.store.replace_hash(holder.secret, "new", "revived", None).await.unwrap());
    let proof = made(holder.secret, "new", &Proof::new([1; 8], [2; 32]));
    assert_eq!(app.store.keep_proofs(&[proof]).await.unwrap(), 0);
    assert!(app.store.find_holder(selector).await.unwrap().is_none());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_stands_only_beside_the_hash_that_it_was_made_for(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let selector = credential(&app.root).secret.selector();
    let proof_of = async || app.store.find_holder(selector).await.unwrap().unwrap().proof;
    let holder = app.store.find_holder(selector).await.unwrap().unwrap();
    let (one, two) = (Proof::new([1; 8], [2; 32]), Proof::new([3; 8], [4; 32]));
    assert!(holder.proof.is_some());

    let (another, right) = (made(holder.secret, "another", &one), made(holder.secret, &holder.hash, &one));
    assert_eq!(app.store.keep_proofs(&[]).await.unwrap(), 0);
    assert_eq!(app.store.keep_proofs(slice::from_ref(&another)).await.unwrap(), 0);
    assert_eq!(proof_of().await, holder.proof);
    assert_eq!(app.store.keep_proofs(&[another, right]).await.unwrap(), 1);
    assert_eq!(proof_of().await, Some(one));
    assert!(app.store.replace_hash(holder.secret, &holder.hash, "new", Some(&two)).await.unwrap());
    assert_eq!(proof_of().await, Some(two));

    // As the version before does it, which knows of no proofs.
    app.database.execute("update token_secrets set hash = 'newer' where hash = 'new'").await;
    assert_eq!(proof_of().await, None);
    assert!(app.store.replace_hash(holder.secret, "newer", "newest", None).await.unwrap());
    assert_eq!(proof_of().await, None);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_left_the_catalogue_is_kept_and_satisfies_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let token = issue(&app.service, app.root.id, "chatty").await.token;
    let smaller = app.database.open(Catalogue::new(["calling".to_owned()]).unwrap());

    let permissions: Permissions =
        smaller.find_any_token(Tenant::Operator, token.id).await.unwrap().unwrap().permissions;
    assert_eq!(permissions.iter().collect::<Vec<_>>(), ["chat"]);
    assert!(!permissions.may("chat"));

    let change = TokenChange { name: Some(name("renamed")), permissions: None };
    smaller.update_token(operator(app.root.id), token.id, &change, NOW).await.unwrap();
    let back: Permissions = app.store.find_any_token(Tenant::Operator, token.id).await.unwrap().unwrap().permissions;
    assert!(back.may("chat"), "it was kept for the day when the name comes back");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_is_dead_or_has_lost_its_permission_writes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let victim = issue(&app.service, app.root.id, "victim").await.token;
    let caller = app.service.authenticate(&credential(&app.root), "management").await.unwrap();
    let reach = app.service.reach(&caller, app.root.id).await.unwrap();
    let change = TokenChange { name: Some(name("x")), permissions: None };

    let weaker = TokenChange { name: None, permissions: Some(catalogue().parse(["chat"]).unwrap()) };
    app.service.update_token(operator(app.root.id), token_id(&app.root), &weaker).await.unwrap();
    let before = app.database.rows().await;
    let lost =
        |result: Result<(), Error>| assert!(matches!(result, Err(Error::PermissionMissing { .. })), "{result:?}");
    lost(app.service.issue(reach, super::new_token("late")).await.map(drop));
    lost(app.service.update_token(reach, victim.id, &change).await.map(drop));
    lost(app.service.update_token(reach, victim.id, &TokenChange::default()).await.map(drop));
    lost(app.service.revoke(reach, victim.id).await);
    lost(app.service.revoke(reach, no_token()).await);
    assert_eq!(app.database.rows().await, before);

    app.service.revoke(operator(app.root.id), token_id(&app.root)).await.unwrap();
    let before = app.database.rows().await;
    let dead = |result: Result<(), Error>| assert!(matches!(result, Err(Error::Unauthenticated)), "{result:?}");
    dead(app.service.issue(reach, super::new_token("late")).await.map(drop));
    dead(app.service.update_token(reach, victim.id, &change).await.map(drop));
    dead(app.service.revoke(reach, victim.id).await);
    dead(app.service.revoke(reach, no_token()).await);
    assert_eq!(app.database.rows().await, before);
    assert_whole(&app.database).await;
}

#[test]
fn a_hint_is_all_that_is_shown_of_a_selector() {
    let selector = Selector::from_bytes(&[0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc]).unwrap();

    let hint: Hint = selector.hint();

    assert_eq!(hint.as_str(), "PT12345678");
    assert!(!format!("{selector:?}").contains("9a"));
}
