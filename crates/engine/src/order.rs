//! Event-time order within a series.
//!
//! With a lateness of 0 samples are taken as they come and whatever is not newer than its series is dropped.
//! Above 0 a sample is held until its series has passed it by the lateness, so that any disorder within
//! the lateness comes out sorted. Lateness is judged against the series' own event time, never
//! against now: a sender that catches up on two hours of its log is in order.

use std::collections::BTreeMap;

use bellwether_series::Timestamp;

use crate::outputs::DropReason;

/// Held samples by series slot; sorted by time within a series.
#[derive(Debug, Default)]
pub(crate) struct Held {
    series: BTreeMap<u32, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    samples: Vec<(Timestamp, f64)>,
    newest: Timestamp,
    /// Record time at which the newest sample arrived.
    received_ms: i64,
}

impl Held {
    /// Takes a sample in unless its time is taken or too many are held.
    pub(crate) fn push(
        &mut self,
        slot: u32,
        (at, value): (Timestamp, f64),
        held_max: usize,
        elapsed_ms: i64,
    ) -> Result<(), DropReason> {
        let waiting = self.series.entry(slot).or_insert_with(|| Waiting {
            samples: Vec::new(),
            newest: at,
            received_ms: elapsed_ms,
        });
        let place = match waiting.samples.binary_search_by_key(&at, |&(at, _)| at) {
            Ok(place) => return Err(repeated(waiting.samples[place].1, value)),
            Err(place) => place,
        };
        if waiting.samples.len() >= held_max {
            return Err(DropReason::HeldLimit);
        }
        waiting.samples.insert(place, (at, value));
        waiting.newest = waiting.newest.max(at);
        waiting.received_ms = elapsed_ms;
        Ok(())
    }

    /// Moves the samples of `slot` that its newest one has passed by `lateness_ms` to `ready`, oldest
    /// first.
    pub(crate) fn release(
        &mut self,
        slot: u32,
        lateness_ms: i64,
        ready: &mut Vec<(Timestamp, f64)>,
    ) {
        let Some(waiting) = self.series.get_mut(&slot) else { return };
        let due = waiting.newest.plus_ms(-lateness_ms);
        let passed = waiting.samples.partition_point(|&(at, _)| at <= due);
        ready.extend(waiting.samples.drain(..passed));
        if waiting.samples.is_empty() {
            self.series.remove(&slot);
        }
    }

    /// Moves all samples of `slot` to `ready`, oldest first.
    pub(crate) fn flush(&mut self, slot: u32, ready: &mut Vec<(Timestamp, f64)>) {
        if let Some(waiting) = self.series.remove(&slot) {
            ready.extend(waiting.samples);
        }
    }

    /// Forgets the samples of `slot`.
    pub(crate) fn forget(&mut self, slot: u32) {
        self.series.remove(&slot);
    }

    /// Slots whose newest sample arrived more than `lateness_ms` of record time ago: nothing is coming
    /// that they could wait for.
    pub(crate) fn overdue(&self, lateness_ms: i64, elapsed_ms: i64) -> Vec<u32> {
        let is_overdue = |waiting: &Waiting| elapsed_ms - waiting.received_ms > lateness_ms;
        self.series
            .iter()
            .filter(|(_, waiting)| is_overdue(waiting))
            .map(|(&slot, _)| slot)
            .collect()
    }
}

/// Whether a second value for the same time repeats the first or contradicts it.
pub(crate) fn repeated(first: f64, second: f64) -> DropReason {
    if first.to_bits() == second.to_bits() { DropReason::Duplicate } else { DropReason::Conflict }
}
