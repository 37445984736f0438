//! The stretch of event time that a report is about, and how times are written.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

/// A day, in milliseconds.
pub const DAY_MS: i64 = 86_400_000;
/// Longest period, in days: each day is a row of the report.
const DAYS_MAX: i64 = 366;
/// Days of a period that nobody asked for.
const DEFAULT_DAYS: i64 = 7;

/// A stretch of event time: `since_ms <= t < until_ms`. At least a millisecond, at most 366 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Period {
    since_ms: i64,
    until_ms: i64,
}

/// Why there is no such period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeriodError {
    /// It ends before it begins, or at once.
    #[error("the period is empty: since=`{}`, until=`{}`", time_text(*since_ms), time_text(*until_ms))]
    Empty {
        /// Its begin, in Unix milliseconds.
        since_ms: i64,
        /// Its end, in Unix milliseconds.
        until_ms: i64,
    },
    /// It is longer than a report can be.
    #[error("the period is too long: days=`{days}`, limit=`{DAYS_MAX}`")]
    TooLong {
        /// Its length.
        days: i64,
    },
    /// The calendar ends before this date.
    #[error("the date is out of range: date=`{date}`")]
    OutOfRange {
        /// The date.
        date: Date,
    },
}

impl Period {
    /// The period from `since_ms` to just before `until_ms`, both in Unix milliseconds.
    ///
    /// # Errors
    /// When it is empty or longer than 366 days.
    pub fn new(since_ms: i64, until_ms: i64) -> Result<Self, PeriodError> {
        if since_ms >= until_ms {
            return Err(PeriodError::Empty { since_ms, until_ms });
        }
        let days = until_ms.saturating_sub(since_ms).saturating_add(DAY_MS - 1) / DAY_MS;
        if days > DAYS_MAX {
            return Err(PeriodError::TooLong { days });
        }
        Ok(Self { since_ms, until_ms })
    }

    /// The day `date`, from midnight to midnight in UTC.
    ///
    /// # Errors
    /// When the calendar ends there.
    pub fn day(date: Date) -> Result<Self, PeriodError> {
        let since_ms = midnight_ms(date)?;
        Self::new(since_ms, since_ms + DAY_MS)
    }

    /// The week, from Monday to Sunday in UTC, that `date` is in.
    ///
    /// # Errors
    /// When the calendar ends there.
    pub fn week(date: Date) -> Result<Self, PeriodError> {
        let after_monday = i64::from(date.weekday().to_monday_zero_offset());
        let since_ms = midnight_ms(date)? - after_monday * DAY_MS;
        Self::new(since_ms, since_ms + 7 * DAY_MS)
    }

    /// The seven days in UTC of which the last is that of `newest_ms`, until just after `newest_ms`.
    ///
    /// # Errors
    /// When `newest_ms` is at the end of representable time.
    pub fn up_to(newest_ms: i64) -> Result<Self, PeriodError> {
        let first_day = newest_ms.div_euclid(DAY_MS).saturating_sub(DEFAULT_DAYS - 1);
        Self::new(first_day.saturating_mul(DAY_MS), newest_ms.saturating_add(1))
    }

    /// First moment of it, in Unix milliseconds.
    pub const fn since_ms(self) -> i64 {
        self.since_ms
    }

    /// First moment after it, in Unix milliseconds.
    pub const fn until_ms(self) -> i64 {
        self.until_ms
    }

    /// Its length, in milliseconds; above 0.
    pub const fn length_ms(self) -> i64 {
        self.until_ms - self.since_ms
    }

    /// Its length in days; above 0.
    pub fn days(self) -> f64 {
        self.length_ms() as f64 / DAY_MS as f64
    }

    /// Whether `at_ms` is in it.
    pub fn contains(self, at_ms: i64) -> bool {
        (self.since_ms..self.until_ms).contains(&at_ms)
    }

    /// The days in UTC that it touches, as numbers since the Unix epoch.
    pub(super) fn day_numbers(self) -> std::ops::RangeInclusive<i64> {
        self.since_ms.div_euclid(DAY_MS)..=(self.until_ms - 1).div_euclid(DAY_MS)
    }
}

/// Midnight in UTC at which `date` begins, in Unix milliseconds.
fn midnight_ms(date: Date) -> Result<i64, PeriodError> {
    match date.to_zoned(TimeZone::UTC) {
        Ok(midnight) => Ok(midnight.timestamp().as_millisecond()),
        Err(_) => Err(PeriodError::OutOfRange { date }),
    }
}

/// The date in UTC of a day given as its number since the Unix epoch, as in `2026-03-01`.
pub fn day_text(day: i64) -> String {
    match jiff::Timestamp::from_millisecond(day.saturating_mul(DAY_MS)) {
        Ok(time) => time.strftime("%Y-%m-%d").to_string(),
        Err(_) => format!("day {day}"),
    }
}

/// Date and time of day in UTC of `at_ms`, as in `2026-03-01 12:00`.
pub fn time_text(at_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(at_ms) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => format!("{at_ms} ms"),
    }
}

/// A length of time in its two largest units, as in `3d 4h`, `2h 5m`, `12m`, `40s`.
pub fn duration_text(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    let units = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m")];
    let Some(largest) = units.iter().position(|&(count, _)| count > 0) else {
        return format!("{seconds}s");
    };
    let shown = units.iter().skip(largest).take(2).filter(|&&(count, _)| count > 0);
    shown.map(|(count, unit)| format!("{count}{unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn text(period: Period) -> (String, String) {
        (time_text(period.since_ms()), time_text(period.until_ms()))
    }

    #[test]
    fn a_day_and_a_week_begin_and_end_at_midnight_in_utc() {
        let day = Period::day(date(2026, 3, 1)).unwrap();
        assert_eq!(text(day), ("2026-03-01 00:00".into(), "2026-03-02 00:00".into()));
        assert!(day.contains(day.since_ms()) && !day.contains(day.until_ms()));
        for (month, of) in [(2, 23), (2, 28), (3, 1)] {
            let week = Period::week(date(2026, month, of)).unwrap();
            assert_eq!(text(week), ("2026-02-23 00:00".into(), "2026-03-02 00:00".into()));
        }
        assert_eq!(text(Period::week(date(2026, 3, 2)).unwrap()).0, "2026-03-02 00:00");
    }

    #[test]
    fn without_being_asked_it_is_the_seven_days_up_to_the_newest_event() {
        let newest_ms = Period::day(date(2026, 3, 8)).unwrap().since_ms() + 5 * 3_600_000;
        let period = Period::up_to(newest_ms).unwrap();
        assert_eq!(text(period), ("2026-03-02 00:00".into(), "2026-03-08 05:00".into()));
        assert!(period.contains(newest_ms) && !period.contains(newest_ms + 1));
        assert_eq!(period.day_numbers().count(), 7);
    }

    #[test]
    fn what_is_no_period_is_refused() {
        assert!(matches!(Period::new(5, 5), Err(PeriodError::Empty { .. })));
        assert!(matches!(Period::new(0, 367 * DAY_MS), Err(PeriodError::TooLong { days: 367 })));
        assert!(Period::new(i64::MIN, i64::MAX).is_err());
        let last = Period::day(Date::MAX);
        assert_eq!(last, Err(PeriodError::OutOfRange { date: Date::MAX }));
    }

    #[test]
    fn a_time_that_no_calendar_knows_breaks_nothing() {
        for newest_ms in [i64::MIN, i64::MAX] {
            let period = Period::up_to(newest_ms).unwrap();
            assert!(period.days() < 8.0 && period.day_numbers().count() <= 8);
            assert_eq!(time_text(newest_ms), format!("{newest_ms} ms"));
            assert!(day_text(newest_ms).starts_with("day "));
        }
    }

    #[test]
    fn lengths_are_written_in_their_two_largest_units() {
        let texts = [
            (-5, "0s"),
            (40_000, "40s"),
            (720_000, "12m"),
            (7_500_000, "2h 5m"),
            (86_400_000, "1d"),
            (86_460_000, "1d"),
        ];
        for (ms, text) in texts {
            assert_eq!(duration_text(ms), text);
        }
    }
}
