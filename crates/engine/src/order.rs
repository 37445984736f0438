//! Event-time order within a series.
//!
//! With a lateness of 0 samples are taken as they come and whatever is not newer than its series is dropped.
//! Above 0 a sample is held until its series has passed it by the lateness, so that any disorder within
//! the lateness comes out sorted. Lateness is judged against the series' own event time, never
//! against now: a sender that catches up on two hours of its log is in order.

use std::collections::BTreeMap;

use bellwether_series::Timestamp;
use serde::{Deserialize, Serialize};

use crate::outputs::DropReason;

/// Held samples by series slot; sorted by time within a series.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Held {
    series: BTreeMap<u32, Waiting>,
}

#[derive(Debug, Serialize, Deserialize)]
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

    /// Whether any sample of `slot` is held.
    pub(crate) fn holds(&self, slot: u32) -> bool {
        self.series.contains_key(&slot)
    }

    /// The series in slot `from` is in slot `to` now.
    pub(crate) fn rename(&mut self, from: u32, to: u32) {
        if let Some(waiting) = self.series.remove(&from) {
            self.series.insert(to, waiting);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    /// Times released after each push, with a lateness of 10.
    fn pushed(times: &[i64]) -> Vec<Vec<i64>> {
        let mut held = Held::default();
        let release = |&time: &i64| {
            held.push(3, (at(time), 0.0), 100, 0).unwrap();
            let mut ready = Vec::new();
            held.release(3, 10, &mut ready);
            ready.iter().map(|(at, _)| at.as_ms()).collect()
        };
        times.iter().map(release).collect()
    }

    #[test]
    fn a_sample_comes_out_when_its_series_has_passed_it_by_the_lateness() {
        assert_eq!(
            pushed(&[5, 0, 14, 7, 15, 40]),
            [vec![], vec![], vec![0], vec![], vec![5], vec![7, 14, 15]]
        );
    }

    #[test]
    fn a_sample_exactly_as_late_as_allowed_is_in_time() {
        assert_eq!(pushed(&[10, 20, 10 - 1]), [vec![], vec![10], vec![9]]);
    }

    #[test]
    fn repetitions_contradictions_and_too_many_samples_are_told_apart() {
        let mut held = Held::default();
        held.push(0, (at(1), 5.0), 2, 0).unwrap();
        assert_eq!(held.push(0, (at(1), 5.0), 2, 0), Err(DropReason::Duplicate));
        assert_eq!(held.push(0, (at(1), 6.0), 2, 0), Err(DropReason::Conflict));
        assert_eq!(held.push(0, (at(1), -0.0), 2, 0), Err(DropReason::Conflict));
        held.push(0, (at(2), 5.0), 2, 0).unwrap();
        assert_eq!(held.push(0, (at(3), 5.0), 2, 0), Err(DropReason::HeldLimit));
        assert_eq!(held.push(1, (at(3), 5.0), 2, 0), Ok(()));
    }

    #[test]
    fn a_series_is_overdue_when_nothing_came_for_longer_than_the_lateness() {
        let mut held = Held::default();
        held.push(4, (at(1), 0.0), 9, 100).unwrap();
        held.push(2, (at(1), 0.0), 9, 100).unwrap();
        held.push(4, (at(2), 0.0), 9, 105).unwrap();
        assert!(held.overdue(10, 110).is_empty());
        assert_eq!(held.overdue(10, 111), [2]);
        assert_eq!(held.overdue(10, 116), [2, 4]);
        let mut ready = Vec::new();
        held.flush(4, &mut ready);
        assert_eq!(ready, [(at(1), 0.0), (at(2), 0.0)]);
        held.forget(2);
        assert!(held.overdue(10, 999).is_empty());
    }
}
