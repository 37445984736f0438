//! The report of a replay: `report.html`, one page with plots that needs nothing else.
//!
//! Its figures are those of [`Report`](super::Report) on the events that the replay wrote. What events do not say, judgements
//! around alerts and how well they are calibrated, an [`Observer`] gathers while the replay goes on.

mod calibration;
mod incidents;
mod judgements;
mod page;
mod plot;
mod recent;
mod tracks;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use bellwether_engine::{Counts, Event, Score, Settings};
use bellwether_eventlog::Wanted;
use bellwether_series::Timestamp;
use serde::{Deserialize, Serialize};

use super::episodes::Episodes;
use super::period::{DAY_MS, Period};
use calibration::Calibration;
pub(crate) use judgements::Judgements;
use tracks::Tracks;

/// Longest time that a report is about, in days.
const DAYS_MAX: i64 = 366;

/// Why there is no page.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What a replay was about, in its own words.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// When the first and when the last record was received; `None` if there was none.
    pub(crate) received: Option<(Timestamp, Timestamp)>,
    /// Samples that were taken, and those that were judged.
    pub(crate) samples: (u64, u64),
    /// Series known at the end.
    pub(crate) series: usize,
    /// Which part of the series it is about, from 1, and of how many.
    pub(crate) part: (usize, usize),
    /// Whether all of it was replayed.
    pub(crate) is_complete: bool,
}

/// Hears what a replay judges. It can be saved, and goes on as if there had been no interruption. Its memory is bounded by
/// what it is given and by the number of alerts that it follows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Observer {
    tracks: Tracks,
    calibration: Calibration,
}

impl Observer {
    /// Keeps at most `memory_bytes` of the newest judgements, to show what there was before an alert.
    pub(crate) fn new(memory_bytes: usize) -> Self {
        Self { tracks: Tracks::new(memory_bytes), calibration: Calibration::default() }
    }

    /// Takes the judgements and the events of a record. Judgements of a series are in the order of time.
    pub(crate) fn take(&mut self, scores: &[Score], events: &[Event]) {
        self.begin(vec![Judgements::of_record(scores.to_vec())]);
        self.hear(0, events);
    }

    /// Takes the judgements of some records, by shard. What is heard next is about these.
    pub(crate) fn begin(&mut self, judgements: Vec<Judgements>) {
        for part in &judgements {
            self.calibration.take(part.all());
        }
        self.tracks.begin(judgements);
    }

    /// Takes the events of one of these records after the other.
    pub(crate) fn hear(&mut self, record: usize, events: &[Event]) {
        self.tracks.hear_all(record, events);
    }

    /// The judgements of one of these records.
    pub(crate) fn judged(&self, record: usize) -> impl Iterator<Item = &[Score]> {
        self.tracks.judged(record)
    }

    /// Takes what was counted of some records.
    pub(crate) fn count(&mut self, counts: &Counts) {
        self.calibration.count(counts);
    }

    /// Writes `report.html` to `folder`, about the events that are in `events.jsonl` there.
    ///
    /// # Errors
    /// When these cannot be read, or the page cannot be written.
    pub(crate) fn write(
        self,
        folder: &Path,
        facts: &Facts,
        settings: &Settings,
    ) -> Result<(), Cause> {
        let mut episodes = Episodes::new(period(facts)?);
        for event in bellwether_eventlog::read(&folder.join("events.jsonl"), Wanted::default())? {
            episodes.take(&event?);
        }
        let page = page::page(&episodes.finish(), &self, facts, settings)?;
        Ok(fs::write(folder.join("report.html"), page)?)
    }
}

/// All of the replay, or its last 366 days: each day is a bar.
fn period(facts: &Facts) -> Result<Period, super::PeriodError> {
    let (first_ms, last_ms) =
        facts.received.map_or((0, 0), |(first, last)| (first.as_ms(), last.as_ms()));
    let until_ms = last_ms.saturating_add(1);
    let since_ms = first_ms.max(until_ms.saturating_sub(DAYS_MAX * DAY_MS));
    Period::new(since_ms.min(until_ms - 1), until_ms)
}
