//! What the shards made of a batch, put together record by record in the order of the log.

use std::sync::Arc;

use bellwether_engine::{AlertCap, Counts, Event, Outputs, Score, Settings};

use super::error::HistoryError;
use super::judge::{Collect, Judged, Step};
use super::summary::HistorySummary;

/// Takes the results of a replay, record by record.
pub(super) trait Sink: Send {
    /// Whether it wants judgements; without them shards write none down.
    fn wants_scores(&self) -> bool;

    /// Takes what was counted of some records.
    fn count(&mut self, counts: &Counts);

    /// Takes the judgements of a record, in no order, and its events in the order of the log.
    fn take(&mut self, scores: &mut [Score], events: Vec<Event>) -> Result<(), HistoryError>;
}

/// Puts results together, applies the cap on alerts, counts, and hands on.
pub(super) struct Merge<S> {
    cap: AlertCap,
    pub(super) summary: HistorySummary,
    pub(super) sink: S,
}

impl<S> Merge<S> {
    pub(super) fn new(settings: &Arc<Settings>, sink: S) -> Self {
        let cap = AlertCap::new(Arc::clone(settings));
        Self { cap, summary: HistorySummary::default(), sink }
    }
}

impl<S: Sink> Collect for Merge<S> {
    fn wants_scores(&self) -> bool {
        self.sink.wants_scores()
    }

    fn collect(&mut self, steps: &[Step], mut judged: Vec<Judged>) -> Result<(), HistoryError> {
        for part in &judged {
            self.summary.add_counts(&part.counts);
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
        if let (Some(first), Some(last)) = (steps.first(), steps.last()) {
            self.summary.first_received_ms.get_or_insert(first.received_at);
            self.summary.last_received_ms = Some(last.received_at);
        }
        Ok(())
    }
}
