//! What the shards made of a batch, put together record by record in the order of the log.

use std::sync::Arc;

use bellwether_engine::{AlertCap, Counts, Event, Outputs, Settings};

use super::checkpoint::{MergedHead, SavedPartition};
use super::error::HistoryError;
use super::judge::{Collect, Judged, Step};
use super::records::SavedRecords;
use super::summary::HistorySummary;
use crate::report::Judgements;

/// Takes the results of a replay, record by record.
pub(super) trait Sink: Send {
    /// Whether it wants judgements; without them shards write none down.
    fn wants_scores(&self) -> bool;

    /// Takes what was counted of some records.
    fn count(&mut self, counts: &Counts);

    /// Takes the judgements of these records, by shard.
    fn begin(&mut self, judgements: Vec<Judgements>);

    /// Takes the events of one of these records after the other, in the order of the log.
    fn take(&mut self, record: usize, events: Vec<Event>) -> Result<(), HistoryError>;

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
    pub(super) fn resume(&mut self, merged: &MergedHead, cap: AlertCap) {
        let MergedHead { counts, events, received } = *merged;
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
        judged: Vec<Judged>,
        saved: Option<Box<SavedRecords>>,
    ) -> Result<(), HistoryError> {
        let (mut all_events, mut judgements, mut partitions) = (Vec::new(), Vec::new(), Vec::new());
        for Judged { events, scores, counts, saved } in judged {
            self.counts.add(&counts);
            self.sink.count(&counts);
            all_events.extend(events);
            judgements.push(scores);
            partitions.extend(saved);
        }
        all_events.sort_by_key(|(record, _)| *record);
        let mut all_events = all_events.into_iter().peekable();
        self.sink.begin(judgements);
        for (index, step) in steps.iter().enumerate() {
            let mut outputs = Outputs::default();
            while let Some((_, event)) = all_events.next_if(|(record, _)| *record == index) {
                outputs.events.push(event);
            }
            outputs.sort();
            let events = self.cap.apply(outputs.events, step.elapsed_ms);
            for event in &events {
                self.summary.events.count(event);
            }
            self.sink.take(index, events)?;
        }
        if let (Some(first), Some(last)) = (steps.first(), steps.last()) {
            self.summary.first_received_ms.get_or_insert(first.received_at);
            self.summary.last_received_ms = Some(last.received_at);
        }
        let Some(records) = saved else { return Ok(()) };
        let mut cap = Vec::new();
        self.cap.save(&mut cap);
        let (records, merged) = (*records, self.head());
        self.sink.save(SavedState { records, merged, cap, partitions })
    }
}
