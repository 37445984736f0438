//! What the shards made of a batch, put together record by record in the order of the log.

use std::sync::Arc;

use bellwether_engine::{AlertCap, Counts, Event, Outputs, Score, Settings};

use super::checkpoint::{MergedHead, SavedPartition};
use super::error::HistoryError;
use super::judge::{Collect, Judged, Step};
use super::records::SavedRecords;
use super::summary::HistorySummary;

/// Takes the results of a replay, record by record.
pub(super) trait Sink: Send {
    /// Whether it wants judgements; without them shards write none down.
    fn wants_scores(&self) -> bool;

    /// Takes what was counted of some records.
    fn count(&mut self, counts: &Counts);

    /// Takes the judgements of a record, in no order, and its events in the order of the log.
    fn take(&mut self, scores: &mut [Score], events: Vec<Event>) -> Result<(), HistoryError>;

    /// Takes the state behind all that it was given.
    fn save(&mut self, state: SavedState) -> Result<(), HistoryError>;
}

/// The state of a replay, but for what is of its [`Sink`].
pub(super) struct SavedState {
    pub(super) records: SavedRecords,
    pub(super) merged: MergedHead,
    pub(super) cap: Vec<u8>,
    pub(super) partitions: Vec<SavedPartition>,
}

/// Puts results together, applies the cap on alerts, counts, and hands on.
pub(super) struct Merge<S> {
    cap: AlertCap,
    counts: Counts,
    summary: HistorySummary,
    sink: S,
}

impl<S: Sink> Merge<S> {
    pub(super) fn new(settings: &Arc<Settings>, sink: S) -> Self {
        let cap = AlertCap::new(Arc::clone(settings));
        Self { cap, counts: Counts::default(), summary: HistorySummary::default(), sink }
    }

    /// Goes on from a state that was saved.
    pub(super) fn resume(&mut self, merged: MergedHead, cap: AlertCap) {
        let MergedHead { counts, events, received } = merged;
        (self.cap, self.counts, self.summary.events) = (cap, counts, events);
        (self.summary.first_received_ms, self.summary.last_received_ms) = received.unzip();
    }

    /// What was counted, and who took the results.
    pub(super) fn finish(mut self) -> (HistorySummary, S) {
        self.summary.add_counts(&self.counts);
        (self.summary, self.sink)
    }

    fn head(&self) -> MergedHead {
        MergedHead {
            counts: self.counts,
            events: self.summary.events,
            received: self.summary.first_received_ms.zip(self.summary.last_received_ms),
        }
    }
}

impl<S: Sink> Collect for Merge<S> {
    fn wants_scores(&self) -> bool {
        self.sink.wants_scores()
    }

    fn collect(
        &mut self,
        steps: &[Step],
        mut judged: Vec<Judged>,
        saved: Option<Box<SavedRecords>>,
    ) -> Result<(), HistoryError> {
        for part in &judged {
            self.counts.add(&part.counts);
            self.sink.count(&part.counts);
        }
        let mut parts: Vec<_> = judged
            .iter_mut()
            .map(|part| (part.events.drain(..), &part.ends, &part.scores))
            .collect();
        let mut before = vec![(0, 0); parts.len()];
        for (index, step) in steps.iter().enumerate() {
            let mut outputs = Outputs::default();
            let mut scores = Vec::new();
            for ((events, ends, all_scores), before) in parts.iter_mut().zip(&mut before) {
                let end = ends[index];
                outputs.events.extend(events.by_ref().take(end.0 - before.0));
                scores.extend_from_slice(&all_scores[before.1..end.1]);
                *before = end;
            }
            outputs.sort();
            let events = self.cap.apply(outputs.events, step.elapsed_ms);
            for event in &events {
                self.summary.events.count(event);
            }
            self.sink.take(&mut scores, events)?;
        }
        drop(parts);
        if let (Some(first), Some(last)) = (steps.first(), steps.last()) {
            self.summary.first_received_ms.get_or_insert(first.received_at);
            self.summary.last_received_ms = Some(last.received_at);
        }
        let Some(records) = saved else { return Ok(()) };
        let mut cap = Vec::new();
        self.cap.save(&mut cap);
        let partitions = judged.into_iter().flat_map(|part| part.saved).collect();
        let (records, merged) = (*records, self.head());
        self.sink.save(SavedState { records, merged, cap, partitions })
    }
}
