//! The files that SQLite keeps beside the database, `-wal` and `-shm`, are removed or replaced while a server runs.

use std::{fs, path::PathBuf, time::Duration};

use reqwest::{Method, StatusCode};
use rstest::rstest;
use sqlx::{ConnectOptions, Connection, Executor, sqlite::SqliteConnectOptions};
use tokensmith::{
    domain::{Actor, Position, ProjectId, Reach, TokenId},
    error::Error,
    store::{SETTLED_AFTER, Store},
};

use super::{super::assert_no_panic, Disk, status};
use crate::support::{Binary, Ran, run, tokensmith};

#[derive(Clone, Copy, Debug)]
enum Loss {
    Removed,
    /// By an empty file.
    Emptied,
    /// By a file of the same content, as a copying tool leaves it.
    Copied,
}

impl Disk {
    fn beside(&self, ending: &str) -> PathBuf {
        self.directory.join(format!("tokensmith.db{ending}"))
    }

    fn lose(&self, ending: &str, loss: Loss) {
        let path = self.beside(ending);
        let content = fs::read(&path).unwrap();
        match loss {
            Loss::Removed => fs::remove_file(&path).unwrap(),
            Loss::Emptied | Loss::Copied => {
                let another = path.with_extension("another");
                fs::write(&another, if matches!(loss, Loss::Copied) { content } else { Vec::new() }).unwrap();
                fs::rename(another, path).unwrap();
            }
        }
    }

    fn operate(&self, arguments: &[&str]) -> Ran {
        run(tokensmith(&self.directory).env("TOKENSMITH_DATABASE__URL", &self.place.url).args(arguments))
    }

    /// Tokens that the server has issued and verified.
    async fn issue(&self, server: &Binary, count: usize) -> Vec<(String, String)> {
        let mut issued = Vec::new();
        for _ in 0..count {
            let (id, secret) = server.issue(&self.place.root).await;
            assert!(server.manages(self.place.root.id, &secret).await);
            issued.push((id, secret));
        }
        issued
    }

    async fn verify(&self, server: &Binary, secret: &str) -> StatusCode {
        let request = server.request(Method::GET, "/auth").basic_auth(self.place.root.id, Some(secret));
        request.send().await.unwrap().status()
    }

    /// Revokes past the program, as a tool does that knows of no claim.
    async fn revoke_by_hand(&self, ids: &[&str]) {
        let mut connection = SqliteConnectOptions::new().filename(self.file()).connect().await.unwrap();
        for id in ids {
            let id = TokenId::parse(id).unwrap().as_uuid();
            sqlx::query("delete from tokens where id = $1").bind(id).execute(&mut connection).await.unwrap();
        }
        sqlx::query("update projects set token_count = token_count - $1")
            .bind(i64::try_from(ids.len()).unwrap())
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_side_file_is_503_and_nothing_is_confirmed(
    #[values("-shm", "-wal")] ending: &str,
    #[values(Loss::Removed, Loss::Emptied, Loss::Copied)] loss: Loss,
) {
    let disk = Disk::new().await;
    let server = disk.place.serve();
    let issued = disk.issue(&server, 10).await;
    tokio::time::sleep(SETTLED_AFTER).await;

    disk.lose(ending, loss);
    for (id, _) in &issued {
        let complaint = disk.operate(&["token", "revoke", id]).refused();
        assert!(complaint.contains("restart the server"), "{complaint}");
    }

    for (_, secret) in &issued {
        assert_eq!(disk.verify(&server, secret).await, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(status(&server, "/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(status(&server, "/livez").await, StatusCode::OK);
    assert_eq!(disk.write(&server).await, StatusCode::SERVICE_UNAVAILABLE);
    let (_, log) = server.stop();
    assert_no_panic(&log);
    let said = format!("{}, which belongs to the open database", disk.beside(ending).display());
    assert!(log.iter().any(|line| line.contains(&said)), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_revoke_after_a_lost_shm_stays_revoked() {
    let disk = Disk::new().await;
    let server = disk.place.serve();
    let issued = disk.issue(&server, 10).await;

    disk.lose("-shm", Loss::Removed);
    disk.revoke_by_hand(&issued.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>()).await;
    tokio::time::sleep(SETTLED_AFTER).await;

    for (_, secret) in &issued {
        assert_eq!(disk.verify(&server, secret).await, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(disk.write(&server).await, StatusCode::SERVICE_UNAVAILABLE);
    // Its end must not undo them either.
    assert_no_panic(&server.stop().1);
    let server = disk.place.serve();
    for (_, secret) in &issued {
        assert_eq!(disk.verify(&server, secret).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(disk.written().await, 1);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_after_a_removed_side_file_loses_nothing(#[values("-shm", "-wal")] ending: &str) {
    let disk = Disk::new().await;
    let server = disk.place.serve();
    let issued = disk.issue(&server, 10).await;
    let (revoked, kept) = issued.split_at(5);
    for (id, _) in revoked {
        disk.operate(&["token", "revoke", id]).done();
    }

    disk.lose(ending, Loss::Removed);
    assert_eq!(disk.write(&server).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_no_panic(&server.stop().1);
    let server = disk.place.serve();

    for (_, secret) in revoked {
        assert_eq!(disk.verify(&server, secret).await, StatusCode::UNAUTHORIZED);
    }
    for (_, secret) in kept {
        assert_eq!(disk.verify(&server, secret).await, StatusCode::OK);
    }
    assert_eq!(disk.write(&server).await, StatusCode::OK);
    assert_eq!(disk.written().await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_beside_a_server_go_on_through_its_restarts() {
    let disk = Disk::new().await;
    for _ in 0..3 {
        let server = disk.place.serve();
        let issued = disk.issue(&server, 5).await;
        for (id, secret) in &issued {
            disk.operate(&["token", "show", id]).done();
            disk.operate(&["token", "revoke", id]).done();
            assert_eq!(disk.verify(&server, secret).await, StatusCode::UNAUTHORIZED);
            assert_eq!(status(&server, "/readyz").await, StatusCode::OK);
        }
        assert_eq!(disk.write(&server).await, StatusCode::OK);
        server.stop();
        // The last one to leave takes them away, and rightly so.
        assert!(!disk.beside("-wal").exists() && !disk.beside("-shm").exists());
        disk.operate(&["project", "list"]).done();
    }
    assert_eq!(disk.written().await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_waited_while_shm_was_replaced_is_refused() {
    let disk = Disk::new().await;
    let (_, store) = super::super::place::open(&disk.place.url).await;
    let project = disk.place.root.id;
    let id = TokenId::parse(&disk.place.root.token_id).unwrap();
    store.ready().await.unwrap();
    let mut other = SqliteConnectOptions::new().filename(disk.file()).connect().await.unwrap();
    other.execute("begin immediate").await.unwrap();

    let reach = Reach { actor: Actor::Operator, project };
    let deleting = tokio::spawn({
        let store = store.clone();
        async move { store.delete_token(reach, id).await }
    });
    // Nothing says that it waits now; where it has not begun to, it is refused all the same.
    tokio::time::sleep(Duration::from_millis(300)).await;
    disk.lose("-shm", Loss::Removed);
    other.execute("rollback").await.unwrap();
    let refused = deleting.await.unwrap();

    assert!(matches!(refused, Err(Error::StoreAway(_))), "{refused:?}");
    assert_eq!(tokens(&*store, project).await, None);
    store.close().await;
    other.close().await.unwrap();
    assert_eq!(disk.written().await, 1);
}

async fn tokens(store: &dyn Store, project: ProjectId) -> Option<usize> {
    let reach = Reach { actor: Actor::Operator, project };
    store.list_tokens(reach, None, Position::after(None), 10).await.map(|tokens| tokens.len()).ok()
}
