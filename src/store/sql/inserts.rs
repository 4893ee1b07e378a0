//! Tokens that wait to be written. Issuing locks its project's row until the commit is on disk, so that the tokens of
//! one project are written one after another; those that come meanwhile are written together, in the next
//! transaction. So a project that issues without end holds one connection, and one commit is paid for many.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::{
    domain::{Actor, ProjectId, StoredSecret, Token},
    error::{Cause, Error},
    store::TokenRows,
};

/// How many may wait for one project's turn. More are told to come again.
const WAITING: usize = 1024;

/// How many are written in one transaction, which others wait for. Each number of rows is a statement of its own, twice,
/// and a connection keeps a hundred prepared ones.
const TOGETHER: usize = 32;

/// What waits, by project. A project is here while somebody writes for it.
#[derive(Default)]
pub(in crate::store) struct Inserts(Mutex<Queues>);

#[derive(Default)]
struct Queues {
    of_project: HashMap<ProjectId, VecDeque<Insert>>,
    /// The number of the last one that came.
    last: u64,
}

/// A token to be written, on behalf of somebody who waits.
pub(super) struct Insert {
    number: u64,
    pub(super) actor: Actor,
    pub(super) token: Token,
    pub(super) secret: StoredSecret,
    pub(super) limit: u64,
    /// When it must have come to its commit.
    pub(super) deadline: Instant,
    answer: oneshot::Sender<Result<(), Error>>,
}

/// The place of somebody who waits. Who leaves it before the turn has come is not written.
pub(super) struct Place<'i> {
    inserts: &'i Inserts,
    project: ProjectId,
    number: u64,
    answer: oneshot::Receiver<Result<(), Error>>,
}

/// The turn of whoever writes for a project, until nothing waits any more.
pub(super) struct Turn<'i> {
    inserts: &'i Inserts,
    project: ProjectId,
}

impl Inserts {
    /// Takes a place. Returns whether nobody writes for the project yet, so that the caller sees to that.
    ///
    /// # Errors
    /// [`Error::Overloaded`].
    pub(super) fn join(
        &self,
        actor: Actor,
        rows: TokenRows<'_>,
        limit: u64,
        deadline: Instant,
    ) -> Result<(Place<'_>, bool), Error> {
        let project = rows.token.project;
        let mut queues = self.queues();
        queues.last += 1;
        let number = queues.last;
        let (waiting, is_first) = match queues.of_project.entry(project) {
            Entry::Occupied(waiting) => (waiting.into_mut(), false),
            Entry::Vacant(none) => (none.insert(VecDeque::new()), true),
        };
        if waiting.len() >= WAITING {
            return Err(Error::Overloaded);
        }
        let (answer, receiver) = oneshot::channel();
        let (token, secret) = (rows.token.clone(), rows.secret.clone());
        waiting.push_back(Insert { number, actor, token, secret, limit, deadline, answer });
        Ok((Place { inserts: self, project, number, answer: receiver }, is_first))
    }

    /// The turn for a project that nobody writes for.
    pub(super) fn turn(&self, project: ProjectId) -> Turn<'_> {
        Turn { inserts: self, project }
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        // Every change under the lock is one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// The next ones to be written together, the first that came first. `None` ends the turn.
    pub(super) fn next(&self) -> Option<Vec<Insert>> {
        let mut queues = self.inserts.queues();
        let waiting = queues.of_project.get_mut(&self.project)?;
        let together: Vec<Insert> = waiting.drain(..waiting.len().min(TOGETHER)).collect();
        if together.is_empty() {
            // In one step with the look: who comes after it finds nobody who writes.
            queues.of_project.remove(&self.project);
            return None;
        }
        Some(together)
    }
}

/// Whoever still waits when the writer panics is told, by the end of its channel.
impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.inserts.queues().of_project.remove(&self.project);
        }
    }
}

impl Place<'_> {
    /// Waits for the turn, no longer than the deadline, and then for its end.
    pub(super) async fn answer(mut self, deadline: Instant) -> Result<(), Error> {
        let unknown = |_| Error::OutcomeUnknown("a write ended without a result".into());
        match timeout_at(deadline, &mut self.answer).await {
            Ok(told) => told.map_err(unknown)?,
            Err(elapsed) if self.leave() => Err(Error::StoreAway(elapsed.into())),
            Err(_) => (&mut self.answer).await.map_err(unknown)?,
        }
    }

    /// Whether the turn had not come yet, and now never will.
    fn leave(&self) -> bool {
        let mut queues = self.inserts.queues();
        let Some(waiting) = queues.of_project.get_mut(&self.project) else { return false };
        let place = waiting.iter().position(|insert| insert.number == self.number);
        place.and_then(|place| waiting.remove(place)).is_some()
    }
}

/// A client that hangs up leaves.
impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Insert {
    pub(super) fn rows(&self) -> TokenRows<'_> {
        TokenRows { token: &self.token, secret: &self.secret }
    }

    /// Tells whoever waits.
    pub(super) fn tell(self, told: Result<(), Error>) {
        let _gone = self.answer.send(told);
    }
}

/// Tells those who waited what became of their one transaction. Returns those for whom that is still open: one of them was
/// refused, and all of them with it.
pub(super) fn tell_all(mut together: Vec<Insert>, told: Result<(), Error>) -> Vec<Insert> {
    match told {
        Ok(()) => together.drain(..).for_each(|insert| insert.tell(Ok(()))),
        Err(Error::StoreAway(cause)) => fail_all(&mut together, &cause, Error::StoreAway),
        Err(Error::OutcomeUnknown(cause)) => fail_all(&mut together, &cause, Error::OutcomeUnknown),
        Err(refusal) => match together.pop() {
            Some(only) if together.is_empty() => only.tell(Err(refusal)),
            last => together.extend(last),
        },
    }
    together
}

fn fail_all(together: &mut Vec<Insert>, cause: &Cause, error: fn(Cause) -> Error) {
    together.drain(..).for_each(|insert| insert.tell(Err(error(cause.to_string().into()))));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        clock::Timestamp,
        domain::{Catalogue, Name, Secret, SecretId, TokenId},
        entropy::{Entropy, SystemEntropy},
    };

    fn rows(project: ProjectId) -> (Token, StoredSecret) {
        let (secret, now) = (Secret::generate(&SystemEntropy), Timestamp::from_micros(0));
        let token = Token {
            id: TokenId::from(SystemEntropy.uuid()),
            project,
            name: Name::parse("token").unwrap(),
            permissions: Catalogue::new(["chat".to_owned()]).unwrap().parse(["chat"]).unwrap(),
            hint: secret.selector().hint(),
            created_at: now,
            updated_at: now,
            created_by: None,
        };
        let stored = StoredSecret {
            id: SecretId::from(SystemEntropy.uuid()),
            selector: secret.selector(),
            hash: String::new(),
            check: secret.check(),
            proof: None,
            created_at: now,
        };
        (token, stored)
    }

    fn join(inserts: &Inserts, project: ProjectId, deadline: Instant) -> Result<(Place<'_>, bool), Error> {
        let (token, secret) = rows(project);
        inserts.join(Actor::Operator, TokenRows { token: &token, secret: &secret }, 10, deadline)
    }

    #[tokio::test]
    async fn no_more_wait_than_may_and_a_turn_takes_only_so_many_of_them() {
        let (inserts, deadline) = (Inserts::default(), Instant::now() + Duration::from_mins(1));
        let [project, other] = [1, 2].map(|n| ProjectId::from(uuid::Uuid::from_u128(n)));

        let places: Vec<_> = (0..WAITING).map(|_| join(&inserts, project, deadline).unwrap()).collect();

        assert!(places[0].1 && places[1..].iter().all(|(_, is_first)| !is_first));
        assert!(matches!(join(&inserts, project, deadline), Err(Error::Overloaded)));
        assert!(join(&inserts, other, deadline).unwrap().1);
        let turn = inserts.turn(project);
        assert_eq!(turn.next().unwrap().len(), TOGETHER);
        assert!(!join(&inserts, project, deadline).unwrap().1, "somebody still writes");
        drop(places);
        assert!(turn.next().is_none());
        assert!(join(&inserts, project, deadline).unwrap().1);
    }

    #[tokio::test]
    async fn who_waits_when_the_writer_panics_does_not_wait_for_ever() {
        let (inserts, deadline) = (Inserts::default(), Instant::now() + Duration::from_mins(1));
        let project = ProjectId::from(uuid::Uuid::from_u128(1));
        let [(taken, _), (waiting, _)] = [(); 2].map(|()| join(&inserts, project, deadline).unwrap());

        let writing = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let turn = inserts.turn(project);
            let together: Vec<Insert> = turn.next().unwrap().drain(..1).collect();
            panic!("with {} in hand", together.len());
        }));

        assert!(writing.is_err());
        for place in [taken, waiting] {
            assert!(matches!(place.answer(deadline).await, Err(Error::OutcomeUnknown(_))));
        }
        assert!(join(&inserts, project, deadline).unwrap().1);
    }
}
