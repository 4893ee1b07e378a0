//! Two servers on one file.

use reqwest::{Method, StatusCode};

use super::{
    super::{
        Dice, assert_no_panic,
        ledger::{self, Load, Server},
        until,
    },
    CLIENTS, Disk, SOON,
};

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_on_one_file_keep_what_both_were_told() {
    let mut dice = Dice::new();
    let disk = Disk::new().await;
    let place = &disk.place;
    let servers = [place.serve(), place.serve()];

    let mut ledgers = ledger::ledgers(2 * CLIENTS);
    let of_the_second = ledgers.split_off(CLIENTS);
    let loads = [(ledgers, &servers[0]), (of_the_second, &servers[1])]
        .map(|(ledgers, server)| Load::start(ledgers, place, &server.url(""), Server::AnswersAlways, &mut dice));
    until("both write", SOON, async || loads.iter().all(|load| load.done() > 60)).await;
    let mut ledgers = Vec::new();
    for load in loads {
        ledgers.extend(load.stop().await);
    }

    ledger::verify_all(&mut ledgers, place, &servers[0].url("")).await;
    ledger::verify_all(&mut ledgers, place, &servers[1].url("")).await;
    assert_eq!(ledger::count(&ledgers, "500"), 0);
    for server in servers {
        assert_no_panic(&server.stop().1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_server_revokes_the_other_refuses_at_the_next_request() {
    let disk = Disk::new().await;
    let (root, one, other) = (&disk.place.root, disk.place.serve(), disk.place.serve());

    // One of them remembers, and nobody says which.
    for round in 0..20 {
        let (one, other) = if round % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let (id, secret) = one.issue(root).await;
        for _ in 0..5 {
            assert!(other.manages(root.id, &secret).await && one.manages(root.id, &secret).await);
        }

        let path = format!("/Accounts/{}/tokens/{id}", root.id);
        let revoked = one.compatibility(Method::DELETE, root, &path).send().await.unwrap();

        assert_eq!(revoked.status(), StatusCode::NO_CONTENT);
        assert!(!other.manages(root.id, &secret).await);
        assert!(!one.manages(root.id, &secret).await);
    }
}
