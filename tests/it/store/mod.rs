//! What a store promises, held against both databases.

mod callers;
mod concurrency;
mod contract;
mod failures;
mod interrupted;
mod lists;
mod marks;
mod migrations;
mod operator;
mod reserved;
mod sessions;
mod together;

use tokensmith::{
    domain::{Actor, Issued, Name, NewToken, ProjectId, Reach, TokenId},
    service::Service,
    store::Written,
};

use crate::support::{App, Database, Project, catalogue};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// The operator at a project.
fn operator(project: ProjectId) -> Reach {
    Reach { actor: Actor::Operator, project }
}

fn new_token(called: &str) -> NewToken {
    NewToken { name: name(called), permissions: catalogue().parse(["chat"]).unwrap(), subproject: None }
}

/// For a test that does not ask when its token was written.
fn unheard() -> Written {
    Box::new(|| ())
}

async fn issue(service: &Service, project: ProjectId, called: &str) -> Issued {
    service.issue(operator(project), new_token(called)).await.unwrap()
}

/// A project's management token as a credential.
fn credential(project: &Project) -> tokensmith::domain::Credential {
    tokensmith::domain::Credential::parse(format!("{}:{}", project.id, project.secret)).unwrap()
}

fn token_id(project: &Project) -> TokenId {
    TokenId::parse(&project.token_id).unwrap()
}

/// What must be true after whatever happened: the count is the count, and no token is without its one secret.
async fn assert_whole(database: &Database) {
    for (what, query) in [
        (
            "token_count differs from the number of tokens",
            "select count(*) from projects p
            where token_count <> (select count(*) from tokens t where t.project_id = p.id)",
        ),
        (
            "a token has not just one secret",
            "select count(*) from tokens t where 1 <> (select count(*) from token_secrets s where s.token_id = t.id)",
        ),
        (
            "a secret has no token",
            "select count(*) from token_secrets s where not exists (select 1 from tokens t where t.id = s.token_id)",
        ),
    ] {
        assert_eq!(database.count(query).await, 0, "{what}");
    }
}

/// Waits until so many sessions of a Postgres database wait for a lock.
async fn until_someone_waits_for_a_lock(app: &App, sessions: i64) {
    const WAITING: &str = "select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    for _ in 0..2000 {
        if app.database.count(WAITING).await == sessions {
            return;
        }
    }
    panic!("not as many wait for a lock");
}
