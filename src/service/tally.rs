//! Log lines that strangers or an outage could repeat without end. Each kind is written at most once in a while, with the number
//! of those that were left out.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::Service;
use crate::{clock::Timestamp, error::Error};

/// Why credentials were refused. No client is told, and no line says whose they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There were none, or they were malformed.
    NoCredentials,
    /// No token has this secret's selector.
    UnknownToken,
    /// A token has its selector, and another secret.
    WrongSecret,
    /// They are of another project than they name.
    WrongProject,
    /// They are right, and their token does not hold what was needed.
    MissingPermission,
}

impl Refusal {
    const ALL: [Self; 5] =
        [Self::NoCredentials, Self::UnknownToken, Self::WrongSecret, Self::WrongProject, Self::MissingPermission];

    const fn as_str(self) -> &'static str {
        match self {
            Self::NoCredentials => "no_credentials",
            Self::UnknownToken => "unknown_token",
            Self::WrongSecret => "wrong_secret",
            Self::WrongProject => "wrong_project",
            Self::MissingPermission => "missing_permission",
        }
    }
}

/// Why requests are answered 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// The database does not answer.
    Away,
    /// Too much is waiting already.
    Overload,
}

/// What was counted and not written yet.
pub(super) struct Tally {
    refusals: [Throttle; Refusal::ALL.len()],
    away: Throttle,
    overload: Throttle,
}

impl Tally {
    pub(super) fn new() -> Self {
        const A_MINUTE: Duration = Duration::from_mins(1);
        const A_SECOND: Duration = Duration::from_secs(1);
        Self {
            refusals: std::array::from_fn(|_| Throttle::new(A_MINUTE)),
            away: Throttle::new(A_SECOND),
            overload: Throttle::new(A_SECOND),
        }
    }

    fn outage(&self, kind: Outage) -> &Throttle {
        match kind {
            Outage::Away => &self.away,
            Outage::Overload => &self.overload,
        }
    }

    /// Writes what is due, or all that was left out.
    fn write(&self, due: impl Fn(&Throttle) -> Option<u64>) {
        for (reason, counted) in Refusal::ALL.iter().zip(&self.refusals) {
            if let Some(count) = due(counted) {
                tracing::info!(reason = reason.as_str(), count, "credentials refused");
            }
        }
        if let Some(suppressed) = due(&self.away) {
            tracing::error!(suppressed, "the database could not be reached for more requests");
        }
        if let Some(suppressed) = due(&self.overload) {
            tracing::warn!(suppressed, "more requests were refused because of overload");
        }
    }
}

impl Service {
    /// Counts credentials that were refused.
    pub fn count_refusal(&self, reason: Refusal) {
        self.tally.refusals[reason as usize].count();
    }

    /// Counts a request without credentials, or with malformed ones. Returns what it is refused with.
    pub fn refuse_without_credentials(&self) -> Error {
        self.count_refusal(Refusal::NoCredentials);
        Error::Unauthenticated
    }

    /// Whether a line about an outage may be written now: then how many were left out since the last one.
    pub fn may_log(&self, kind: Outage) -> Option<u64> {
        self.tally.outage(kind).admit(self.clock.now())
    }

    /// Writes the lines that are due. To be called about once a second.
    pub fn log_due(&self) {
        let now = self.clock.now();
        self.tally.write(|throttle| throttle.take_due(now));
    }

    /// Writes all that was left out: at the end, when nobody comes to do it later.
    pub fn log_rest(&self) {
        self.tally.write(Throttle::take);
    }
}

/// One kind of line.
struct Throttle {
    every: i64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When the last line was written.
    last: Option<Timestamp>,
    left_out: u64,
}

impl Throttle {
    fn new(every: Duration) -> Self {
        Self { every: i64::try_from(every.as_micros()).unwrap_or(i64::MAX), state: Mutex::default() }
    }

    /// Leaves one out.
    fn count(&self) {
        self.with(|state| state.left_out += 1);
    }

    /// Writes one now, and returns how many were left out before, or leaves it out.
    fn admit(&self, now: Timestamp) -> Option<u64> {
        self.with(|state| {
            if state.is_over(now, self.every) {
                state.last = Some(now);
                return Some(std::mem::take(&mut state.left_out));
            }
            state.left_out += 1;
            None
        })
    }

    /// How many were left out, if there are any and a line may be written again.
    fn take_due(&self, now: Timestamp) -> Option<u64> {
        self.with(|state| {
            if state.left_out == 0 || !state.is_over(now, self.every) {
                return None;
            }
            state.last = Some(now);
            Some(std::mem::take(&mut state.left_out))
        })
    }

    /// How many were left out, if there are any.
    fn take(&self) -> Option<u64> {
        self.with(|state| Some(std::mem::take(&mut state.left_out)).filter(|count| *count > 0))
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        // Every change under the lock is one step.
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// Whether the time since the last line is over. Where the clock was set back, it is.
    fn is_over(&self, now: Timestamp, every: i64) -> bool {
        self.last.is_none_or(|last| !(0..every).contains(&now.as_micros().saturating_sub(last.as_micros())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_795_494_884_000_000 + millis * 1000)
    }

    #[test]
    fn one_line_a_second_is_written_and_the_others_are_counted() {
        let throttle = Throttle::new(Duration::from_secs(1));

        assert_eq!(throttle.admit(at(0)), Some(0));
        assert_eq!(throttle.admit(at(1)), None);
        assert_eq!(throttle.admit(at(999)), None);
        assert_eq!(throttle.take_due(at(999)), None);
        assert_eq!(throttle.admit(at(1000)), Some(2));
        assert_eq!(throttle.admit(at(1001)), None);
    }

    #[test]
    fn what_was_left_out_is_told_when_it_is_over() {
        let throttle = Throttle::new(Duration::from_secs(1));
        throttle.admit(at(0));
        throttle.admit(at(500));

        assert_eq!(throttle.take_due(at(1000)), Some(1));
        assert_eq!(throttle.take_due(at(5000)), None, "it was told");
        throttle.count();
        assert_eq!(throttle.take(), Some(1));
        assert_eq!(throttle.take(), None);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_silence_the_log() {
        let throttle = Throttle::new(Duration::from_secs(1));
        throttle.admit(at(0));

        assert_eq!(throttle.admit(at(-3_600_000)), Some(0));
    }

    #[test]
    fn refusals_of_a_kind_are_one_line_a_minute() {
        let throttle = Throttle::new(Duration::from_mins(1));
        throttle.count();
        throttle.count();

        assert_eq!(throttle.take_due(at(0)), Some(2));
        throttle.count();
        assert_eq!(throttle.take_due(at(59_999)), None);
        assert_eq!(throttle.take_due(at(60_000)), Some(1));
    }

    #[test]
    fn each_refusal_has_its_own_count() {
        for (place, reason) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place);
        }
    }
}
