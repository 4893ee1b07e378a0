//! `serve --bootstrap` is killed at any moment: the one secret that opens the store is never lost.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rstest::rstest;
use serde_json::Value;

use super::{Dice, place::Tables};
use crate::support::{Backend, Binary, Operator, created};

const ROUNDS: usize = 12;

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_killed_leaves_an_empty_store_or_the_secret_that_opens_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut dice = Dice::new();
    let began = Instant::now();
    serve(&Operator::new(backend).await).stop();
    let whole = began.elapsed();

    let mut left = [0; 4];
    for round in 0..ROUNDS {
        let operator = Operator::new(backend).await;
        kill_while_starting(&operator, round % 2 == 0, whole, &mut dice);
        left[check(&operator).await] += 1;
    }
    println!("nothing, a file without a project, both, and both before they were confirmed: {left:?}");
}

fn serve(operator: &Operator) -> Binary {
    Binary::serve(operator.command(&["serve", "--bootstrap"]))
}

/// Somewhere on its way or, to hit what is shortest, just after the file has come.
fn kill_while_starting(operator: &Operator, after_the_file: bool, whole: Duration, dice: &mut Dice) {
    let mut command: Command = operator.command(&["serve", "--bootstrap", "--bind", "127.0.0.1:0"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    if after_the_file {
        let deadline = Instant::now() + Duration::from_secs(20);
        while files(operator).is_empty() {
            assert!(Instant::now() < deadline, "there is no file");
            sleep(Duration::from_micros(200));
        }
        sleep(dice.moment(Duration::from_millis(8)));
    } else {
        sleep(dice.moment(whole));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// What the secret is kept in, by the name that it has before the commit or by the one that it has after it.
fn files(operator: &Operator) -> Vec<PathBuf> {
    let entries = fs::read_dir(operator.bootstrap_file().parent().unwrap()).unwrap();
    let is_ours = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("bootstrap");
    entries.map(|entry| entry.unwrap().path()).filter(is_ours).collect()
}

/// Holds what was left to the promise, starts again, and says which it was.
async fn check(operator: &Operator) -> usize {
    let file = operator.bootstrap_file();
    let is_empty = Tables::try_count_projects(&operator.database.url()).await.unwrap_or(0) == 0;
    let left = match (is_empty, file.exists(), files(operator).len()) {
        (true, false, 0) => 0,
        (true, false, _) => 1,
        (false, true, _) => 2,
        (false, false, 1) => 3,
        (true, true, _) => panic!("the file has its name, and there is no project"),
        (false, false, _) => panic!("there is a project, and nobody knows the secret of its token"),
    };
    let server = serve(operator);
    let kept: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let project = created(&kept);
    assert!(server.manages(project.id, &project.secret).await);
    left
}
