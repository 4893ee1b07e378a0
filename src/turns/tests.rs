//! No turn is lost, none is given twice, and nobody waits longer than it should: whatever the order of events.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use proptest::prelude::*;

use super::*;

const FIVE: Bounds = Bounds { at_once: 5, each: 2, waiting: 4 };

type Waiting = Pin<Box<dyn Future<Output = Result<Turn<u8>, Full>>>>;

fn poll(waiting: &mut Waiting) -> Option<Result<Turn<u8>, Full>> {
    match waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(told) => Some(told),
        Poll::Pending => None,
    }
}

/// Asks for a turn, and has asked: `Err` holds who waits.
fn ask(turns: &Turns<u8>, key: u8, rank: Rank) -> Result<Result<Turn<u8>, Full>, Waiting> {
    let turns = turns.clone();
    let mut waiting: Waiting = Box::pin(async move { turns.take(key, rank).await });
    poll(&mut waiting).ok_or(waiting)
}

fn take(turns: &Turns<u8>, key: u8) -> Turn<u8> {
    ask(turns, key, Rank::First).unwrap_or_else(|_| panic!("it has to wait")).unwrap()
}

fn wait(turns: &Turns<u8>, key: u8, rank: Rank) -> Waiting {
    ask(turns, key, rank).expect_err("it has to wait")
}

/// All of them are free, and nothing is kept of anybody.
fn assert_free(turns: &Turns<u8>) {
    let state = turns.0.state();
    assert_eq!((state.free, state.held.len()), (turns.0.bounds.at_once, 0));
}

#[test]
fn a_tenant_has_its_share_and_leaves_the_rest_to_others() {
    let turns = Turns::new(FIVE);

    let _two = [take(&turns, 1), take(&turns, 1)];
    let mut third = wait(&turns, 1, Rank::First);
    let _others = [take(&turns, 2), take(&turns, 3), take(&turns, 4)];

    assert!(poll(&mut third).is_none());
    assert!(turns.try_take(5).is_err(), "all five are taken");
}

#[test]
fn beyond_the_bound_a_tenant_is_refused_and_others_are_not() {
    let turns = Turns::new(Bounds { at_once: 1, each: 1, waiting: 2 });
    let held = take(&turns, 1);
    let mut waiting = vec![wait(&turns, 1, Rank::First), wait(&turns, 1, Rank::Later)];

    assert!(matches!(ask(&turns, 1, Rank::First), Ok(Err(Full))));
    let _other = wait(&turns, 2, Rank::First);
    // One that has left makes room.
    drop(waiting.remove(0));
    waiting.push(wait(&turns, 1, Rank::First));
    assert!(matches!(ask(&turns, 1, Rank::First), Ok(Err(Full))));
    drop(held);
}

#[test]
fn whoever_leaves_or_is_done_hands_on() {
    let turns = Turns::new(Bounds { at_once: 1, each: 1, waiting: 9 });
    let held = take(&turns, 1);
    let (gone, granted, mut last) =
        (wait(&turns, 1, Rank::First), wait(&turns, 1, Rank::First), wait(&turns, 1, Rank::First));

    drop(gone);
    drop(held);
    // It has the turn and has not been told.
    assert!(poll(&mut last).is_none());
    drop(granted);

    drop(poll(&mut last).expect("its turn has come").unwrap());
    assert_free(&turns);
}

#[test]
fn what_takes_away_goes_before_what_gives_of_the_same_tenant() {
    let turns = Turns::new(Bounds { at_once: 1, each: 1, waiting: 9 });
    let held = take(&turns, 1);
    let (mut gives, mut takes) = (wait(&turns, 1, Rank::Later), wait(&turns, 1, Rank::First));

    drop(held);

    assert!(poll(&mut gives).is_none());
    drop(poll(&mut takes).expect("its turn has come").unwrap());
    drop(poll(&mut gives).expect("its turn has come").unwrap());
    assert_free(&turns);
}

#[test]
fn of_many_that_wait_one_tenant_waits_for_one_turn_of_each_other() {
    let turns = Turns::new(Bounds { at_once: 1, each: 1, waiting: 300 });
    let mut held = take(&turns, 0);
    let mut crowd: Vec<(u8, Waiting)> =
        [0, 1, 2].repeat(300).into_iter().map(|key| (key, wait(&turns, key, Rank::First))).collect();

    for _ in 0..50 {
        let mut mine = wait(&turns, 9, Rank::Later);
        let mut before = BTreeMap::<u8, usize>::new();
        let mine = loop {
            drop(held);
            if let Some(turn) = poll(&mut mine) {
                break turn.unwrap();
            }
            let (at, turn) =
                crowd.iter_mut().enumerate().find_map(|(i, (_, one))| Some((i, poll(one)?.unwrap()))).unwrap();
            *before.entry(crowd.remove(at).0).or_default() += 1;
            held = turn;
        };
        assert!(before.values().all(|turns| *turns == 1), "{before:?} came before it");
        held = mine;
    }
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Ask(u8, Rank),
    /// Who waits looks, by its place in the order of asking.
    Look(usize),
    Leave(usize),
    End(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let rank = prop_oneof![Just(Rank::First), Just(Rank::Later)];
    prop_oneof![
        3 => (0..5_u8, rank).prop_map(|(key, rank)| Event::Ask(key, rank)),
        2 => any::<usize>().prop_map(Event::Look),
        1 => any::<usize>().prop_map(Event::Leave),
        2 => any::<usize>().prop_map(Event::End),
    ]
}

proptest! {
    #[test]
    fn no_turn_is_lost_or_given_twice_and_none_is_idle_while_one_waits(
        at_once in 1..6_usize,
        each in 1..6_usize,
        waiting in 0..5_usize,
        events in prop::collection::vec(event(), 1..200),
    ) {
        let turns = Turns::new(Bounds { at_once, each, waiting });
        let (mut held, mut queue) = (Vec::<Turn<u8>>::new(), Vec::<(u8, Waiting)>::new());
        for event in events {
            match event {
                Event::Ask(key, rank) => match ask(&turns, key, rank) {
                    Ok(Ok(turn)) => held.push(turn),
                    Ok(Err(Full)) => {}
                    Err(one) => queue.push((key, one)),
                },
                Event::Look(at) if !queue.is_empty() => {
                    let at = at % queue.len();
                    if let Some(turn) = poll(&mut queue[at].1) {
                        held.push(turn.unwrap());
                        drop(queue.remove(at));
                    }
                }
                Event::Leave(at) if !queue.is_empty() => drop(queue.remove(at % queue.len())),
                Event::End(at) if !held.is_empty() => drop(held.remove(at % held.len())),
                Event::Look(_) | Event::Leave(_) | Event::End(_) => {}
            }

            let state = turns.0.state();
            let granted: usize = state.held.values().sum();
            prop_assert_eq!(state.free + granted, at_once);
            prop_assert!(held.len() <= granted);
            prop_assert!(state.held.values().all(|held| (1..=each).contains(held)));
            for key in 0..5 {
                prop_assert!(state.waiting.len(key) <= waiting);
                let may = state.held.get(&key).is_none_or(|held| *held < each);
                prop_assert!(state.free == 0 || !may || state.waiting.len(key) == 0);
            }
        }

        // Everybody who stays gets a turn.
        while !queue.is_empty() {
            held.clear();
            let before = queue.len();
            queue.retain_mut(|(_, one)| match poll(one) {
                Some(turn) => { held.push(turn.unwrap()); false }
                None => true,
            });
            prop_assert!(queue.len() < before, "{} wait for ever", queue.len());
        }
        held.clear();
        assert_free(&turns);
    }
}

/// On many threads, with clients that come, hang up and are done at any moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_is_given_up_at_once_every_turn_comes_back() {
    let turns = Turns::new(FIVE);
    let under_way = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..64_u64)
        .map(|number| {
            let (turns, under_way) = (turns.clone(), under_way.clone());
            tokio::spawn(async move {
                for round in 0..200_u64 {
                    let rank = if round % 3 == 0 { Rank::Later } else { Rank::First };
                    let patience = Duration::from_micros((number * 7 + round * 13) % 300);
                    let taken = tokio::time::timeout(patience, turns.take((number % 7) as u8, rank)).await;
                    if let Ok(Ok(_turn)) = taken {
                        assert!(under_way.fetch_add(1, Ordering::SeqCst) < 5);
                        tokio::task::yield_now().await;
                        under_way.fetch_sub(1, Ordering::SeqCst);
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }

    assert_free(&turns);
    assert!(turns.try_take(1).is_ok());
}
