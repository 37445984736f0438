//! Parts of a calendar as they are read back from the journal: what they may be is checked again.

use bellwether_series::Timestamp;
use serde::Deserialize;

use super::interval::{self, DaysOfMonth, Months, TimeInterval, Weekdays, Years};

/// Why a part of a calendar was refused.
#[derive(Debug, thiserror::Error)]
#[error("there is no such {0}")]
pub(super) struct NoSuch(&'static str);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Holiday {
    year: Option<i16>,
    month: i8,
    day: i8,
}

impl TryFrom<Holiday> for super::Holiday {
    type Error = NoSuch;

    fn try_from(Holiday { year, month, day }: Holiday) -> Result<Self, NoSuch> {
        // A year that has a 29th of February.
        let date = jiff::civil::Date::new(year.unwrap_or(2024), month, day);
        date.map(|_| Self { year, month, day }).map_err(|_| NoSuch("day"))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum MaintenanceTime {
    Once { start: Timestamp, end: Timestamp },
    Recurring(TimeInterval),
}

impl TryFrom<MaintenanceTime> for super::MaintenanceTime {
    type Error = NoSuch;

    fn try_from(time: MaintenanceTime) -> Result<Self, NoSuch> {
        match time {
            MaintenanceTime::Once { start, end } if start < end => Ok(Self::Once { start, end }),
            MaintenanceTime::Once { .. } => Err(NoSuch("time of maintenance")),
            MaintenanceTime::Recurring(interval) => Ok(Self::Recurring(interval)),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TimeRange {
    start: u16,
    end: u16,
}

impl TryFrom<TimeRange> for interval::TimeRange {
    type Error = NoSuch;

    fn try_from(TimeRange { start, end }: TimeRange) -> Result<Self, NoSuch> {
        Self::new(start, end).ok_or(NoSuch("range of times"))
    }
}

/// A range whose ends are numbers, both included.
#[derive(Deserialize)]
pub(super) struct Range<T>(T, T);

macro_rules! checked_range {
    ($range:ty, $number:ty, $what:literal) => {
        impl TryFrom<Range<$number>> for $range {
            type Error = NoSuch;

            fn try_from(Range(first, last): Range<$number>) -> Result<Self, NoSuch> {
                Self::new(first, last).ok_or(NoSuch($what))
            }
        }
    };
}

checked_range!(Weekdays, u8, "range of weekdays");
checked_range!(DaysOfMonth, i8, "range of days");
checked_range!(Months, u8, "range of months");
checked_range!(Years, i16, "range of years");
