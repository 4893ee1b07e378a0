//! Postgres stops, breaks or freezes under load, and comes back: clients are told 503 only where nothing was written,
//! and nobody has to start anything again.

use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use rstest::rstest;

use super::{
    Dice, assert_no_panic,
    ledger::{self, Ledger, Load, Server},
    place::Place,
    until,
};
use crate::support::{Binary, Cluster};

const CLIENTS: usize = 4;

/// How long after Postgres the service may come back.
const BACK_WITHIN: Duration = Duration::from_secs(10);

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_was_stopped_under_load_costs_no_answered_write(#[values("immediate", "fast")] mode: &str) {
    let mut cluster = Cluster::start_durable();
    let outage = Outage::begin(&cluster.url).await;

    cluster.pg_ctl(&format!("stop -m {mode}"));
    outage.is_told().await;
    cluster.pg_ctl("start");

    outage.ends_by_itself().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_answers_nothing_is_given_up_in_time() {
    let mut cluster = Cluster::start_durable();
    let outage = Outage::begin(&cluster.url).await;

    cluster.freeze();
    outage.is_told().await;
    outage.is_told().await;
    cluster.thaw();

    outage.ends_by_itself().await;
}

/// A server, clients that write, and a Postgres that goes away meanwhile.
struct Outage {
    place: Place,
    server: Binary,
    client: Client,
    load: Load,
}

impl Outage {
    async fn begin(url: &str) -> Self {
        let mut dice = Dice::new();
        let place = Place::new(url.to_owned()).await;
        let server = place.serve();
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        let ledgers = ledger::ledgers(CLIENTS);
        let load = Load::start(ledgers, &place, &server.url(""), Server::AnswersAlways, &mut dice);
        let outage = Self { place, server, client, load };
        outage.writes_go_on().await;
        outage
    }

    /// Health says that the process lives and cannot work.
    async fn is_told(&self) {
        until("/readyz answers 503", Duration::from_secs(5), async || {
            let began = Instant::now();
            let status = self.get("/readyz").await;
            assert!(began.elapsed() < Duration::from_secs(4), "/readyz after {:?}", began.elapsed());
            status == StatusCode::SERVICE_UNAVAILABLE
        })
        .await;
        assert_eq!(self.get("/livez").await, StatusCode::OK);
    }

    /// It is ready again, all clients go on, and what they were told is true.
    async fn ends_by_itself(self) {
        until("/readyz answers 200", BACK_WITHIN, async || self.get("/readyz").await == StatusCode::OK).await;
        self.writes_go_on().await;

        let mut ledgers = self.load.stop().await;

        ledger::verify_all(&mut ledgers, &self.place, &self.server.url("")).await;
        println!("{:?}", ledgers.iter().map(|ledger| &ledger.counts).collect::<Vec<_>>());
        assert!(failures(&ledgers) > 0, "no client noticed anything");
        assert_no_panic(&self.server.stop().1);
    }

    async fn writes_go_on(&self) {
        let done = self.load.done();
        until("writes are done", BACK_WITHIN, async || self.load.done() >= done + 40).await;
    }

    async fn get(&self, path: &str) -> StatusCode {
        self.client.get(self.server.url(path)).send().await.unwrap().status()
    }
}

fn failures(ledgers: &[Ledger]) -> u64 {
    ledger::count(ledgers, "503") + ledger::count(ledgers, "500")
}
