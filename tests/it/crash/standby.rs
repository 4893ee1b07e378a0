//! Postgres is a standby: it can be read, but what it says may be old, and nothing can be written.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};

use super::{assert_no_panic, place::Place, until};
use crate::support::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_503_until_it_is_promoted() {
    let mut cluster = Cluster::start_durable();
    let place = Place::new(cluster.url.clone()).await;
    let server = place.serve();
    assert!(server.manages(place.root.id, &place.root.secret).await);

    let began = Instant::now();
    cluster.pg_ctl("stop -m fast");
    cluster.make_standby();
    cluster.pg_ctl("start");

    // It answers, to those who read.
    assert!(place.tables().await.faults.is_empty());
    let ask = async |method: Method, path: &str| {
        let request = server.request(method, path).basic_auth(place.root.id, Some(&place.root.secret));
        request.send().await.unwrap().status()
    };
    let token = format!("/api/project/tokens/{}", place.root.token_id);
    for _ in 0..3 {
        assert_eq!(ask(Method::GET, "/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ask(Method::GET, "/auth").await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ask(Method::DELETE, &token).await, StatusCode::SERVICE_UNAVAILABLE);
    }
    cluster.pg_ctl("promote");
    until("it is ready", Duration::from_secs(20), async || ask(Method::GET, "/readyz").await == 200).await;

    assert_eq!(ask(Method::GET, "/auth").await, StatusCode::OK);
    assert_eq!(ask(Method::DELETE, &token).await, StatusCode::NO_CONTENT);
    let (_, log) = server.stop();
    let about = |text: &str| log.iter().filter(|line| line.contains(text)).count();
    let warned = about("this Postgres is a standby") as u64;
    assert!((1..=1 + began.elapsed().as_secs() / 60).contains(&warned), "{warned} warnings: {log:?}");
    assert_eq!(about("error returned from after_connect"), 0, "{log:?}");
    assert_no_panic(&log);
}
