//! Time zone, holidays and maintenance, as they are written.

use bellwether_engine::{Calendar, Zone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

// Lengths are bound in macros, which take no names.
const _: () = assert!(Calendar::MAINTENANCE_MAX == 64);

/// Time zone, holidays and maintenance.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Calendar")]
pub(in crate::config) struct RawCalendar {
    /// Zone whose hours and days the profiles of `seasonal` follow, through every change of clocks: a name of the IANA
    /// database, which comes with bellwether.
    #[schemars(example = &"Europe/Berlin", extend("x-type" = "time zone"))]
    pub time_zone: String,
    /// Days that are like Sundays: `2026-12-25` once, `12-25` every year.
    #[schemars(length(max = 1000), example = ["2026-04-03", "12-25"], extend("x-type" = "list of dates"))]
    pub holidays: Vec<String>,
    /// Planned work: what the series do meanwhile is neither judged nor learned from, and open alerts of theirs resolve.
    #[schemars(length(max = 64))]
    pub maintenance: Vec<RawMaintenance>,
}

impl Default for RawCalendar {
    fn default() -> Self {
        Self {
            time_zone: Zone::UTC.name().to_owned(),
            holidays: Vec::new(),
            maintenance: Vec::new(),
        }
    }
}

/// Planned work on some series.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Maintenance")]
pub(in crate::config) struct RawMaintenance {
    /// What people call it.
    #[schemars(example = &"Database upgrade", length(max = 200))]
    #[schemars(required)]
    pub name: Option<String>,
    /// PromQL selectors of the series that it is about.
    #[schemars(length(max = 100), example = ["{job=\"postgres\"}"])]
    #[schemars(required, extend("x-type" = "list of selectors"))]
    pub r#match: Option<Vec<String>>,
    /// When: at any of these. Each says `start` and `end` for a time that comes once, or when it recurs, as Alertmanager's
    /// `time_intervals` do: at times that are in all of the lists given.
    #[schemars(length(max = 100))]
    #[schemars(required)]
    pub time_intervals: Option<Vec<RawTimeInterval>>,
}

/// A time that comes once, or times that recur.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "TimeInterval")]
pub(in crate::config) struct RawTimeInterval {
    /// Beginning of a time that comes once, as RFC 3339 writes it.
    #[schemars(example = &"2026-12-24T22:00:00+01:00", extend("x-type" = "time"))]
    pub start: Option<String>,
    /// The end of a time that comes once; it is no part of it.
    #[schemars(example = &"2026-12-25T02:00:00+01:00", extend("x-type" = "time"))]
    pub end: Option<String>,
    /// Times of the day.
    #[schemars(length(max = 100))]
    pub times: Vec<RawTimeRange>,
    /// Days of the week, or ranges of them. A range may wrap: `friday:monday`.
    #[schemars(length(max = 100), example = ["saturday", "monday:wednesday"])]
    #[schemars(extend("x-type" = "list of weekdays"))]
    pub weekdays: Vec<String>,
    /// Days of the month, or ranges of them: 1 to 31, or -1 to -31 from its end.
    #[schemars(length(max = 100), example = ["1:7", "-1"])]
    #[schemars(extend("x-type" = "list of days"))]
    pub days_of_month: Vec<String>,
    /// Months by name or number, or ranges of them. A range may wrap: `november:february`.
    #[schemars(length(max = 100), example = ["march", "6:8"])]
    #[schemars(extend("x-type" = "list of months"))]
    pub months: Vec<String>,
    /// Years, or ranges of them.
    #[schemars(length(max = 100), example = ["2026:2028"])]
    #[schemars(extend("x-type" = "list of years"))]
    pub years: Vec<String>,
    /// Zone of these times; without it, that of `calendar.time_zone`.
    #[schemars(example = &"America/New_York", extend("x-type" = "time zone"))]
    pub location: Option<String>,
}

/// From one time of the day until another.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TimeRange")]
pub(in crate::config) struct RawTimeRange {
    /// First minute, as `HH:MM`.
    #[schemars(example = &"22:00", extend("x-type" = "time of day"))]
    #[schemars(required)]
    pub start_time: Option<String>,
    /// The minute at which it is over, up to `24:00`. Before `start_time` it is one of the next day.
    #[schemars(example = &"02:00", extend("x-type" = "time of day"))]
    #[schemars(required)]
    pub end_time: Option<String>,
}
