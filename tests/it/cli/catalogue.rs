//! The catalogue of permissions: a command judges by that of the server, and never by another in silence.

use rstest::rstest;

use crate::support::{Backend, Binary, Operator, run, run_with};

const SET: [&str; 2] = ["--set", "permissions.catalogue=swim,run"];

fn served(operator: &Operator, catalogue: &str) -> Vec<String> {
    let mut command = operator.command(&["serve"]);
    command.args(["--set", &format!("permissions.catalogue={catalogue}")]);
    Binary::serve(command).stop().1
}

fn warnings(log: &[String]) -> Vec<&String> {
    log.iter().filter(|line| line.contains("had another permissions.catalogue")).collect()
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_command_judges_by_the_catalogue_of_the_server(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::new(backend).await;
    served(&operator, "swim,run");
    let project = operator.project("Acme").id.to_string();
    let create = |permission| ["token", "create", "--project", &project, "--name", "x", "-p", permission, "--json"];

    let issued = operator.run(&create("run,swim")).json();
    let unknown = operator.run(&create("chat")).refused();
    let secret = issued["token"].as_str().unwrap();
    let verify = |arguments: &[&str]| operator.run_with(&[&["token", "verify"], arguments].concat(), secret);

    assert_eq!(issued["permissions"], serde_json::json!(["swim", "run"]));
    assert_eq!(
        unknown,
        "error: permissions contains the unknown permission \"chat\"; allowed are swim, run, management, introspection \
         (from the database, as the last 'tokensmith serve' wrote them)\n"
    );
    verify(&["-p", "swim"]).done();
    let complaint = verify(&["-p", "chat"]).refused();
    assert!(complaint.contains("\"chat\", which is unknown; allowed are swim, run,"), "{complaint}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_command_with_another_catalogue_judges_no_permission(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::new(backend).await;
    served(&operator, "fly");
    let project = operator.project("Acme");
    let id = project.id.to_string();
    let told = "error: the command line: permissions.catalogue lists swim, run, management, introspection, but the servers on \
                this database list fly, management, introspection; remove it from this configuration, or start 'tokensmith \
                serve' with it\n";

    let create = ["token", "create", "--project", &id, "--name", "x", "-p", "swim"];
    let update = ["token", "update", &project.token_id, "-p", "swim"];
    assert_eq!(operator.run(&[&create[..], &SET].concat()).misused(), told);
    assert_eq!(operator.run(&[&update[..], &SET].concat()).misused(), told);
    let mut verify = operator.command(&[&["token", "verify", "-p", "swim"][..], &SET].concat());
    assert_eq!(run_with(&mut verify, project.secret.as_bytes()).misused(), told);

    // The same names in another order are the same; and what judges no permission goes on.
    let same = ["--set", "permissions.catalogue=introspection,fly,management"];
    operator.run(&[&["token", "update", &project.token_id, "-p", "fly,management"][..], &same].concat()).done();
    operator.run(&[&["token", "update", &project.token_id, "--name", "y"][..], &SET].concat()).done();
    operator.run(&[&["token", "revoke", &project.token_id][..], &SET].concat()).done();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_last_server_to_start_wins_and_warns_once(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::new(backend).await;

    let first = served(&operator, "swim,run");
    let other = served(&operator, "run,fly");
    let again = served(&operator, "fly,run");

    assert_eq!((warnings(&first).len(), warnings(&again).len()), (0, 0));
    let [warning] = warnings(&other)[..] else { panic!("{other:#?}") };
    assert!(warning.contains(r#""added":"fly""#) && warning.contains(r#""removed":"swim""#), "{warning}");
    let project = operator.project("Acme").id.to_string();
    operator.run(&["token", "create", "--project", &project, "--name", "x", "-p", "fly"]).done();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_long_catalogue_an_error_lists_the_first_twenty() {
    let operator = Operator::migrated(Backend::Sqlite).await;
    let project = operator.project("Acme").id.to_string();
    let names: Vec<String> = (10..40).map(|number| format!("p{number}")).collect();
    std::fs::write(operator.database.path().with_file_name("t.toml"), format!("permissions.catalogue = {names:?}"))
        .unwrap();

    let mut command = operator.command(&["token", "create", "--project", &project, "--name", "x", "-p", "swim"]);
    command.arg("--config").arg(operator.database.path().with_file_name("t.toml"));
    let complaint = run(&mut command).refused();

    assert!(complaint.contains("allowed are p10, p11,"), "{complaint}");
    assert!(complaint.contains("p29 and 12 more (from permissions.catalogue in "), "{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_catalogue_is_refused_until_a_server_writes_it() {
    let operator = Operator::new(Backend::Sqlite).await;
    served(&operator, "swim");
    operator.database.execute("update settings set value = 'Swim swim'").await;

    let complaint = operator.run(&["project", "list"]).refused();
    served(&operator, "swim");
    operator.run(&["project", "list"]).done();

    assert!(complaint.contains("a list of permissions that cannot be read; start 'tokensmith serve'"), "{complaint}");
}
