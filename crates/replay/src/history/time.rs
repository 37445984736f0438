//! Times as files write them.

use std::fmt;

use bellwether_series::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// Beyond the year 9999 on either side a number is no time.
const MS_MAX: i64 = 253_402_300_800_000;

/// The unit of a number that is a time since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

impl TimeUnit {
    /// The unit in which `number` is a time between 1973 and 5138, or near 1970.
    pub fn guess(number: f64) -> Self {
        let size = number.abs();
        if size < 1e11 {
            Self::Seconds
        } else if size < 1e14 {
            Self::Milliseconds
        } else if size < 1e17 {
            Self::Microseconds
        } else {
            Self::Nanoseconds
        }
    }

    /// The time that a whole number is, parts of a millisecond left out; `None` if no calendar knows it.
    #[inline]
    pub fn whole(self, number: i64) -> Option<Timestamp> {
        let ms = match self {
            Self::Seconds => number.checked_mul(1000)?,
            Self::Milliseconds => number,
            Self::Microseconds => number.div_euclid(1000),
            Self::Nanoseconds => number.div_euclid(1_000_000),
        };
        (-MS_MAX < ms && ms < MS_MAX).then(|| Timestamp::from_ms(ms))
    }

    /// The time that a number is, to the nearest millisecond; `None` if no calendar knows it.
    pub fn fraction(self, number: f64) -> Option<Timestamp> {
        let ms = match self {
            Self::Seconds => number * 1000.0,
            Self::Milliseconds => number,
            Self::Microseconds => number / 1e3,
            Self::Nanoseconds => number / 1e6,
        };
        // Stated positively, so that NaN is none.
        (ms.abs() < MS_MAX as f64).then(|| Timestamp::from_ms(ms.round() as i64))
    }

    /// The time that a number written in digits is.
    pub(super) fn digits(self, text: &str) -> Option<Timestamp> {
        match text.parse::<i64>() {
            Ok(number) => self.whole(number),
            Err(_) => self.fraction(text.parse().ok()?),
        }
    }
}

impl fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Nanoseconds => "ns",
        })
    }
}

/// The time that a text in the manner of RFC 3339 is, parts of a millisecond left out; without an offset it is in UTC.
pub(super) fn text(text: &str) -> Option<Timestamp> {
    let time = match text.parse::<jiff::Timestamp>() {
        Ok(time) => time,
        Err(_) => text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp(),
    };
    Some(Timestamp::from_ms(time.as_nanosecond().div_euclid(1_000_000) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_750_032_000_123;

    #[test]
    fn a_unit_is_guessed_by_magnitude() {
        for (number, unit) in [
            (1_750_032_000.0, TimeUnit::Seconds),
            (AT as f64, TimeUnit::Milliseconds),
            (AT as f64 * 1e3, TimeUnit::Microseconds),
            (AT as f64 * 1e6, TimeUnit::Nanoseconds),
            (0.0, TimeUnit::Seconds),
        ] {
            assert_eq!(TimeUnit::guess(number), unit, "{number}");
        }
    }

    #[test]
    fn every_unit_comes_to_the_same_time() {
        let at = Some(Timestamp::from_ms(AT));
        assert_eq!(TimeUnit::Seconds.digits("1750032000.123"), at);
        assert_eq!(TimeUnit::Milliseconds.whole(AT), at);
        assert_eq!(TimeUnit::Microseconds.whole(AT * 1000 + 999), at);
        assert_eq!(TimeUnit::Nanoseconds.whole(AT * 1_000_000 + 1), at);
        assert_eq!(TimeUnit::Nanoseconds.whole(-1), Some(Timestamp::from_ms(-1)));
        assert_eq!(text("2025-06-16T00:00:00.123Z"), at);
        assert_eq!(text("2025-06-16T02:00:00.1239+02:00"), at);
        assert_eq!(text("2025-06-16 00:00:00.123"), at);
        assert_eq!(text("2025-06-16"), Some(Timestamp::from_ms(1_750_032_000_000)));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        assert_eq!(TimeUnit::Seconds.whole(i64::MAX), None);
        assert_eq!(TimeUnit::Seconds.fraction(f64::NAN), None);
        assert_eq!(TimeUnit::Milliseconds.fraction(1e300), None);
        assert_eq!(TimeUnit::Seconds.digits("soon"), None);
        assert_eq!(text("yesterday"), None);
    }
}
