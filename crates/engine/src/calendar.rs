//! The calendar of the people whose work gives signals their rhythm: time zone, holidays, maintenance.
//!
//! Everything is judged by the event time of a sample, so a replay meets the same holidays and windows. A
//! calendar is asked once per sample; [`Clock`] remembers each answer for as long as it holds.

mod clock;
mod interval;
mod saved;
mod windows;
mod zone;

use std::sync::Arc;

use bellwether_series::{LabelSet, Matchers, Timestamp};
use serde::{Deserialize, Serialize};

pub(crate) use self::clock::Clock;
pub use self::interval::{DaysOfMonth, Months, TimeInterval, TimeRange, Weekdays, Years};
pub(crate) use self::windows::WindowSet;
use self::windows::Windows;
pub use self::zone::Zone;

/// Time zone, holidays and maintenance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Calendar {
    /// The zone whose hours and days the profiles of signals follow.
    pub zone: Zone,
    /// Days that are like Sundays.
    pub holidays: Vec<Holiday>,
    /// What is neither judged nor learned from; at most [`Calendar::MAINTENANCE_MAX`].
    pub maintenance: Vec<Maintenance>,
}

impl Default for Calendar {
    fn default() -> Self {
        Self { zone: Zone::UTC, holidays: Vec::new(), maintenance: Vec::new() }
    }
}

impl Calendar {
    /// Most entries of [`Calendar::maintenance`].
    pub const MAINTENANCE_MAX: usize = 64;

    /// The entries of [`Calendar::maintenance`] that are about a series with these labels.
    fn maintenance_of(&self, labels: &LabelSet) -> Windows {
        let windows = self.maintenance.iter().take(Self::MAINTENANCE_MAX).enumerate();
        let matching = windows.filter(|(_, window)| window.is_about(labels));
        matching.map(|(index, _)| index).collect()
    }

    fn is_holiday(&self, date: jiff::civil::Date) -> bool {
        self.holidays.iter().any(|holiday| holiday.is_on(date))
    }
}

/// A day that is like a Sunday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "saved::Holiday")]
pub struct Holiday {
    /// The only year; `None` for every year.
    year: Option<i16>,
    month: i8,
    day: i8,
}

impl Holiday {
    /// The holiday that a text such as `2026-12-25`, or `12-25` for every year, names; `None` when there is no such
    /// day.
    pub fn parse(text: &str) -> Option<Self> {
        let is_yearly = text.len() == "12-25".len();
        // A year that has a 29th of February.
        let whole = if is_yearly { format!("2024-{text}") } else { text.to_owned() };
        let is_plain = whole.len() == "2026-12-25".len()
            && whole.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
        let date = whole.parse::<jiff::civil::Date>().ok().filter(|_| is_plain)?;
        let year = (!is_yearly).then_some(date.year());
        Some(Self { year, month: date.month(), day: date.day() })
    }

    fn is_on(self, date: jiff::civil::Date) -> bool {
        self.year.is_none_or(|year| year == date.year())
            && (self.month, self.day) == (date.month(), date.day())
    }
}

/// Planned work on some series: what they do meanwhile is neither judged nor learned from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// What people call it.
    pub name: Arc<str>,
    /// The series that it is about: those that any of these matches.
    pub matchers: Vec<Matchers>,
    /// When: at any of these.
    pub times: Vec<MaintenanceTime>,
}

impl Maintenance {
    fn is_about(&self, labels: &LabelSet) -> bool {
        self.matchers.iter().any(|matchers| matchers.matches(labels))
    }
}

/// When maintenance takes place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "saved::MaintenanceTime")]
pub enum MaintenanceTime {
    /// Once.
    Once {
        /// From this event time on.
        start: Timestamp,
        /// Until just before this one.
        end: Timestamp,
    },
    /// Time and again.
    Recurring(TimeInterval),
}

impl MaintenanceTime {
    /// From one time until just before another, as a text of RFC 3339 each; `None` when they are none, or the
    /// second is not after the first.
    pub fn once(start: &str, end: &str) -> Option<Self> {
        let (start, end) = (instant(start)?, instant(end)?);
        (start < end).then_some(Self::Once { start, end })
    }
}

/// The event time that a text of RFC 3339 such as `2026-12-24T22:00:00+01:00` names.
pub fn instant(text: &str) -> Option<Timestamp> {
    let instant = text.parse::<jiff::Timestamp>().ok()?;
    Some(Timestamp::from_ms(instant.as_millisecond()))
}

#[cfg(test)]
mod daylight;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holidays_are_days_that_exist() {
        let holiday =
            |text| Holiday::parse(text).map(|Holiday { year, month, day }| (year, month, day));
        assert_eq!(holiday("2026-12-25"), Some((Some(2026), 12, 25)));
        assert_eq!(holiday("12-25"), Some((None, 12, 25)));
        assert_eq!(holiday("02-29"), Some((None, 2, 29)));
        for text in
            ["2026-02-29", "13-01", "00-01", "12-32", "1-1", "25.12.", "", "2026-12-25T00:00"]
        {
            assert_eq!(holiday(text), None, "{text}");
        }
        assert_eq!(holiday("20261225"), None);
    }

    #[test]
    fn a_yearly_holiday_is_on_that_day_of_every_year() {
        let date = |text: &str| text.parse::<jiff::civil::Date>().unwrap();
        let (once, yearly) = (Holiday::parse("2026-05-01"), Holiday::parse("05-01"));
        for (text, is_once, is_yearly) in
            [("2026-05-01", true, true), ("2027-05-01", false, true), ("2026-05-02", false, false)]
        {
            assert_eq!(once.unwrap().is_on(date(text)), is_once, "{text}");
            assert_eq!(yearly.unwrap().is_on(date(text)), is_yearly, "{text}");
        }
    }

    #[test]
    fn instants_say_where_they_are() {
        assert_eq!(instant("2026-12-24T22:00:00+01:00"), instant("2026-12-24T21:00:00Z"));
        assert_eq!(instant("1970-01-01T00:00:01.5Z"), Some(Timestamp::from_ms(1500)));
        assert_eq!(instant("2026-12-24T22:00:00"), None);
        assert_eq!(instant("2026-12-24"), None);
        let (early, late) = ("2026-12-24T22:00:00Z", "2026-12-25T22:00:00Z");
        assert!(MaintenanceTime::once(early, late).is_some());
        assert_eq!(MaintenanceTime::once(late, early), None);
        assert_eq!(MaintenanceTime::once(early, early), None);
    }
}
