//! Lists, renaming and deleting of projects, on both databases.

use std::{collections::BTreeSet, sync::Arc};

use rstest::rstest;
use tokensmith::{
    domain::{Cursor, Position, ProjectChange, ProjectId, Tenant},
    error::Error,
    service::Service,
    store::{Holdings, ProjectFilter},
};

use super::{issue, name, new_token, operator};
use crate::support::{App, Backend};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_newest_first_and_its_last_page_says_so(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let project = app.project("Listed", None).await;
    let mut expected = vec![project.token_id.clone()];
    for i in 0..6 {
        // Two share each moment: the id decides between them.
        app.clock.advance(i % 2);
        expected.push(issue(&app.service, project.id, "same").await.token.id.to_string());
    }

    let all = app.service.list_tokens(operator(project.id), None, Position::START, 1000).await.unwrap();
    let mut paged = Vec::new();
    let mut after = None;
    let mut pages = 0;
    loop {
        let page = app.service.list_tokens(operator(project.id), None, Position::after(after), 3).await.unwrap();
        paged.extend(page.rows);
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }

    assert_eq!(paged, all.rows);
    assert_eq!(pages, 3);
    let order: Vec<_> = paged.iter().map(|token| (token.created_at, token.id)).collect();
    assert!(order.is_sorted_by(|a, b| a > b), "{order:?}");
    let listed: BTreeSet<_> = paged.iter().map(|token| token.id.to_string()).collect();
    assert_eq!(listed, expected.into_iter().collect());
    let two_of_six = app.service.list_tokens(operator(project.id), Some("same"), Position::START, 2).await.unwrap();
    assert_eq!((two_of_six.rows.len(), two_of_six.next.is_some()), (2, true));
    let six_of_six = app.service.list_tokens(operator(project.id), Some("same"), Position::START, 6).await.unwrap();
    assert_eq!((six_of_six.rows.len(), six_of_six.next), (6, None));
    let none = app.service.list_tokens(operator(project.id), Some("Same"), Position::START, 2).await.unwrap();
    assert!(none.rows.is_empty());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_each_row_that_was_there_all_along_exactly_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let project = app.project("Busy", None).await;
    let mut lasting = BTreeSet::new();
    let mut passing = Vec::new();
    for i in 0..40 {
        app.clock.advance(1);
        let id = issue(&app.service, project.id, "row").await.token.id;
        if i % 2 == 0 {
            lasting.insert(id)
        } else {
            passing.push(id);
            true
        };
    }

    let service: Arc<Service> = app.service.clone();
    let project_id = project.id;
    let writer = tokio::spawn(async move {
        for id in passing {
            issue(&service, project_id, "new").await;
            service.revoke(operator(project_id), id).await.unwrap();
        }
    });
    let mut seen = Vec::new();
    let mut after: Option<Cursor> = None;
    loop {
        let page = app.service.list_tokens(operator(project.id), None, Position::after(after), 3).await.unwrap();
        seen.extend(page.rows.iter().map(|token| token.id));
        after = page.next;
        if after.is_none() {
            break;
        }
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();

    let once: BTreeSet<_> = seen.iter().copied().collect();
    assert_eq!(once.len(), seen.len(), "no row twice");
    assert!(lasting.is_subset(&once), "no row missed");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn projects_are_listed_by_parent_and_by_name(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let app = App::start(backend).await;
    let child = app.subproject("Child").await;
    app.clock.advance(1);
    let other = app.project("Other", None).await;
    let list = async |parent: Option<ProjectId>, name: Option<&str>| -> Vec<ProjectId> {
        let filter = ProjectFilter { parent, name: name.map(str::to_owned) };
        app.service.list_projects(&filter, Position::START, 1000).await.unwrap().rows.iter().map(|row| row.id).collect()
    };

    assert_eq!(list(None, None).await.len(), 3);
    assert_eq!(list(None, None).await[0], other.id);
    assert_eq!(list(Some(app.root.id), None).await, [child.id]);
    assert_eq!(list(None, Some("Other")).await, [other.id]);
    assert_eq!(list(Some(other.id), None).await, []);
    assert_eq!(list(Some(app.root.id), Some("Other")).await, []);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn renaming_changes_the_name_and_the_moment_alone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let before = app.store.find_project(Tenant::Operator, app.root.id).await.unwrap().unwrap();
    app.clock.advance(5);

    let renamed = app.service.update_project(operator(app.root.id), &ProjectChange::rename(name("Neu"))).await.unwrap();

    assert_eq!(renamed.name.as_str(), "Neu");
    assert!(renamed.updated_at > before.updated_at);
    assert_eq!(
        tokensmith::domain::Project { name: before.name.clone(), updated_at: before.updated_at, ..renamed.clone() },
        before
    );
    assert_eq!(app.store.find_project(Tenant::Operator, app.root.id).await.unwrap(), Some(renamed));
    let nobody = ProjectId::parse("00000000-0000-4000-8000-000000000000").unwrap();
    assert!(matches!(
        app.service.update_project(operator(nobody), &ProjectChange::rename(name("x"))).await,
        Err(Error::ProjectNotFound)
    ));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_project_takes_its_tokens_along_and_no_other(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    let child = app.subproject("Child").await;
    let sibling = app.subproject("Sibling").await;
    issue(&app.service, child.id, "more").await;
    assert_eq!(app.store.count_holdings(child.id).await.unwrap(), Holdings { tokens: 2, subprojects: 0 });
    assert_eq!(app.store.count_holdings(app.root.id).await.unwrap(), Holdings { tokens: 1, subprojects: 2 });

    assert_eq!(app.service.delete_project(operator(child.id)).await.unwrap(), 2);

    assert!(!app.manages(child.id, &child.secret).await);
    assert!(app.manages(sibling.id, &sibling.secret).await);
    assert!(app.manages(app.root.id, &app.root.secret).await);
    assert!(matches!(app.service.delete_project(operator(child.id)).await, Err(Error::ProjectNotFound)));
    assert!(matches!(app.store.count_holdings(child.id).await, Err(Error::ProjectNotFound)));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_root_with_subprojects_is_not_deleted(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let app = App::start(backend).await;
    app.subproject("Child").await;

    let refused = app.service.delete_project(operator(app.root.id)).await;

    assert!(matches!(refused, Err(Error::HasSubprojects { count: 1 })));
    assert!(app.manages(app.root.id, &app.root.secret).await);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn whoever_issues_into_a_project_that_is_being_deleted_leaves_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let app = App::start(backend).await;
    for _ in 0..10 {
        let doomed = app.project("Doomed", None).await;
        let issuing: Vec<_> = (0..4)
            .map(|_| {
                let service = app.service.clone();
                tokio::spawn(async move { service.issue(operator(doomed.id), new_token("late")).await })
            })
            .collect();
        let nesting = {
            let service = app.service.clone();
            tokio::spawn(async move { service.create_project(name("nested"), Some(doomed.id), false).await })
        };

        let deleted = app.service.delete_project(operator(doomed.id)).await;

        for task in issuing {
            match task.await.unwrap() {
                Ok(_) | Err(Error::ProjectNotFound) => {}
                Err(error) => panic!("{error}"),
            }
        }
        match (deleted, nesting.await.unwrap()) {
            (Ok(_), Err(Error::ProjectNotFound)) => {
                assert_eq!(app.store.find_project(Tenant::Operator, doomed.id).await.unwrap(), None);
                assert!(
                    app.store.list_tokens(operator(doomed.id), None, Position::START, 10).await.unwrap().is_empty()
                );
            }
            (Err(Error::HasSubprojects { count: 1 }), Ok(_)) => {}
            (deleted, nested) => panic!("{deleted:?}, {nested:?}"),
        }
    }
}
