//! Days in UTC and the names of the files of each.
//!
//! ```text
//! FOLDER/day=2026-01-05/events-00001.parquet
//! ```
//!
//! `day=…` is how Hive names a partition; Spark, pandas and others show it as a column. A file that is being
//! written is hidden from them by its leading dot.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use jiff::civil::{Date, date};
use jiff::{SignedDuration, ToSpan};

const DAY_MS: i64 = 86_400_000;
const EPOCH: Date = date(1970, 1, 1);

/// A day in UTC, in years 1 to 9999: events outside these are filed under the first and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day {
    since_epoch: i32,
}

impl Day {
    const FIRST: i64 = -719_162;
    const LAST: i64 = 2_932_896;

    /// The day of an event time in milliseconds.
    pub(crate) fn of(at_ms: i64) -> Self {
        let day = at_ms.div_euclid(DAY_MS).clamp(Self::FIRST, Self::LAST);
        Self { since_epoch: day as i32 }
    }

    /// Whether `self` began more than `keep_ms` before `newest` did.
    pub(crate) fn is_older_than(self, keep_ms: u64, newest: Self) -> bool {
        let age_days = i64::from(newest.since_epoch) - i64::from(self.since_epoch);
        u64::try_from(age_days * DAY_MS).is_ok_and(|age_ms| age_ms > keep_ms)
    }

    fn date(self) -> Date {
        EPOCH.saturating_add(self.since_epoch.days())
    }

    /// The day of a folder called `name`, if that is how this module names one.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let date: Date = name.strip_prefix("day=")?.parse().ok()?;
        let days = date.duration_since(EPOCH).as_secs() / SignedDuration::from_hours(24).as_secs();
        let day = Self { since_epoch: i32::try_from(days).ok()? };
        (day.to_string() == name).then_some(day)
    }
}

/// The name of the day's folder.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "day={}", self.date())
    }
}

/// Name of the part `number` of a day.
pub(crate) fn part_name(number: u32) -> String {
    format!("events-{number:05}.parquet")
}

/// Name of that part while it is being written.
pub(crate) fn unfinished_name(number: u32) -> String {
    format!(".{}.tmp", part_name(number))
}

/// A file of a day's folder that is ours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OurFile {
    /// A complete part and its number.
    Part(u32),
    /// What a crash left behind while a part was written.
    Unfinished,
}

impl OurFile {
    fn parse(name: &str) -> Option<Self> {
        let number = |name: &str| {
            let digits = name.strip_prefix("events-")?.strip_suffix(".parquet")?;
            let number = digits.parse().ok()?;
            (part_name(number) == name).then_some(number)
        };
        match name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp")) {
            Some(name) => number(name).map(|_| Self::Unfinished),
            None => number(name).map(Self::Part),
        }
    }
}

/// The days of which `folder` has a folder, oldest first.
pub(crate) fn days_in(folder: &Path) -> io::Result<Vec<Day>> {
    let mut days = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // Not through links: whatever is beyond one is not ours to delete.
        if entry.file_type()?.is_dir() {
            days.extend(entry.file_name().to_str().and_then(Day::parse));
        }
    }
    days.sort_unstable();
    Ok(days)
}

/// Our files in the folder of one day, parts in order of their numbers.
pub(crate) fn files_of(day_folder: &Path) -> io::Result<Vec<(OurFile, PathBuf)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(day_folder)? {
        let entry = entry?;
        if let Some(file) = entry.file_name().to_str().and_then(OurFile::parse) {
            files.push((file, entry.path()));
        }
    }
    files.sort_by_key(|(file, _)| match file {
        OurFile::Part(number) => Some(*number),
        OurFile::Unfinished => None,
    });
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_named_by_its_date_in_utc() {
        // date -u -d '2026-01-05' +%s
        let midnight_ms = 1_767_571_200_000;
        assert_eq!(Day::of(midnight_ms).to_string(), "day=2026-01-05");
        assert_eq!(Day::of(midnight_ms - 1).to_string(), "day=2026-01-04");
        assert_eq!(Day::of(-1).to_string(), "day=1969-12-31");
        assert_eq!(Day::of(i64::MIN).to_string(), "day=0001-01-01");
        assert_eq!(Day::of(i64::MAX).to_string(), "day=9999-12-31");
    }

    #[test]
    fn names_are_read_back_and_only_ours() {
        for at_ms in [i64::MIN, -1, 0, 1_767_571_200_000, i64::MAX] {
            let day = Day::of(at_ms);
            assert_eq!(Day::parse(&day.to_string()), Some(day));
        }
        for name in ["2026-01-05", "day=20260105", "day=2026-1-5", "day=2026-02-30", "day="] {
            assert_eq!(Day::parse(name), None, "{name}");
        }
        assert_eq!(OurFile::parse(&part_name(7)), Some(OurFile::Part(7)));
        assert_eq!(OurFile::parse(&part_name(123_456)), Some(OurFile::Part(123_456)));
        assert_eq!(OurFile::parse(&unfinished_name(7)), Some(OurFile::Unfinished));
        for name in ["events-7.parquet", "events-00007.parquet.tmp", "x.parquet", ".tmp"] {
            assert_eq!(OurFile::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_day_is_old_when_it_began_too_long_before_the_newest() {
        let day = |n: i64| Day::of(n * DAY_MS);
        assert!(!day(10).is_older_than(2 * DAY_MS as u64, day(12)));
        assert!(day(9).is_older_than(2 * DAY_MS as u64, day(12)));
        assert!(!day(13).is_older_than(0, day(12)));
    }
}
