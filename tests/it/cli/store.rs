//! Databases that are missing, away, new or taken, and what each command makes of that.

use std::{net::TcpListener, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use rstest::rstest;
use tempfile::TempDir;

use crate::support::{Backend, Binary, Operator, Ran, catalogue, run, run_with, tokensmith};

const ID: &str = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d";

/// Every command that opens a store that must be there.
const OPENERS: [&[&str]; 10] = [
    &["project", "create", "x"],
    &["token", "create", "--project", ID, "--name", "x", "-p", "chat"],
    &["project", "list"],
    &["project", "show", ID],
    &["project", "rename", ID, "x"],
    &["project", "delete", ID, "--yes"],
    &["token", "list", "--project", ID],
    &["token", "show", ID],
    &["token", "revoke", ID],
    &["token", "verify"],
];

fn mode(path: impl AsRef<Path>) -> u32 {
    path.as_ref().metadata().unwrap().permissions().mode() & 0o777
}

#[rstest]
#[case::the_default("sqlite://data/tokensmith.db", "data/tokensmith.db")]
#[case::relative("sqlite://other.db", "other.db")]
#[case::in_no_directory("sqlite://nowhere/other.db", "nowhere/other.db")]
fn a_missing_file_is_named_and_not_made(#[case] url: &str, #[case] file: &str) {
    let directory = TempDir::new().unwrap();

    for arguments in OPENERS {
        let mut command = tokensmith(directory.path());
        let complaint = run_with(command.env("TOKENSMITH_DATABASE__URL", url).args(arguments), b"x").refused();

        let whole = directory.path().canonicalize().unwrap().join(file);
        assert!(complaint.starts_with(&format!("error: there is no database at {}. ", whole.display())), "{complaint}");
        assert!(complaint.contains("Is this the right directory?"), "{complaint}");
        assert!(complaint.contains("TOKENSMITH_DATABASE__URL=sqlite:///PATH, or --config FILE"), "{complaint}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_directory_in_the_place_of_the_file_is_refused() {
    let directory = TempDir::new().unwrap();
    let url = format!("sqlite://{}", directory.path().display());

    for arguments in [OPENERS[0], &["migrate"], &["serve", "--bind", "127.0.0.1:0"]] {
        let complaint =
            run(tokensmith(directory.path()).env("TOKENSMITH_DATABASE__URL", &url).args(arguments)).refused();

        assert!(complaint.contains(directory.path().to_str().unwrap()), "{complaint}");
    }
}

#[test]
fn what_is_no_database_is_refused() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("t.db"), "these are my recipes, not a database\n".repeat(200)).unwrap();

    for arguments in [OPENERS[0], &["migrate"], &["serve", "--bind", "127.0.0.1:0"]] {
        let mut command = tokensmith(directory.path());
        let complaint = run(command.env("TOKENSMITH_DATABASE__URL", "sqlite://t.db").args(arguments)).refused();

        assert!(complaint.contains("not a database"), "{complaint}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_a_schema_is_refused_with_the_command_that_helps(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::new(backend).await;

    for arguments in OPENERS {
        let complaint = operator.run_with(arguments, "x").refused();

        assert!(complaint.contains("'tokensmith migrate'"), "{complaint}");
    }
}

#[test]
fn migrate_and_serve_make_a_missing_file_for_its_owner_alone() {
    let directory = TempDir::new().unwrap();

    let migrated = run(tokensmith(directory.path()).arg("migrate")).done();
    let again = run(tokensmith(directory.path()).arg("migrate")).done();
    let mut served = tokensmith(directory.path());
    Binary::serve({
        served.env("TOKENSMITH_DATABASE__URL", "sqlite://served.db").arg("serve");
        served
    })
    .stop();

    let made = directory.path().canonicalize().unwrap().join("data/tokensmith.db");
    assert_eq!(migrated, format!("created {}\n{}", made.display(), all_applied()));
    assert_eq!(again, "the database is up to date\n");
    assert_eq!(mode(directory.path().join("data")), 0o700);
    assert_eq!(mode(directory.path().join("data/tokensmith.db")), 0o600);
    assert_eq!(mode(directory.path().join("served.db")), 0o600);
}

#[test]
fn the_files_beside_a_running_database_are_its_owners_alone() {
    let directory = TempDir::new().unwrap();
    let mut command = tokensmith(directory.path());
    command.arg("serve");

    let binary = Binary::serve(command);

    for entry in std::fs::read_dir(directory.path().join("data")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    binary.stop();
}

#[rstest]
#[case::of_all(0o666, 0o666)]
#[case::of_the_group(0o640, 0o640)]
#[case::of_the_owner(0o600, 0o600)]
// A mode that was mended leaves the files that are there as they were.
#[case::of_a_file_beside_it(0o600, 0o644)]
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_others_can_read_is_a_warning(#[case] mode: u32, #[case] beside: u32) {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let path = operator.database.path();
    // Another process has it open, so that the files beside it are there. SQLite mends the mode of empty ones.
    let held = operator.database.open(catalogue());
    held.ready().await.unwrap();
    operator.project("Written");
    let set = |ending: &str, mode| {
        let path = format!("{}{ending}", path.display());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let paths = [("", mode), ("-wal", beside), ("-shm", beside)].map(|(ending, mode)| (set(ending, mode), mode));

    let (_, log) = operator.serve().stop();

    for (path, mode) in paths {
        let is_said = log.iter().any(|line| {
            line.contains(&format!("\"{path}\""))
                && line.contains(&format!("{mode:04o}"))
                && line.contains("'chmod 600'")
        });
        assert_eq!(is_said, mode != 0o600, "{path}: {log:?}");
    }
    held.close().await;
}

#[rstest]
#[case(&["migrate"])]
#[case(&["serve", "--bind", "127.0.0.1:0"])]
fn no_directory_but_the_defaults_is_made(#[case] arguments: &[&str]) {
    let directory = TempDir::new().unwrap();
    let mut command = tokensmith(directory.path());

    let complaint = run(command.env("TOKENSMITH_DATABASE__URL", "sqlite://nowhere/t.db").args(arguments)).refused();

    let nowhere = directory.path().canonicalize().unwrap().join("nowhere");
    assert_eq!(
        complaint.lines().last().unwrap(),
        format!(
            "error: the directory {} of the database does not exist; make it first, for the service's user alone",
            nowhere.display()
        )
    );
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn two_that_migrate_at_once_take_turns(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::new(backend).await;

    let mut printed: Vec<String> = std::thread::scope(|scope| {
        let migrating: Vec<_> = (0..4).map(|_| scope.spawn(|| operator.run(&["migrate"]))).collect();
        migrating.into_iter().map(|ran| ran.join().unwrap().done()).collect()
    });

    printed.sort();
    let (applied, idle) = printed.split_first().unwrap();
    assert_eq!(*applied, all_applied());
    assert!(idle.iter().all(|printed| printed == "the database is up to date\n"), "{idle:?}");
}

#[test]
fn a_database_that_is_away_is_reported_soon() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    for ran in without_a_server(port, Duration::from_secs(2)) {
        let (took, complaint) = (ran.took, ran.refused());

        assert!(took < Duration::from_secs(10), "{took:?}");
        assert!(!complaint.contains("hunter2"), "{complaint}");
        assert!(
            complaint.contains("cannot be reached") || complaint.contains("start the Postgres server"),
            "{complaint}"
        );
    }
}

#[test]
fn a_database_that_says_nothing_is_reported() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for ran in without_a_server(silent.local_addr().unwrap().port(), Duration::from_millis(500)) {
        let (took, complaint) = (ran.took, ran.refused());

        assert!(took < Duration::from_secs(20), "{took:?}");
        assert!(complaint.contains("cannot be reached") || complaint.contains("did not answer"), "{complaint}");
    }
}

/// All commands at once, on a port where no Postgres answers.
fn without_a_server(port: u16, acquire_timeout: Duration) -> Vec<Ran> {
    let directory = TempDir::new().unwrap();
    let url = format!("postgres://me:hunter2@127.0.0.1:{port}/tokens");
    let others: [&[&str]; 2] = [&["migrate"], &["serve", "--bootstrap", "--bind", "127.0.0.1:0"]];
    std::thread::scope(|scope| {
        let running: Vec<_> = OPENERS
            .into_iter()
            .chain(others)
            .map(|arguments| {
                let mut command = tokensmith(directory.path());
                command.env("TOKENSMITH_DATABASE__URL", &url).args(arguments);
                command.env("TOKENSMITH_DATABASE__ACQUIRE_TIMEOUT", format!("{}ms", acquire_timeout.as_millis()));
                command.env("TOKENSMITH_LOG__LEVEL", "off").env("TOKENSMITH_SERVER__KEY", "07".repeat(32));
                scope.spawn(move || run_with(&mut command, format!("{ID}:PT{}3daf8ab3", "00".repeat(20)).as_bytes()))
            })
            .collect();
        running.into_iter().map(|ran| ran.join().unwrap()).collect()
    })
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_a_taken_port_says_so_and_bootstraps_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let first = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = first.local_addr().unwrap().to_string();
    let operator = Operator::new(backend).await;

    let complaint = operator.run(&["serve", "--bootstrap", "--bind", &address, "--set", "log.level=off"]).refused();

    assert!(complaint.starts_with(&format!("error: cannot listen on {address}: ")), "{complaint}");
    assert!(!operator.bootstrap_file().exists());
    let dump = operator.database.dump().await;
    assert!(!dump.contains("Default project"));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn healthcheck_asks_the_server_that_the_configuration_names(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::new(backend).await;
    let binary = operator.serve();
    let bind = format!("server.bind={}", binary.address);

    let healthy = operator.run(&["healthcheck", "--set", &bind]).done();
    binary.stop();
    let complaint = operator.run(&["healthcheck", "--set", &bind]).refused();

    assert_eq!(healthy, "ready\n");
    assert!(complaint.contains("/readyz does not answer that it is ready"), "{complaint}");
}

/// What `migrate` prints for an empty database.
fn all_applied() -> String {
    let migrations = tokensmith::store::migrate::sqlite_runner();
    migrations.get_migrations().iter().map(|migration| format!("applied {migration}\n")).collect()
}
