//! Tests: whose job is next.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Waker},
};

use super::{Cost, Hasher, Job};
use crate::{
    domain::{SecretText, Tenant},
    entropy::{Entropy, SystemEntropy},
    error::Error,
};

/// One that runs nothing by itself.
fn without_slots(queue: usize) -> Hasher {
    let cheap = Cost { memory_kib: 64, iterations: 1, parallelism: 1 };
    Hasher::start(cheap, 0, queue, Arc::new(SystemEntropy)).unwrap()
}

type Issuing<'h> = Pin<Box<dyn Future<Output = Result<String, Error>> + 'h>>;

/// Has asked for a hash, and been refused or not.
fn issue(hasher: &Hasher, tenant: Tenant) -> Result<Issuing<'_>, Error> {
    let mut issuing: Issuing<'_> = Box::pin(hasher.hash(tenant, SecretText::new("x".to_owned())));
    match issuing.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        std::task::Poll::Pending => Ok(issuing),
        std::task::Poll::Ready(told) => Err(told.expect_err("nothing runs")),
    }
}

fn next(hasher: &Hasher) -> Option<Tenant> {
    match hasher.shared.work().next()? {
        Job::Hash { tenant, .. } => Some(tenant),
        Job::Verify { .. } => None,
    }
}

#[tokio::test]
async fn issuing_takes_turns_by_tenant_however_many_of_one_wait() {
    let hasher = without_slots(4);
    let [busy, other] = [(); 2].map(|()| Tenant::Root(SystemEntropy.uuid().into()));
    let _waiting = [(); 4].map(|()| issue(&hasher, busy).unwrap());

    assert!(matches!(issue(&hasher, busy), Err(Error::Overloaded)));
    let _mine = issue(&hasher, other).unwrap();
    let _ours = issue(&hasher, Tenant::Operator).unwrap();

    let order: Vec<_> = std::iter::from_fn(|| next(&hasher)).collect();
    assert_eq!(order, [busy, other, Tenant::Operator, busy, busy, busy]);
}

#[tokio::test]
async fn whoever_hangs_up_makes_room_for_its_tenant() {
    let hasher = without_slots(1);
    let busy = Tenant::Root(SystemEntropy.uuid().into());
    let gone = issue(&hasher, busy).unwrap();
    assert!(issue(&hasher, busy).is_err());

    drop(gone);

    let _stays = issue(&hasher, busy).unwrap();
    assert_eq!(next(&hasher), Some(busy));
    assert_eq!(next(&hasher), None);
}

#[tokio::test]
async fn a_verification_goes_before_the_issuing_of_all_tenants() {
    let hasher = without_slots(4);
    let _issuing = [(); 3].map(|()| issue(&hasher, Tenant::Operator).unwrap());
    let mut verifying = pin!(hasher.verify(SecretText::new("x".to_owned()), String::new()));
    assert!(verifying.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());

    assert!(matches!(hasher.shared.work().next(), Some(Job::Verify { .. })));
    assert_eq!(next(&hasher), Some(Tenant::Operator));
}
