//! Tokens that wait to be written. Issuing locks its project's row until the commit is on disk, so that the tokens of
//! one project are written one after another; those that come meanwhile are written together, in the next
//! transaction. So a project that issues without end holds one connection, and one commit is paid for many.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::{
    domain::{Actor, ProjectId, StoredSecret, Token},
    error::{Cause, Error},
    store::{TokenRows, Written},
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
    /// When it is too late to begin: it would only take the time of those that it is written with.
    last_call: Instant,
    /// Whether it is to be tried alone, because one that it was tried with was refused.
    is_alone: bool,
    /// Called when it is committed, whether or not somebody still waits.
    written: Written,
    answer: oneshot::Sender<Result<(), Error>>,
}

/// The place of somebody who waits. Who leaves it before the turn has come is not written.
pub(super) struct Place<'i> {
    inserts: &'i Inserts,
    project: ProjectId,
    number: u64,
    deadline: Instant,
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
        time_limit: Duration,
        written: Written,
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
        let deadline = Instant::now() + time_limit;
        let last_call = deadline - time_limit / 8;
        let is_alone = false;
        waiting.push_back(Insert {
            number,
            actor,
            token,
            secret,
            limit,
            deadline,
            last_call,
            is_alone,
            written,
            answer,
        });
        Ok((Place { inserts: self, project, number, deadline, answer: receiver }, is_first))
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
        let now = Instant::now();
        let mut queues = self.inserts.queues();
        let waiting = queues.of_project.get_mut(&self.project)?;
        // Who hung up while it was being tried had no place to leave.
        let wanted = waiting.drain(..).filter(|insert| !insert.answer.is_closed());
        let (late, in_time): (VecDeque<_>, _) = wanted.partition(|insert| insert.last_call <= now);
        *waiting = in_time;
        fail_all(late, &"too many tokens wait to be written".into(), Error::StoreAway);
        let alone = waiting.front().is_some_and(|first| first.is_alone);
        let most = if alone { 1 } else { waiting.len().min(TOGETHER) };
        let together: Vec<Insert> = waiting.drain(..most).collect();
        if together.is_empty() {
            // In one step with the look: who comes after it finds nobody who writes.
            queues.of_project.remove(&self.project);
            return None;
        }
        Some(together)
    }

    /// Tells those who waited what became of their one transaction. For some of them that may still be open, and they wait
    /// again: where one of several was refused, and all with it, and where time was up for one and not for the others.
    pub(super) fn tell(&self, mut together: Vec<Insert>, told: Result<(), Error>) {
        match told {
            Ok(()) => together.into_iter().for_each(|insert| insert.tell(Ok(()))),
            Err(Error::StoreAway(cause)) => {
                self.tell_the_late(together, |late| fail_all(late, &cause, Error::StoreAway));
            }
            Err(Error::Overloaded) => {
                let overloaded =
                    |late: Vec<Insert>| late.into_iter().for_each(|insert| insert.tell(Err(Error::Overloaded)));
                self.tell_the_late(together, overloaded);
            }
            Err(Error::OutcomeUnknown(cause)) => fail_all(together, &cause, Error::OutcomeUnknown),
            Err(refusal) => match together.pop() {
                Some(only) if together.is_empty() => only.tell(Err(refusal)),
                last => {
                    together.extend(last);
                    for insert in &mut together {
                        insert.is_alone = true;
                    }
                    self.put_back(together);
                }
            },
        }
    }

    /// Tells those whose time is up; the others wait again. Where it is up for none, lack of time was not the reason, and
    /// all are told.
    fn tell_the_late(&self, together: Vec<Insert>, tell: impl FnOnce(Vec<Insert>)) {
        let now = Instant::now();
        let (late, in_time): (Vec<_>, Vec<_>) = together.into_iter().partition(|insert| insert.deadline <= now);
        if late.is_empty() {
            tell(in_time);
        } else {
            tell(late);
            self.put_back(in_time);
        }
    }

    /// Before all others, where they may leave again.
    fn put_back(&self, inserts: Vec<Insert>) {
        let mut queues = self.inserts.queues();
        let Some(waiting) = queues.of_project.get_mut(&self.project) else { return };
        inserts.into_iter().rev().for_each(|insert| waiting.push_front(insert));
    }
}

fn fail_all(inserts: impl IntoIterator<Item = Insert>, cause: &Cause, error: fn(Cause) -> Error) {
    inserts.into_iter().for_each(|insert| insert.tell(Err(error(cause.to_string().into()))));
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
    pub(super) async fn answer(mut self) -> Result<(), Error> {
        let unknown = |_| Error::OutcomeUnknown("a write ended without a result".into());
        match timeout_at(self.deadline, &mut self.answer).await {
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
        if told.is_ok() {
            (self.written)();
        }
        let _gone = self.answer.send(told);
    }
}

#[cfg(test)]
mod tests {
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

    const LIMIT: Duration = Duration::from_mins(1);

    fn join(inserts: &Inserts, project: ProjectId, time_limit: Duration) -> Result<(Place<'_>, bool), Error> {
        let (token, secret) = rows(project);
        inserts.join(Actor::Operator, TokenRows { token: &token, secret: &secret }, 10, time_limit, Box::new(|| ()))
    }

    #[tokio::test]
    async fn no_more_wait_than_may_and_a_turn_takes_only_so_many_of_them() {
        let inserts = Inserts::default();
        let [project, other] = [1, 2].map(|n| ProjectId::from(uuid::Uuid::from_u128(n)));

        let places: Vec<_> = (0..WAITING).map(|_| join(&inserts, project, LIMIT).unwrap()).collect();

        assert!(places[0].1 && places[1..].iter().all(|(_, is_first)| !is_first));
        assert!(matches!(join(&inserts, project, LIMIT), Err(Error::Overloaded)));
        assert!(join(&inserts, other, LIMIT).unwrap().1);
        let turn = inserts.turn(project);
        assert_eq!(turn.next().unwrap().len(), TOGETHER);
        assert!(!join(&inserts, project, LIMIT).unwrap().1, "somebody still writes");
        drop(places);
        assert!(turn.next().is_none());
        assert!(join(&inserts, project, LIMIT).unwrap().1);
    }

    #[tokio::test]
    async fn who_waits_when_the_writer_panics_does_not_wait_for_ever() {
        let inserts = Inserts::default();
        let project = ProjectId::from(uuid::Uuid::from_u128(1));
        let [(taken, _), (waiting, _)] = [(); 2].map(|()| join(&inserts, project, LIMIT).unwrap());

        let writing = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let turn = inserts.turn(project);
            let together: Vec<Insert> = turn.next().unwrap().drain(..1).collect();
            panic!("with {} in hand", together.len());
        }));

        assert!(writing.is_err());
        for place in [taken, waiting] {
            assert!(matches!(place.answer().await, Err(Error::OutcomeUnknown(_))));
        }
        assert!(join(&inserts, project, LIMIT).unwrap().1);
    }

    #[tokio::test]
    async fn one_that_is_refused_sends_each_back_to_be_tried_alone_and_who_has_gone_stays_away() {
        let (inserts, project) = (Inserts::default(), ProjectId::from(uuid::Uuid::from_u128(1)));
        let [one, gone, two] = [(); 3].map(|()| join(&inserts, project, LIMIT).unwrap().0);
        let turn = inserts.turn(project);
        let together = turn.next().unwrap();
        drop(gone);
        let after = join(&inserts, project, LIMIT).unwrap().0;

        turn.tell(together, Err(Error::SelectorTaken));

        let first = turn.next().unwrap();
        assert_eq!(first.iter().map(|insert| insert.number).collect::<Vec<_>>(), [one.number]);
        turn.tell(first, Err(Error::SelectorTaken));
        assert!(matches!(one.answer().await, Err(Error::SelectorTaken)));
        // It can still leave.
        let number = two.number;
        drop(two);
        let rest = turn.next().unwrap();
        assert!(rest.iter().all(|insert| insert.number == after.number && insert.number != number));
        turn.tell(rest, Ok(()));
        after.answer().await.unwrap();
        assert!(turn.next().is_none());
    }

    #[tokio::test]
    async fn who_runs_out_of_time_takes_none_with_it() {
        let (inserts, project) = (Inserts::default(), ProjectId::from(uuid::Uuid::from_u128(1)));
        let late = join(&inserts, project, Duration::from_millis(80)).unwrap().0;
        let in_time = join(&inserts, project, LIMIT).unwrap().0;
        let turn = inserts.turn(project);
        let together = turn.next().unwrap();
        assert_eq!(together.len(), 2);
        tokio::time::sleep(Duration::from_millis(100)).await;

        turn.tell(together, Err(Error::StoreAway("the time was up".into())));

        assert!(matches!(late.answer().await, Err(Error::StoreAway(_))));
        let again = turn.next().unwrap();
        assert_eq!(again.iter().map(|insert| insert.number).collect::<Vec<_>>(), [in_time.number]);
        // That was no lack of time.
        turn.tell(again, Err(Error::StoreAway("refused".into())));
        assert!(matches!(in_time.answer().await, Err(Error::StoreAway(_))));
        let hopeless = join(&inserts, project, Duration::ZERO).unwrap().0;
        assert!(turn.next().is_none());
        assert!(matches!(hopeless.answer().await, Err(Error::StoreAway(_))));
    }
}
