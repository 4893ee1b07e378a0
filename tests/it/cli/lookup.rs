//! Projects and tokens named by the beginning of an id, and projects by their name.

use rstest::rstest;
use tokensmith::{
    clock::Timestamp,
    domain::{Actor, Name, Project, ProjectId},
};

use crate::support::{Backend, Operator, catalogue};

/// Makes a project with an id of the test's choice.
async fn make(operator: &Operator, id: &str, name: &str) {
    let store = operator.database.open(catalogue());
    let now = Timestamp::from_micros(1_795_494_884_000_000);
    let project = Project::new(ProjectId::parse(id).unwrap(), Name::parse(name).unwrap(), None, now);
    store.create_project(Actor::Operator, &project, None, None, 1000).await.unwrap();
    store.close().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn every_command_takes_a_short_id_or_a_projects_name(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::migrated(backend).await;
    let root = operator.project("My platform");
    let id = root.id.to_string();
    let short = &id[..8];

    for named in [short, &short.to_uppercase(), &id[..13], "My platform", " My platform "] {
        assert_eq!(operator.run(&["project", "show", named, "--field", "id"]).done(), format!("{id}\n"), "{named}");
    }
    let create = ["token", "create", "--project", "My platform", "--name", "x", "-p", "chat", "--field", "id"];
    let token = operator.run(&create).done().trim_end().to_owned();
    operator.run(&["token", "list", "--project", short]).done();
    operator.run(&["project", "create", "Child", "--parent", short]).done();
    operator.run(&["project", "list", "--parent", "My platform"]).done();
    operator.run(&["project", "rename", "Child", "Heir"]).done();
    operator.run(&["project", "remove", "Heir", "--yes"]).done();
    operator.run(&["token", "show", &token[..8]]).done();
    operator.run(&["token", "update", &token[..9], "--name", "y"]).done();
    let revoked = operator.run(&["token", "delete", &token[..12].to_uppercase()]).done();

    assert!(revoked.starts_with(&format!("revoked {token} (")), "{revoked}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_could_mean_several_is_refused_and_listed(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;
    make(&operator, "0a1b2c3d-0000-4000-8000-000000000000", "One").await;
    make(&operator, "0a1b2c3d-0000-4000-8000-000000000001", "Two").await;
    make(&operator, "0a1b2c3e-0000-4000-8000-000000000000", "Same").await;
    make(&operator, "0a1b2c3f-0000-4000-8000-000000000000", "Same").await;
    // A name that looks like the beginning of another's id.
    make(&operator, "1a1b2c3d-0000-4000-8000-000000000000", "0a1b2c3e").await;

    let begun = operator.run(&["project", "delete", "0a1b2c3d", "--yes"]).misused();
    let named = operator.run(&["project", "delete", "Same", "--yes"]).misused();
    let both = operator.run(&["project", "delete", "0a1b2c3e", "--yes"]).misused();

    assert_eq!(
        begun,
        "error: \"0a1b2c3d\" could mean several projects; give the whole id of one:\n  \
         0a1b2c3d-0000-4000-8000-000000000000  One\n  0a1b2c3d-0000-4000-8000-000000000001  Two\n"
    );
    assert!(named.contains("0a1b2c3e-0000-4000-8000-000000000000  Same\n"), "{named}");
    assert!(named.contains("0a1b2c3f-0000-4000-8000-000000000000  Same\n"), "{named}");
    assert!(both.contains("  0a1b2c3e\n") && both.contains("  Same\n"), "{both}");
    assert_eq!(operator.database.count("select count(*) from projects").await, 5);
    operator.run(&["project", "delete", "0a1b2c3d-0000-4000-8000-000000000001", "--yes"]).done();
    operator.run(&["project", "delete", "0a1b2c3d", "--yes"]).done();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_many_matches_an_error_lists_ten(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;
    for number in 0..12 {
        make(&operator, &format!("0a1b2c3d-0000-4000-8000-0000000000{number:02}"), "Many").await;
    }

    for named in ["0a1b2c3d", "Many"] {
        let complaint = operator.run(&["project", "show", named]).misused();

        assert_eq!(complaint.matches("  Many\n").count(), 10, "{complaint}");
        assert!(complaint.ends_with("\n  and more\n"), "{complaint}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_means_nothing_is_refused(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;
    operator.project("Acme");

    for named in ["acme", "7", "0a1b2c3", "00000000", "'; drop table projects; --"] {
        let complaint = operator.run(&["project", "show", named]).refused();

        let told =
            format!("error: no project has the name {named:?} or an id that begins so; 'tokensmith project list'");
        assert!(complaint.starts_with(&told), "{complaint}");
    }
    let complaint = operator.run(&["token", "show", "00000000"]).refused();
    assert_eq!(complaint, "error: no token has an id that begins with 00000000\n");
}
