//! Time as the house knows it: one type for a moment, and the trait that hands moments in.

use serde::{Serialize, Serializer};
use time::{OffsetDateTime, macros::format_description};

/// A moment: microseconds since 1970-01-01T00:00:00Z. Both databases store exactly this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the Unix epoch, UTC.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch, UTC.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// RFC 3339, UTC with `Z`, always six digits of a second: `2026-11-24T04:34:44.000000Z`.
    ///
    /// A moment outside the years that RFC 3339 can write (only a hand-edited row holds one) is
    /// shown as the epoch rather than refused.
    pub fn to_rfc3339(self) -> String {
        let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
        self.to_utc().format(format).expect("every component of the format exists in a UTC date and time")
    }
}

impl Timestamp {
    /// RFC 2822, UTC: `Tue, 24 Nov 2026 04:34:44 +0000`. A moment outside the calendar as in [`Self::to_rfc3339`].
    pub fn to_rfc2822(self) -> String {
        let format =
            format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] +0000");
        self.to_utc().format(format).expect("every component of the format exists in a UTC date and time")
    }

    fn to_utc(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_rfc3339())
    }
}

/// Where the time comes from. Tests hand in one that stands still.
pub trait Clock: Send + Sync {
    /// The wall clock: what people read and rows record.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    fn now(&self) -> Timestamp {
        let micros = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1000;
        Timestamp(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_with_six_digits_and_a_z() {
        let moment = Timestamp::from_micros(1_795_494_884_000_120);

        assert_eq!(moment.to_rfc3339(), "2026-11-24T04:34:44.000120Z");
    }

    #[test]
    fn a_moment_is_written_as_the_compatibility_api_does() {
        assert_eq!(Timestamp::from_micros(1_795_494_884_999_999).to_rfc2822(), "Tue, 24 Nov 2026 04:34:44 +0000");
    }

    #[test]
    fn a_moment_beyond_the_calendar_does_not_panic() {
        assert_eq!(Timestamp::from_micros(i64::MAX).to_rfc3339(), "1970-01-01T00:00:00.000000Z");
    }
}
