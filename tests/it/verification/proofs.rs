//! Proofs: what a restart, a lost key, a rotated key and a mixed fleet cost.

use std::time::{Duration, Instant};

use rstest::rstest;
use tokensmith::{
    domain::{Credential, Proof, Selector},
    error::Error,
    service::{Cost, Key, Keys},
    store::SETTLED_AFTER,
};

use super::{issue, lucky_impostor, restarted, service};
use crate::support::{App, Backend};

/// The one that the app has.
const FIRST: u8 = 7;
const SECOND: u8 = 8;

fn keys(current: Option<u8>, previous: &[u8]) -> Keys {
    let key = |n: u8| Key::new([n; 32]);
    Keys::new(current.map(key), previous.iter().copied().map(key).collect())
}

/// Waits until the proof is another one than it was.
async fn proven_anew(app: &App, selector: Selector, old: Option<Proof>) -> Proof {
    let began = Instant::now();
    loop {
        let proof = app.store.find_holder(selector).await.unwrap().unwrap().proof;
        if let Some(proof) = proof
            && Some(proof) != old
        {
            return proof;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "no new proof");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn proof_of(app: &App, credential: &Credential) -> Option<Proof> {
    app.store.find_holder(credential.secret.selector()).await.unwrap().unwrap().proof
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_with_the_same_key_runs_no_argon2(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let app = App::start(backend).await;
    let (issued, right) = issue(&app.service, app.root.id, &["chat"]).await;
    let wrong = Credential { secret: lucky_impostor(&issued.secret), ..right.clone() };
    let (service, hasher) = restarted(&app, keys(Some(FIRST), &[]));

    // The proof decides both ways, also for what passes the check.
    for _ in 0..5 {
        assert!(matches!(service.verify(&wrong).await, Err(Error::Unauthenticated)));
        service.verify(&right).await.unwrap();
    }
    assert_eq!(hasher.verified(), 0);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_key_costs_one_run_for_each_secret_and_a_new_one_proves_it_anew(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let (_, right) = issue(&app.service, app.root.id, &["chat"]).await;
    let selector = right.secret.selector();
    let old = proof_of(&app, &right).await;
    assert!(old.is_some());

    let (without, hasher) = restarted(&app, Keys::default());
    without.verify(&right).await.unwrap();
    assert_eq!(hasher.verified(), 1);
    assert_eq!(proof_of(&app, &right).await, old, "who has no key leaves the others' proofs alone");

    let (with_another, hasher) = restarted(&app, keys(Some(SECOND), &[]));
    with_another.verify(&right).await.unwrap();
    assert_eq!(hasher.verified(), 1);
    proven_anew(&app, selector, old).await;

    let (again, hasher) = restarted(&app, keys(Some(SECOND), &[]));
    again.verify(&right).await.unwrap();
    assert_eq!(hasher.verified(), 0);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_costs_nothing_while_the_previous_one_is_known(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let (_, right) = issue(&app.service, app.root.id, &["chat"]).await;
    let old = proof_of(&app, &right).await;

    let (rotated, hasher) = restarted(&app, keys(Some(SECOND), &[FIRST]));
    rotated.verify(&right).await.unwrap();
    let new = proven_anew(&app, right.secret.selector(), old).await;
    assert_eq!(hasher.verified(), 0);

    // From then on the previous one may go.
    let (later, hasher) = restarted(&app, keys(Some(SECOND), &[]));
    later.verify(&right).await.unwrap();
    assert_eq!(hasher.verified(), 0);
    assert_eq!(proof_of(&app, &right).await, Some(new));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_token_issued_without_a_key_is_proven_when_it_is_first_used(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let (without, _) = restarted(&app, Keys::default());
    let (_, right) = issue(&without, app.root.id, &["chat"]).await;
    assert_eq!(proof_of(&app, &right).await, None);

    app.service.verify(&right).await.unwrap();

    proven_anew(&app, right.secret.selector(), None).await;
    let (after, hasher) = restarted(&app, keys(Some(FIRST), &[]));
    after.verify(&right).await.unwrap();
    assert_eq!(hasher.verified(), 0);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_hash_comes_with_a_proof_of_its_own(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let app = App::start(backend).await;
    let (_, right) = issue(&app.service, app.root.id, &["chat"]).await;
    let old = proof_of(&app, &right).await;
    let stronger = Cost { memory_kib: 128, iterations: 1, parallelism: 1 };

    let (renewing, _) = service(app.store.clone(), &app, keys(Some(FIRST), &[]), stronger);
    renewing.verify(&right).await.unwrap();
    proven_anew(&app, right.secret.selector(), old).await;

    let holder = app.store.find_holder(right.secret.selector()).await.unwrap().unwrap();
    assert!(holder.hash.contains("m=128,"), "{}", holder.hash);
    let (after, hasher) = restarted(&app, keys(Some(FIRST), &[]));
    after.verify(&right).await.unwrap();
    assert_eq!(hasher.verified(), 0);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_was_proven_against_one_hash_is_proven_again_against_another(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let (_, right) = issue(&app.service, app.root.id, &["chat"]).await;
    app.service.verify(&right).await.unwrap();

    // Of another text.
    app.database
        .execute(
            "update token_secrets set
                hash = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'",
        )
        .await;
    tokio::time::sleep(SETTLED_AFTER).await;

    assert!(matches!(app.service.verify(&right).await, Err(Error::Unauthenticated)));
}
