//! Errors that say what to do: lost secrets, missing rights, and what must not be shown.

use rstest::rstest;

use crate::support::{Backend, Binary, Database, Operator, run};

fn bootstrap(operator: &Operator) -> String {
    let (_, log) = Binary::serve(operator.command(&["serve", "--bootstrap"])).stop();
    let line = log.into_iter().find(|line| line.contains("--bootstrap does nothing")).unwrap();
    serde_json::from_str::<serde_json::Value>(&line).unwrap()["message"].as_str().unwrap().to_owned()
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_first_secret_is_replaced_by_the_command_that_is_shown(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::migrated(backend).await;
    let id = operator.project("Acme").id.to_string();
    operator.run(&["project", "create", "Child", "--parent", &id]).done();

    let message = bootstrap(&operator);
    let command = message.split("issue another: tokensmith ").nth(1).expect("a command").to_owned();
    assert_eq!(command, format!("token create --project {id} --name management -p management"));
    let issued = operator.run(&command.split(' ').chain(["--json"]).collect::<Vec<_>>()).json();
    assert_eq!(issued["permissions"], serde_json::json!(["management"]));

    operator.project("Another root");
    assert!(
        bootstrap(&operator).ends_with("tokensmith token create --project PROJECT --name management -p management")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_rights_is_told_what_to_grant() {
    let operator = Operator::migrated(Backend::Postgres).await;
    operator.project("Acme");
    let Database::Postgres(name) = &operator.database else { unreachable!() };
    let role = format!("role_{name}");
    let mut connection = operator.database.postgres().await;
    let mut execute = async |statement: String| {
        sqlx::Executor::execute(&mut connection, sqlx::AssertSqlSafe(statement)).await.unwrap();
    };
    execute(format!("create role {role} login password 'hunter2'")).await;
    execute(format!("grant connect on database {name} to {role}")).await;
    let mut url = url::Url::parse(&operator.database.url()).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("hunter2")).unwrap();

    let ran = |arguments: &[&str]| {
        let mut command = operator.command(arguments);
        run(command.env("TOKENSMITH_DATABASE__URL", url.as_str())).refused()
    };
    let listed = ran(&["project", "list"]);
    let served = ran(&["serve", "--bind", "127.0.0.1:0", "--set", "log.level=off"]);
    execute(format!("drop owned by {role}")).await;
    execute(format!("drop role {role}")).await;

    for complaint in [&listed, &served] {
        assert!(complaint.contains("permission denied for "), "{complaint}");
        assert!(complaint.contains("; grant the role of database.url what it needs"), "{complaint}");
        assert!(!complaint.contains("at line") && !complaint.contains("in a moment"), "{complaint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_database_that_is_not_there_is_named_without_a_source_line() {
    let operator = Operator::new(Backend::Postgres).await;
    let mut url = url::Url::parse(&operator.database.url()).unwrap();
    url.set_path("nowhere");

    for arguments in [&["project", "list"][..], &["migrate"]] {
        let complaint = run(operator.command(arguments).env("TOKENSMITH_DATABASE__URL", url.as_str())).refused();

        assert!(
            complaint.contains("database \"nowhere\" does not exist; make the database with 'createdb'"),
            "{complaint}"
        );
        assert!(!complaint.contains("at line"), "{complaint}");
    }
}

/// Linux only, for the sake of tests that run as root: it takes setpriv to heed modes.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_this_user_cannot_use_is_said_to_be_another_users() {
    use std::{
        fs::{Permissions, set_permissions},
        os::unix::fs::{MetadataExt, PermissionsExt},
        path::Path,
        process::Command,
    };

    let operator = Operator::migrated(Backend::Sqlite).await;
    let file = operator.database.path();
    let directory = file.parent().unwrap();
    let set_mode = |path: &Path, mode: u32| set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let heeding_modes = |arguments: &[&str]| {
        let command = operator.command(arguments);
        let is_root = directory.metadata().unwrap().uid() == 0;
        let program: &[&str] =
            if is_root { &["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"] } else { &["env"] };
        let mut whole = Command::new(program[0]);
        whole.args(&program[1..]).arg(command.get_program()).args(command.get_args());
        whole.current_dir(command.get_current_dir().unwrap());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => whole.env(key, value),
                None => whole.env_remove(key),
            };
        }
        run(&mut whole).refused()
    };

    set_mode(&file, 0o400);
    let written = heeding_modes(&["project", "create", "x"]);
    set_mode(&file, 0);
    let read = heeding_modes(&["project", "list"]);
    set_mode(&file, 0o600);
    set_mode(directory, 0);
    let hidden = heeding_modes(&["project", "list"]);
    set_mode(directory, 0o500);
    std::fs::remove_file(&file).unwrap();
    let created = heeding_modes(&["migrate"]);
    set_mode(directory, 0o700);

    assert!(
        written.starts_with(&format!("error: this user cannot write to the database {}: ", file.display())),
        "{written}"
    );
    assert!(written.contains("run the command as the user that runs the server"), "{written}");
    assert!(read.contains("this user must be able to read and write the database file"), "{read}");
    assert!(hidden.starts_with(&format!("error: cannot look at the database {}: ", file.display())), "{hidden}");
    assert!(created.starts_with(&format!("error: cannot create the database {}: ", file.display())), "{created}");
    assert!(created.contains("let this user write to the directory above it"), "{created}");
    for complaint in [&written, &read, &hidden, &created] {
        assert!(!complaint.contains("in a moment"), "{complaint}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn one_subproject_is_not_called_many(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;
    let id = operator.project("Root").id.to_string();
    operator.run(&["project", "create", "One", "--parent", &id]).done();
    let one = operator.run(&["project", "delete", &id, "--yes"]).refused();
    operator.run(&["project", "create", "Two", "--parent", &id]).done();
    let two = operator.run(&["project", "delete", &id, "--yes"]).refused();

    assert_eq!(one, "error: the project still has 1 subproject; delete it first\n");
    assert_eq!(two, "error: the project still has 2 subprojects; delete them first\n");
}
