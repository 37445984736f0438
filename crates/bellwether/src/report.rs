//! `bellwether report`: what the event log says about a day or a week.

mod text;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use bellwether_eventlog::{ReadError, Wanted};
use bellwether_replay::report::{Period, Report, counted, html};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::cli::{ReportArgs, ReportFormat};
use crate::config::Config;
use crate::output;
use crate::usage::wrong;

pub(crate) use text::wrap;

/// Faults of the log that are shown one by one.
const FAULTS_SHOWN_MAX: u64 = 3;
const WEEK_MS: i64 = 7 * 86_400_000;

/// Reports on an event log.
///
/// # Errors
/// When the configuration is wrong, no event can be read, there is no such period, or the report cannot be
/// written.
pub fn report(args: &ReportArgs) -> anyhow::Result<()> {
    let config = Config::load(args.config.as_deref())?;
    let path = match &args.events {
        Some(path) => path.clone(),
        None => log_path(args, &config)?,
    };
    let period = period(args, &path)?;
    let report = make(&path, period, &config)?;
    let text = match args.format {
        ReportFormat::Text => text::text(&report),
        ReportFormat::Json => output::json(&report)?,
        ReportFormat::Html => html(&report)?,
    };
    match &args.output {
        None => output::print(&text),
        Some(path) => fs::write(path, text)
            .with_context(|| format!("report cannot be written: path=`{}`", path.display())),
    }
}

/// Reads a time, or a date as its midnight, as Unix milliseconds; without an offset both are in UTC.
///
/// # Errors
/// When `text` is neither.
pub fn parse_moment(text: &str) -> Result<i64, String> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(time.as_millisecond());
    }
    // The zone of a time that says one and no offset is passed over by jiff.
    let civil = Some(text).filter(|text| !text.contains('[')).map(str::parse::<DateTime>);
    match civil.and_then(|civil| civil.ok()?.to_zoned(TimeZone::UTC).ok()) {
        Some(time) => Ok(time.timestamp().as_millisecond()),
        None => Err("expected a date like 2026-03-01 or a time like 2026-03-01T12:00:00Z".into()),
    }
}

/// Reads a date, and no time: what a day or a week is asked for by.
///
/// # Errors
/// When `text` is none.
pub fn parse_day(text: &str) -> Result<Date, String> {
    // A time is a date to jiff, which leaves the hours out.
    let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
    date.ok_or_else(|| "expected a date like 2026-03-01".to_owned())
}

/// The event log of the data folder.
fn log_path(args: &ReportArgs, config: &Config) -> anyhow::Result<PathBuf> {
    let folder = args.data_dir.as_ref().unwrap_or(&config.data_dir);
    let path = folder.join(&config.sinks.event_log_folder);
    if !path.exists() {
        bail!(
            "there is no event log: path=`{}`; name one, or the data folder with --data-dir",
            path.display()
        );
    }
    Ok(path)
}

/// The period that was asked for; else the seven days up to the newest event.
fn period(args: &ReportArgs, path: &Path) -> anyhow::Result<Period> {
    let period = match (args.day, args.week, args.since, args.until) {
        (Some(day), ..) => Period::day(day),
        (None, Some(week), ..) => Period::week(week),
        (None, None, Some(since_ms), Some(until_ms)) => Period::new(since_ms, until_ms),
        (None, None, None, Some(until_ms)) => {
            Period::new(until_ms.saturating_sub(WEEK_MS), until_ms)
        }
        (None, None, Some(since_ms), None) => {
            Period::new(since_ms, newest_ms(path)?.saturating_add(1))
        }
        (None, None, None, None) => Period::up_to(newest_ms(path)?),
    };
    period.map_err(|error| wrong(error.to_string()))
}

/// Time of the newest event at `path`; now, when there is none.
fn newest_ms(path: &Path) -> Result<i64, ReadError> {
    let events = bellwether_eventlog::read(path, Wanted::default())?;
    let newest = events.flatten().map(|event| event.at_ms.as_ms()).max();
    Ok(newest.unwrap_or_else(|| jiff::Timestamp::now().as_millisecond()))
}

/// The report on what can be read at `path`; complains of the rest.
fn make(path: &Path, period: Period, config: &Config) -> anyhow::Result<Report> {
    let wanted = Wanted { since_ms: Some(period.since_ms()), until_ms: Some(period.until_ms()) };
    let mut faults = Faults::default();
    let events = bellwether_eventlog::read(path, wanted)?;
    let events = events.filter_map(|event| event.map_err(|error| faults.take(error)).ok());
    let mut report = Report::new(events, period, &config.engine.budget);
    report.read.unreadable = faults.count;
    // A log of which nothing can be read is not a quiet one.
    if report.read.events == 0
        && let Some(first) = faults.first.take()
        && !bellwether_eventlog::read(path, Wanted::default())?.any(|event| event.is_ok())
    {
        return Err(anyhow::Error::new(first).context("the event log cannot be read"));
    }
    faults.complain(path);
    Ok(report)
}

/// What could not be read.
#[derive(Default)]
struct Faults {
    count: u64,
    first: Option<ReadError>,
    shown: Vec<String>,
}

impl Faults {
    fn take(&mut self, error: ReadError) {
        self.count += 1;
        if self.count <= FAULTS_SHOWN_MAX {
            self.shown.push(error.to_string());
        }
        self.first.get_or_insert(error);
    }

    fn complain(&self, path: &Path) {
        for fault in &self.shown {
            output::warn(fault);
        }
        if let Some(more @ 1..) = self.count.checked_sub(FAULTS_SHOWN_MAX) {
            let more = counted(more, "more part");
            output::warn(&format!("{more} of the log cannot be read: path=`{}`", path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_an_offset_is_in_utc_and_a_date_is_its_midnight() {
        const MIDNIGHT_MS: i64 = 1_750_032_000_000;
        const HOUR_MS: i64 = 3_600_000;
        for (text, after_ms) in [
            ("2025-06-16", 0),
            ("2025-06-16T03:00:00", 3 * HOUR_MS),
            ("2025-06-16 03:00", 3 * HOUR_MS),
            ("2025-06-16T03:00:00.25", 3 * HOUR_MS + 250),
            ("2025-06-16T03:00:00Z", 3 * HOUR_MS),
            ("2025-06-16T03:00:00+02:00", HOUR_MS),
        ] {
            assert_eq!(parse_moment(text), Ok(MIDNIGHT_MS + after_ms), "{text}");
        }
        for text in ["yesterday", "03:00:00", "2025-06-16T03:00:00[Europe/Berlin]"] {
            assert!(parse_moment(text).unwrap_err().contains("expected a date"), "{text}");
        }
    }

    #[test]
    fn a_day_is_a_date_and_no_time() {
        assert_eq!(parse_day("2025-06-16"), Ok(jiff::civil::date(2025, 6, 16)));
        for text in ["2025-06-16T05:00:00", "2025-06-16T05:00:00Z", "2025-06-31", "monday"] {
            assert!(parse_day(text).unwrap_err().contains("expected a date"), "{text}");
        }
    }
}
