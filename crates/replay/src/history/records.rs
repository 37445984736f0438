//! From seconds of history to records, as the engine would have got them live.
//!
//! All samples of a second are one record, received at the time of its last sample. While nothing happens there is a
//! heartbeat every ten seconds, as in `run`.

use std::sync::Arc;

use bellwether_engine::{
    Counts, Intake, NumberedSample, Outcome, Record, RecordBody, Samples, Settings, Shard, Work,
};
use bellwether_series::Timestamp;
use serde::{Deserialize, Serialize};

use super::catalog::Catalog;
use super::checkpoint::RecordsHead;
use super::error::HistoryError;
use super::events::Tap;
use super::judge::{Batch, Judges, Step};
use super::seconds::{Seconds, beats, end_behind};
use super::summary::HistorySummary;
use crate::exclude::Exclusions;

/// Samples and records that are judged in one go.
const BATCH_SAMPLES: usize = 1 << 16;
const BATCH_RECORDS: usize = 256;
/// Seed of the look-up hash, which shows in no result.
pub(super) const HASH_SEED: u64 = 6;

/// Makes records and has them judged.
pub(super) struct Recorder<'scope, 'c> {
    intake: Intake,
    catalog: &'c Catalog,
    seconds: Seconds<'c>,
    tap: Option<&'c mut dyn Tap>,
    /// Which shards there are to be work for, and how many there are of all parts.
    shards: (Vec<usize>, usize),
    scratch: Vec<Work>,
    pool: Vec<Work>,
    batch: Batch,
    batch_samples: usize,
    judges: Judges<'scope>,
    lateness_ms: i64,
    /// The time of the last sample that came, left out or not.
    taken_until: Option<Timestamp>,
    last: Option<Timestamp>,
    told: Told,
}

/// What a state of the replay begins with.
#[derive(Debug)]
pub(super) struct SavedRecords {
    pub(super) head: RecordsHead,
    pub(super) intake: Vec<u8>,
}

/// What the intake told of all records.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Told {
    requests: u64,
    heartbeats: u64,
    outcome: Outcome,
    counts: Counts,
    series: usize,
    samples: u64,
    excluded_samples: u64,
}

impl Told {
    pub(super) fn put_into(self, summary: &mut HistorySummary) {
        summary.records = self.requests + self.heartbeats;
        summary.requests = self.requests;
        summary.heartbeats = self.heartbeats;
        summary.series = self.series;
        summary.excluded_samples = self.excluded_samples;
        summary.add_counts(&self.counts);
        summary.add_outcome(&self.outcome);
    }
}

impl<'scope, 'c> Recorder<'scope, 'c> {
    pub(super) fn new(
        settings: &Arc<Settings>,
        catalog: &'c Catalog,
        exclusions: &'c Exclusions,
        tap: Option<&'c mut dyn Tap>,
        shards: (Vec<usize>, usize),
        judges: Judges<'scope>,
    ) -> Self {
        let work = shards.0.iter().map(|_| Vec::new()).collect();
        Self {
            intake: Intake::new(Arc::clone(settings), HASH_SEED),
            catalog,
            seconds: Seconds::new(catalog, exclusions),
            tap,
            scratch: (0..shards.1).map(|_| Work::default()).collect(),
            shards,
            pool: Vec::new(),
            batch: Batch { steps: Vec::new(), work, saved: None },
            batch_samples: 0,
            judges,
            lateness_ms: settings.ordering.lateness_ms,
            taken_until: None,
            last: None,
            told: Told::default(),
        }
    }

    /// Goes on from a state that was saved, whose intake is `intake`.
    pub(super) fn resume(&mut self, records: RecordsHead, intake: Intake) {
        let RecordsHead { taken_until, last, told } = records;
        self.intake = intake;
        (self.taken_until, self.last, self.told) = (Some(taken_until), last, told);
    }

    /// Whether all samples of a second whose last one is at `at` were taken before the replay was interrupted.
    pub(super) fn has_taken(&self, at: Timestamp) -> bool {
        self.taken_until.is_some_and(|until| at <= until)
    }

    /// Has the state saved that is reached when all that came is judged. False when nobody takes records any more.
    pub(super) fn save(&mut self) -> Result<bool, HistoryError> {
        // Of nothing there is no state.
        let Some(taken_until) = self.taken_until else { return Ok(true) };
        let (last, told) = (self.last, self.told.clone());
        let head = RecordsHead { taken_until, last, told };
        let intake = self.intake.save().encode();
        self.batch.saved = Some(Box::new(SavedRecords { head, intake }));
        self.hand_over()
    }

    /// Samples so far.
    pub(super) fn samples(&self) -> u64 {
        self.told.samples
    }

    /// The time of the newest record.
    pub(super) fn at(&self) -> Option<Timestamp> {
        self.last
    }

    /// Takes the samples of a second, in the order of time. False when nobody takes records any more.
    pub(super) fn take(&mut self, cell: &mut Vec<NumberedSample>) -> Result<bool, HistoryError> {
        self.taken_until = cell.last().map(|row| row.at).or(self.taken_until);
        self.seconds.look_up(cell);
        self.told.excluded_samples += self.seconds.leave_out(cell);
        if let Some(tap) = &mut self.tap {
            tap.tap(self.seconds.series(), cell);
        }
        let Some(last) = cell.last() else { return Ok(true) };
        let received_at = last.at;
        self.seconds.sort(cell);
        if let Some(before) = self.last
            && !self.be_quiet(before, received_at)?
        {
            return Ok(false);
        }
        let samples = Samples { series: self.seconds.series(), rows: cell };
        let record = Record { received_at, body: RecordBody::Samples(samples) };
        self.told.requests += 1;
        self.told.samples += cell.len() as u64;
        self.batch_samples += cell.len();
        let routed = self.intake.apply(&record, &mut self.scratch);
        self.told.counts.add(&routed.counts);
        self.add(&routed.outcome);
        self.last = Some(received_at);
        self.step(Step { received_at, elapsed_ms: routed.elapsed_ms })
    }

    /// Heartbeats between two records.
    fn be_quiet(&mut self, before: Timestamp, until: Timestamp) -> Result<bool, HistoryError> {
        for at in beats(before, until) {
            let record = Record { received_at: at, body: RecordBody::Heartbeat };
            let routed = self.intake.apply(&record, &mut self.scratch);
            self.told.heartbeats += 1;
            if !self.step(Step { received_at: at, elapsed_ms: routed.elapsed_ms })? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Adds what is in `scratch` to the batch.
    fn step(&mut self, step: Step) -> Result<bool, HistoryError> {
        self.batch.steps.push(step);
        for (work, &number) in self.batch.work.iter_mut().zip(&self.shards.0) {
            let empty = self.pool.pop().unwrap_or_default();
            work.push(std::mem::replace(&mut self.scratch[number], empty));
        }
        if self.shards.0.len() < self.shards.1 {
            // Others judge those.
            self.scratch.iter_mut().for_each(Work::clear);
        }
        if self.batch_samples >= BATCH_SAMPLES || self.batch.steps.len() >= BATCH_RECORDS {
            return self.hand_over();
        }
        Ok(true)
    }

    fn hand_over(&mut self) -> Result<bool, HistoryError> {
        self.batch_samples = 0;
        self.judges.hand_over(&mut self.batch, &mut self.pool)
    }

    fn add(&mut self, outcome: &Outcome) {
        let sum = &mut self.told.outcome;
        sum.accepted_samples += outcome.accepted_samples;
        for (sum, count) in sum.rejected_samples.iter_mut().zip(outcome.rejected_samples) {
            *sum += count;
        }
    }

    /// Has the rest judged, and what was held back for later samples; waits until everything is written. What was learned comes
    /// with what was told.
    pub(super) fn finish(mut self) -> Result<(Told, Intake, Vec<Shard>), HistoryError> {
        let mut goes_on = true;
        if let Some(last) = self.last {
            goes_on = self.be_quiet(last, end_behind(last, self.lateness_ms))?;
        }
        if goes_on {
            self.hand_over()?;
        }
        // Not those that the intake knows by now: of history that is all a part, the rest has fallen silent.
        self.told.series = self.catalog.len();
        let shards = self.judges.finish()?;
        Ok((self.told, self.intake, shards))
    }
}
