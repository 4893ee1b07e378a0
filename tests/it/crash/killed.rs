//! The process is killed with SIGKILL while clients write, and started again on what it left.

use std::time::Duration;

use rstest::rstest;

use super::{
    Dice, assert_no_panic,
    ledger::{self, Load, Server},
    place::Place,
    until,
};
use crate::support::{Backend, Database};

const ROUNDS: usize = 20;
const CLIENTS: usize = 4;

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn after_every_kill_all_that_was_answered_is_there_and_nothing_by_half(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut dice = Dice::new();
    let database = Database::bare(backend).await;
    let place = Place::new(database.url()).await;
    let mut ledgers = ledger::ledgers(CLIENTS);

    for _ in 0..ROUNDS {
        let server = place.serve();
        ledger::verify(&mut ledgers, &place, &server.url("")).await;

        let load = Load::start(ledgers, &place, &server.url(""), Server::MayDie, &mut dice);
        until("the clients are at work", Duration::from_secs(20), async || load.done() >= 8).await;
        tokio::time::sleep(dice.moment(Duration::from_millis(200))).await;
        assert_no_panic(&server.kill());

        ledgers = load.join().await;
    }

    let server = place.serve();
    ledger::verify_all(&mut ledgers, &place, &server.url("")).await;
    for kind in ["issued", "updated", "deleted", "unanswered"] {
        let count = ledger::count(&ledgers, kind);
        println!("{kind}: {count}");
        assert!(count > 0, "none was {kind}");
    }
}
