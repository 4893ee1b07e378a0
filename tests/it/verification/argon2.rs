//! argon2 runs where nothing else can tell, once, and nobody can make it run over and over.

use std::{sync::Arc, time::Duration};

use rstest::rstest;
use tokensmith::{
    domain::Credential,
    error::Error,
    service::{Cost, Keys},
};

use super::{impostor, issue, lucky_impostor, restarted, service};
use crate::support::{App, Backend};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_without_a_proof_runs_argon2_once_and_every_project_is_compared_each_time(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let child = app.subproject("Child").await;
    let (_, right) = issue(&app.service, app.root.id, &["chat"]).await;
    let alone = Credential { project: None, ..right.clone() };
    let foreign = Credential { project: Some(child.id), ..right.clone() };
    let (service, hasher) = restarted(&app, Keys::default());

    assert!(matches!(service.verify(&foreign).await, Err(Error::Unauthenticated)));
    assert_eq!(hasher.verified(), 0, "the project comes before argon2");
    for _ in 0..20 {
        assert_eq!(service.verify(&right).await.unwrap().project, app.root.id);
        assert_eq!(service.verify(&alone).await.unwrap().project, app.root.id);
        assert!(matches!(service.verify(&foreign).await, Err(Error::Unauthenticated)));
    }
    assert_eq!(hasher.verified(), 1);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn unknown_and_wrong_secrets_run_none(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let app = App::start(backend).await;
    let (issued, right) = issue(&app.service, app.root.id, &["chat"]).await;
    let (service, hasher) = restarted(&app, Keys::default());

    for hot in [false, true] {
        for _ in 0..20 {
            let wrong = impostor(&issued.secret);
            if !wrong.check().matches(&issued.secret.check()) {
                let wrong = Credential { secret: wrong, ..right.clone() };
                assert!(matches!(service.verify(&wrong).await, Err(Error::Unauthenticated)));
            }
            let unknown = Credential {
                secret: tokensmith::domain::Secret::generate(&tokensmith::entropy::SystemEntropy),
                ..right.clone()
            };
            assert!(matches!(service.verify(&unknown).await, Err(Error::Unauthenticated)));
        }
        assert_eq!(hasher.verified(), u64::from(hot));
        service.verify(&right).await.unwrap();
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_that_passes_the_check_is_refused_once_by_argon2_and_then_from_memory(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let (issued, right) = issue(&app.service, app.root.id, &["chat"]).await;
    let wrong = Credential { secret: lucky_impostor(&issued.secret), ..right.clone() };
    let another = Credential { secret: lucky_impostor(&issued.secret), ..right.clone() };
    let (service, hasher) = restarted(&app, Keys::default());

    for _ in 0..20 {
        assert!(matches!(service.verify(&wrong).await, Err(Error::Unauthenticated)));
    }
    assert_eq!(hasher.verified(), 1, "replayed");
    // Whether this one is right, only argon2 could tell, and it pauses: so nobody says that it is wrong.
    for cold in [&another, &right] {
        assert!(matches!(service.verify(cold).await, Err(Error::Overloaded)));
    }
    assert_eq!(hasher.verified(), 1);

    tokio::time::sleep(Duration::from_millis(1100)).await;
    service.verify(&right).await.unwrap();
    for _ in 0..20 {
        assert!(matches!(service.verify(&wrong).await, Err(Error::Unauthenticated)));
        service.verify(&right).await.unwrap();
    }
    assert_eq!(hasher.verified(), 2, "a stranger slows nobody who is known");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn many_who_ask_the_same_at_once_share_one_run(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let app = App::start(backend).await;
    let slow = Cost { memory_kib: 8192, iterations: 4, parallelism: 1 };
    let (slowly, _) = service(app.store.clone(), &app, Keys::default(), slow);
    let (issued, right) = issue(&slowly, app.root.id, &["chat"]).await;
    let wrong = Credential { secret: lucky_impostor(&issued.secret), ..right.clone() };
    let (service, hasher) = restarted(&app, Keys::default());
    let service = Arc::new(service);

    for (credential, runs) in [(&right, 1), (&wrong, 2)] {
        let asking: Vec<_> = (0..50)
            .map(|_| {
                let (service, credential) = (service.clone(), credential.clone());
                tokio::spawn(async move { service.verify(&credential).await.is_ok() })
            })
            .collect();
        for task in asking {
            assert_eq!(task.await.unwrap(), runs == 1);
        }
        assert!(hasher.verified() <= runs, "{} runs", hasher.verified());
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_lucky_impostors_of_one_token_leaves_argon2_to_others(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let slow = Cost { memory_kib: 32 * 1024, iterations: 4, parallelism: 1 };
    let (slowly, hasher) = service(app.store.clone(), &app, Keys::default(), slow);
    let (issued, right) = issue(&slowly, app.root.id, &["chat"]).await;
    let impostors: Vec<_> = (0..8).map(|_| lucky_impostor(&issued.secret)).collect();
    let slowly = Arc::new(slowly);

    let asking: Vec<_> = impostors
        .into_iter()
        .map(|secret| {
            let (service, credential) = (slowly.clone(), Credential { secret, ..right.clone() });
            tokio::spawn(async move { service.verify(&credential).await })
        })
        .collect();
    let mut told = Vec::new();
    for task in asking {
        told.push(task.await.unwrap().map(|_| ()));
    }

    assert!(told.iter().all(|told| matches!(told, Err(Error::Unauthenticated | Error::Overloaded))), "{told:?}");
    assert!(hasher.verified() <= 2, "{} runs", hasher.verified());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn hanging_up_makes_argon2_run_no_second_time(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let app = App::start(backend).await;
    let slow = Cost { memory_kib: 32 * 1024, iterations: 4, parallelism: 1 };
    let (slowly, hasher) = service(app.store.clone(), &app, Keys::default(), slow);
    let (issued, right) = issue(&slowly, app.root.id, &["chat"]).await;
    let wrong = Credential { secret: lucky_impostor(&issued.secret), ..right };
    let slowly = Arc::new(slowly);

    for _ in 0..10 {
        let (service, credential) = (slowly.clone(), wrong.clone());
        let asking = tokio::spawn(async move { service.verify(&credential).await.is_ok() });
        tokio::time::sleep(Duration::from_millis(20)).await;
        asking.abort();
    }

    assert!(matches!(slowly.verify(&wrong).await, Err(Error::Unauthenticated)));
    assert_eq!(hasher.verified(), 1);
}

#[rstest]
// Each is one more than is ever spent on one hash.
#[case::memory("m=262145,t=1,p=1")]
#[case::iterations("m=64,t=17,p=1")]
#[case::lanes("m=256,t=1,p=17")]
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_asks_for_too_much_argon2_is_not_computed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[case] asked: &str,
) {
    let app = App::start(backend).await;
    let (issued, right) = issue(&app.service, app.root.id, &["chat"]).await;
    let holder = app.store.find_holder(issued.secret.selector()).await.unwrap().unwrap();
    // The hash of that very cost, so that only the cap can refuse it.
    let costly = {
        let (memory, rest) = asked[2..].split_once(",t=").unwrap();
        let (iterations, lanes) = rest.split_once(",p=").unwrap();
        let params =
            argon2::Params::new(memory.parse().unwrap(), iterations.parse().unwrap(), lanes.parse().unwrap(), None);
        let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params.unwrap());
        let (salt, mut hash) = ([7; 16], [0; 32]);
        argon2.hash_password_into(issued.secret.reveal().as_bytes(), &salt, &mut hash).unwrap();
        let encode = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD_NO_PAD, bytes);
        format!("$argon2id$v=19${asked}${}${}", encode(&salt), encode(&hash))
    };
    assert!(app.store.replace_hash(holder.secret, &holder.hash, &costly, None).await.unwrap());
    let (service, _) = restarted(&app, Keys::default());

    let told = service.verify(&right).await;

    assert!(matches!(told, Err(Error::Internal(_))), "{told:?}");
}
