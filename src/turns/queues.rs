//! What waits, in a queue for each key. The keys are served in turn, one item at a time.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::Hash,
};

use super::{Full, Rank};

/// How often an item of the lower rank is served while both ranks of its key wait: every so many.
const LATER_EVERY: usize = 4;

/// Items that wait, by key. Only keys with an item are kept.
#[derive(Debug)]
pub(crate) struct Queues<K, T> {
    of: HashMap<K, Queue<T>>,
    /// The keys with an item, the next to be served first.
    ring: VecDeque<K>,
}

#[derive(Debug)]
struct Queue<T> {
    first: VecDeque<T>,
    later: VecDeque<T>,
    served: usize,
}

impl<K, T> Default for Queues<K, T> {
    fn default() -> Self {
        Self { of: HashMap::new(), ring: VecDeque::new() }
    }
}

impl<K: Copy + Eq + Hash, T> Queues<K, T> {
    /// Puts an item behind those of its key and rank, unless so many of its key wait as may. Those that are no longer
    /// wanted make room.
    ///
    /// # Errors
    /// [`Full`].
    pub(crate) fn push(
        &mut self,
        key: K,
        rank: Rank,
        item: T,
        most: usize,
        is_wanted: impl Fn(&T) -> bool,
    ) -> Result<(), Full> {
        if self.len(key) >= most {
            self.retain(key, is_wanted);
        }
        if self.len(key) >= most {
            return Err(Full);
        }
        let queue = match self.of.entry(key) {
            Entry::Occupied(queue) => queue.into_mut(),
            Entry::Vacant(none) => {
                self.ring.push_back(key);
                none.insert(Queue { first: VecDeque::new(), later: VecDeque::new(), served: 0 })
            }
        };
        match rank {
            Rank::First => queue.first.push_back(item),
            Rank::Later => queue.later.push_back(item),
        }
        Ok(())
    }

    /// Takes an item of the next key that may be served, and puts that key behind all others. Items that are no longer
    /// wanted are dropped on the way.
    pub(crate) fn pop(&mut self, may: impl Fn(K) -> bool, is_wanted: impl Fn(&T) -> bool) -> Option<(K, T)> {
        loop {
            let next = self.ring.iter().position(|key| may(*key))?;
            let key = self.ring.remove(next)?;
            let queue = self.of.get_mut(&key)?;
            let item = queue.pop(&is_wanted);
            if queue.len() == 0 {
                self.of.remove(&key);
            } else {
                self.ring.push_back(key);
            }
            if let Some(item) = item {
                return Some((key, item));
            }
        }
    }

    /// How many items of a key wait.
    pub(crate) fn len(&self, key: K) -> usize {
        self.of.get(&key).map_or(0, Queue::len)
    }

    fn retain(&mut self, key: K, is_wanted: impl Fn(&T) -> bool) {
        let Some(queue) = self.of.get_mut(&key) else { return };
        queue.first.retain(&is_wanted);
        queue.later.retain(&is_wanted);
        if queue.len() == 0 {
            self.of.remove(&key);
            self.ring.retain(|other| *other != key);
        }
    }
}

impl<T> Queue<T> {
    fn pop(&mut self, is_wanted: impl Fn(&T) -> bool) -> Option<T> {
        while self.len() > 0 {
            self.served = self.served.wrapping_add(1);
            let item = if self.served.is_multiple_of(LATER_EVERY) {
                self.later.pop_front().or_else(|| self.first.pop_front())
            } else {
                self.first.pop_front().or_else(|| self.later.pop_front())
            };
            if item.as_ref().is_some_and(&is_wanted) {
                return item;
            }
        }
        None
    }

    fn len(&self) -> usize {
        self.first.len() + self.later.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queues: &mut Queues<u8, u32>, key: u8, rank: Rank, item: u32) {
        queues.push(key, rank, item, usize::MAX, |_| true).unwrap();
    }

    fn served(queues: &mut Queues<u8, u32>) -> Vec<(u8, u32)> {
        std::iter::from_fn(|| queues.pop(|_| true, |_| true)).collect()
    }

    #[test]
    fn keys_are_served_in_turn_however_many_items_one_has() {
        let mut queues = Queues::default();
        (0..4).for_each(|item| push(&mut queues, 1, Rank::First, item));
        push(&mut queues, 2, Rank::First, 0);
        (0..2).for_each(|item| push(&mut queues, 3, Rank::First, item));

        assert_eq!(served(&mut queues), [(1, 0), (2, 0), (3, 0), (1, 1), (3, 1), (1, 2), (1, 3)]);
        assert!(queues.of.is_empty() && queues.ring.is_empty());
    }

    #[test]
    fn the_first_rank_goes_before_the_later_one_but_for_every_fourth() {
        let mut queues = Queues::default();
        (100..103).for_each(|item| push(&mut queues, 1, Rank::Later, item));
        (0..7).for_each(|item| push(&mut queues, 1, Rank::First, item));

        let items: Vec<u32> = served(&mut queues).into_iter().map(|(_, item)| item).collect();
        assert_eq!(items, [0, 1, 2, 100, 3, 4, 5, 101, 6, 102]);
    }

    #[test]
    fn a_key_that_may_not_be_served_keeps_its_place() {
        let mut queues = Queues::default();
        for key in [1, 2, 3] {
            (0..2).for_each(|item| push(&mut queues, key, Rank::First, item));
        }

        assert_eq!(queues.pop(|key| key != 1, |_| true), Some((2, 0)));
        assert_eq!(queues.pop(|_| true, |_| true), Some((1, 0)));
        assert_eq!(queues.pop(|key| key == 9, |_| true), None);
        assert_eq!(served(&mut queues), [(3, 0), (2, 1), (1, 1), (3, 1)]);
    }

    #[test]
    fn what_is_no_longer_wanted_costs_its_key_no_turn() {
        let mut queues = Queues::default();
        (0..5).for_each(|item| push(&mut queues, 1, Rank::First, item));
        (0..2).for_each(|item| push(&mut queues, 2, Rank::Later, item));

        assert_eq!(queues.pop(|_| true, |item| *item > 2), Some((1, 3)));
        queues.retain(2, |_| false);
        assert_eq!((queues.len(1), queues.len(2)), (1, 0));
        assert_eq!(served(&mut queues), [(1, 4)]);
        assert!(queues.of.is_empty() && queues.ring.is_empty());
    }

    #[test]
    fn a_full_queue_refuses_and_takes_the_place_of_the_unwanted() {
        let mut queues = Queues::default();
        (0..3).for_each(|item| push(&mut queues, 1, Rank::First, item));

        assert_eq!(queues.push(1, Rank::Later, 3, 3, |_| true), Err(Full));
        assert_eq!(queues.push(2, Rank::Later, 3, 3, |_| true), Ok(()));
        assert_eq!(queues.push(1, Rank::Later, 4, 3, |item| *item != 1), Ok(()));
        assert_eq!(served(&mut queues), [(1, 0), (2, 3), (1, 2), (1, 4)]);
    }
}
