//! The records of a history one by one, for whoever hands them to an engine of their own.

use std::collections::VecDeque;
use std::sync::Arc;

use bellwether_engine::{NumberedSample, RecordBody, Samples};
use bellwether_series::{LabelSet, Timestamp};

use super::catalog::Catalog;
use super::error::HistoryError;
use super::feed::{Feed, Reading, Readings};
use super::input::Input;
use super::options::HistoryOptions;
use super::order::{Next, OrderOptions, Ordered};
use super::replay::{HistoryProgress, Watch};
use super::seconds::{Seconds, beats, end_behind};

/// A record of history.
#[derive(Debug)]
pub struct HistoryRecord {
    /// When it would have been received.
    pub received_at: Timestamp,
    series: Arc<Vec<LabelSet>>,
    /// Samples; none in a heartbeat.
    rows: Vec<NumberedSample>,
}

impl HistoryRecord {
    /// What it says.
    pub fn body(&self) -> RecordBody<'_> {
        if self.rows.is_empty() {
            return RecordBody::Heartbeat;
        }
        RecordBody::Samples(Samples { series: &self.series, rows: &self.rows })
    }
}

/// Gives the records that a replay hands to the engine.
pub struct HistoryTape<'a> {
    ordered: Ordered<'a>,
    seconds: Seconds<'a>,
    /// Its labels, once more for whoever has a record.
    series: Arc<Vec<LabelSet>>,
    lateness_ms: i64,
    last: Option<Timestamp>,
    beats: VecDeque<Timestamp>,
    /// The samples behind these heartbeats.
    waiting: Vec<NumberedSample>,
    is_ended: bool,
}

/// Hands the records of `inputs` to `act`, on this thread. All rows are sorted first: what is more than the memory that `options` give
/// goes into the temporary folder. Of `options` only what decides about records matters. `lateness_ms` is that of
/// the settings under which they are judged.
///
/// # Errors
/// When the history cannot be read. What comes later `act` is told.
pub fn with_history_records<T>(
    inputs: &[Input],
    options: &HistoryOptions,
    lateness_ms: i64,
    watch: &Watch<'_>,
    act: impl FnOnce(&mut HistoryTape<'_>) -> T,
) -> T {
    let (catalog, readings) = (Arc::new(Catalog::new(options.series_max)), Readings::default());
    let total_bytes = inputs.iter().map(|input| input.size_bytes).sum();
    let reading = Reading {
        mapping: &options.mapping,
        catalog: &catalog,
        readings: &readings,
        stop: watch.stop,
    };
    let mut feed = Feed::new(inputs, reading, watch.note);
    let source = Box::new(|rows: &mut Vec<NumberedSample>| {
        (watch.progress)(HistoryProgress {
            read_bytes: readings.done_bytes(),
            total_bytes,
            read_samples: readings.samples(),
            is_read: readings.is_done(),
            replayed_samples: 0,
            at: None,
        });
        feed.read(rows)
    });
    let folder = std::env::temp_dir();
    let order = OrderOptions { memory_bytes: options.memory_bytes, folder, sorts: true };
    act(&mut HistoryTape {
        ordered: Ordered::new(source, order),
        seconds: Seconds::new(&catalog, &options.exclusions),
        series: Arc::default(),
        lateness_ms,
        last: None,
        beats: VecDeque::new(),
        waiting: Vec::new(),
        is_ended: false,
    })
}

impl HistoryTape<'_> {
    /// The next record; `None` behind the last one.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn next_record(&mut self) -> Result<Option<HistoryRecord>, HistoryError> {
        loop {
            if let Some(at) = self.beats.pop_front() {
                return Ok(Some(self.record(at, Vec::new())));
            }
            if let Some(newest) = self.waiting.last() {
                let at = newest.at;
                let mut rows = std::mem::take(&mut self.waiting);
                self.seconds.sort(&mut rows);
                self.last = Some(at);
                return Ok(Some(self.record(at, rows)));
            }
            if self.is_ended {
                return Ok(None);
            }
            self.read()?;
        }
    }

    /// Reads a second, of which nothing may be left.
    fn read(&mut self) -> Result<(), HistoryError> {
        let mut cell = Vec::new();
        match self.ordered.next(&mut cell)? {
            Next::Cell => {}
            Next::End => {
                self.is_ended = true;
                if let Some(last) = self.last {
                    self.beats.extend(beats(last, end_behind(last, self.lateness_ms)));
                }
                return Ok(());
            }
            // What is sorted has none.
            Next::Disorder => return Err(HistoryError::Thread),
        }
        self.seconds.look_up(&cell);
        self.seconds.leave_out(&mut cell);
        let new = self.seconds.series().get(self.series.len()..).unwrap_or_default();
        if !new.is_empty() {
            // Nobody has a record any more, as a rule, and then nothing is copied.
            Arc::make_mut(&mut self.series).extend_from_slice(new);
        }
        if let (Some(before), Some(newest)) = (self.last, cell.last()) {
            self.beats.extend(beats(before, newest.at));
        }
        self.waiting = cell;
        Ok(())
    }

    fn record(&self, received_at: Timestamp, rows: Vec<NumberedSample>) -> HistoryRecord {
        HistoryRecord { received_at, series: Arc::clone(&self.series), rows }
    }
}
