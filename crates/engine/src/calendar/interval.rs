//! Recurring times, as Alertmanager's `time_intervals` say them.
//!
//! Every text that Alertmanager takes is taken and means the same. Beyond that, weekdays, months and times of day may
//! wrap around: `friday:monday`, `november:february`, 22:00 to 02:00. A range of times that wraps belongs to the
//! day on which it begins.

use std::ops::RangeInclusive;

use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Serialize};

use super::saved;
use super::zone::Zone;

const WEEKDAYS: [&str; 7] =
    ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAY_MINUTES: u16 = 24 * 60;

/// Times that are in all of its lists; a list that is empty takes every time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeInterval {
    /// Times of day.
    pub times: Vec<TimeRange>,
    /// Days of the week.
    pub weekdays: Vec<Weekdays>,
    /// Days of the month.
    pub days_of_month: Vec<DaysOfMonth>,
    /// Months of the year.
    pub months: Vec<Months>,
    /// Years.
    pub years: Vec<Years>,
    /// The zone whose clocks and calendar count.
    pub zone: Zone,
}

/// From one minute of the day to another, which is left out: 0 to 1440. Wraps past midnight if it ends before it
/// begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "saved::TimeRange")]
pub struct TimeRange {
    start: u16,
    end: u16,
}

/// Days of the week, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "saved::Range<u8>")]
pub struct Weekdays(u8, u8);

/// Days of the month, both ends included: 1 to 31, or -31 to -1 from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "saved::Range<i8>")]
pub struct DaysOfMonth(i8, i8);

/// Months, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "saved::Range<u8>")]
pub struct Months(u8, u8);

/// Years, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "saved::Range<i16>")]
pub struct Years(i16, i16);

impl TimeRange {
    /// The range between two texts such as `09:30` and `24:00`; `None` when one is no time of day or both are equal.
    pub fn parse(start: &str, end: &str) -> Option<Self> {
        Self::new(minute_of_day(start)?, minute_of_day(end)?)
    }

    /// The range between two minutes of the day.
    pub(super) fn new(start: u16, end: u16) -> Option<Self> {
        (start != end && start < DAY_MINUTES && end <= DAY_MINUTES).then_some(Self { start, end })
    }

    fn wraps(self) -> bool {
        self.end < self.start
    }
}

/// Minutes since midnight of a text such as `09:30`.
fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two_digits = |text: &str| {
        let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
    (minute < 60 && 60 * hour + minute <= DAY_MINUTES).then_some(60 * hour + minute)
}

impl Weekdays {
    /// The days that a text such as `monday` or `friday:monday` names.
    pub fn parse(text: &str) -> Option<Self> {
        let day = |text: &str| Some(position(&WEEKDAYS, text)? as u8);
        range(text, day).map(|(first, last)| Self(first, last))
    }

    /// The days between two, counted from Sunday, which is 0.
    pub(super) fn new(first: u8, last: u8) -> Option<Self> {
        (first < 7 && last < 7).then_some(Self(first, last))
    }

    fn takes(self, date: Date) -> bool {
        is_between(date.weekday().to_sunday_zero_offset() as u8, self.0, self.1)
    }
}

impl Months {
    /// The months that a text such as `may`, `5` or `november:february` names.
    pub fn parse(text: &str) -> Option<Self> {
        let month = |text: &str| match position(&MONTHS, text) {
            Some(place) => Some(place as u8 + 1),
            None => number(text, 1..=12),
        };
        range(text, month).map(|(first, last)| Self(first, last))
    }

    /// The months between two, counted from January, which is 1.
    pub(super) fn new(first: u8, last: u8) -> Option<Self> {
        let is_month = |month| (1..=12).contains(&month);
        (is_month(first) && is_month(last)).then_some(Self(first, last))
    }

    fn takes(self, date: Date) -> bool {
        is_between(date.month() as u8, self.0, self.1)
    }
}

impl Years {
    /// The years that a text such as `2026` or `2026:2028` names.
    pub fn parse(text: &str) -> Option<Self> {
        let (first, last) = range(text, |text| number(text, 1..=9999))?;
        Self::new(first, last)
    }

    /// The years between two, of 1 to 9999.
    pub(super) fn new(first: i16, last: i16) -> Option<Self> {
        (1 <= first && first <= last && last <= 9999).then_some(Self(first, last))
    }

    fn takes(self, date: Date) -> bool {
        (self.0..=self.1).contains(&date.year())
    }
}

impl DaysOfMonth {
    /// The days that a text such as `1:5`, `15` or `-3:-1` names.
    pub fn parse(text: &str) -> Option<Self> {
        let (first, last) = range(text, |text| number(text, -31..=31))?;
        Self::new(first, last)
    }

    /// The days between two, counted from 1, or backwards from -1.
    pub(super) fn new(first: i8, last: i8) -> Option<Self> {
        let is_day = |day| day != 0 && (-31..=31).contains(&day);
        if !is_day(first) || !is_day(last) {
            return None;
        }
        // A range from the end to the beginning has days in some months and none in others.
        let from_the_start = |day: i8| if day < 0 { 32 + day } else { day };
        let is_ordered = from_the_start(first) <= from_the_start(last) && (first > 0 || last < 0);
        is_ordered.then_some(Self(first, last))
    }

    fn takes(self, date: Date) -> bool {
        let days = date.days_in_month();
        let from_the_start = |day: i8| if day < 0 { days + day + 1 } else { day };
        (from_the_start(self.0)..=from_the_start(self.1)).contains(&date.day())
    }
}

/// The two ends of `first:last`, or twice the only one.
fn range<T: Copy>(text: &str, end: impl Fn(&str) -> Option<T>) -> Option<(T, T)> {
    match text.split_once(':') {
        Some((first, last)) => Some((end(first.trim())?, end(last.trim())?)),
        None => end(text.trim()).map(|only| (only, only)),
    }
}

fn position(names: &[&str], text: &str) -> Option<usize> {
    names.iter().position(|name| name.eq_ignore_ascii_case(text))
}

fn number<T: std::str::FromStr + PartialOrd>(text: &str, within: RangeInclusive<T>) -> Option<T> {
    text.parse().ok().filter(|number| within.contains(number))
}

/// Whether `value` is between `first` and `last`, which may lie behind the turn of the week or year.
fn is_between(value: u8, first: u8, last: u8) -> bool {
    if first <= last { (first..=last).contains(&value) } else { value >= first || value <= last }
}

/// Whether a time is within an interval, and for how long that answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// For the whole local day.
    Day(bool),
    /// For the local minute.
    Minute(bool),
}

impl TimeInterval {
    /// Whether `local`, a time on the clocks of [`TimeInterval::zone`], is one of its times.
    pub(super) fn takes(&self, local: DateTime) -> Answer {
        let date = local.date();
        let today = self.takes_day(date);
        if self.times.is_empty() {
            return Answer::Day(today);
        }
        let wraps = self.times.iter().any(|range| range.wraps());
        let yesterday = wraps && date.yesterday().is_ok_and(|date| self.takes_day(date));
        if !today && !yesterday {
            return Answer::Day(false);
        }
        let minute = local.hour() as u16 * 60 + local.minute() as u16;
        let takes = |range: &TimeRange| {
            let &TimeRange { start, end } = range;
            if range.wraps() {
                (today && minute >= start) || (yesterday && minute < end)
            } else {
                today && (start..end).contains(&minute)
            }
        };
        Answer::Minute(self.times.iter().any(takes))
    }

    fn takes_day(&self, date: Date) -> bool {
        let Self { times: _, weekdays, days_of_month, months, years, zone: _ } = self;
        any_or_empty(years, |years| years.takes(date))
            && any_or_empty(months, |months| months.takes(date))
            && any_or_empty(days_of_month, |days| days.takes(date))
            && any_or_empty(weekdays, |days| days.takes(date))
    }
}

fn any_or_empty<T: Copy>(list: &[T], takes: impl Fn(T) -> bool) -> bool {
    list.is_empty() || list.iter().any(|&entry| takes(entry))
}

#[cfg(test)]
mod tests;
