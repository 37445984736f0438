//! What detectors have in common whose score has no scale of its own: forests, subspaces, networks.
//!
//! They say *how odd* an observation is, as a raw score; [`crate::calibrate`] learns from the series' own past
//! scores how rare that is. Their states are too large for a flat record in a column, so that only as many
//! series have one as the memory for it holds.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::verdict::Observation;

/// Scores one series, sample by sample, in event-time order, without a scale.
///
/// Deterministic: equal parameters, seed and observations give equal scores on every run.
pub trait DeepDetector {
    /// Everything that is known about one series; at most 64 KiB with what it owns. What serde reads back of it is checked:
    /// an index that it holds is within bounds.
    type State: std::fmt::Debug + Serialize + DeserializeOwned;

    /// The state of a series that was never seen. `seed` comes from the series' fingerprint; all randomness follows
    /// from it.
    fn begin(&self, seed: u64) -> Self::State;

    /// How odd `observation` is against the past only: 0 and up, larger is odder; `None` while warming up. Then
    /// learns from it, with `weight` 1 for an ordinary observation and less for one that other detectors find
    /// surprising, so that an incident is not learned as normal. What is no finite number is as if it were not there.
    fn score(&self, state: &mut Self::State, observation: &Observation, weight: f64)
    -> Option<f64>;

    /// Bytes that `state` occupies, with what it owns.
    fn state_bytes(&self, state: &Self::State) -> usize;

    /// The periods of the series in milliseconds, ascending; empty for a detector that knows of none.
    fn periods_ms(&self, _state: &Self::State) -> Vec<i64> {
        Vec::new()
    }
}

/// Scores a group of aligned signals, row by row. As [`DeepDetector`], but for that.
pub trait GroupDetector {
    /// Everything that is known about one group; checked as that of [`DeepDetector`] is.
    type State: std::fmt::Debug + Serialize + DeserializeOwned;

    /// The state of a group of `width` signals that was never seen.
    fn begin(&self, width: usize, seed: u64) -> Self::State;

    /// How odd `row` is, one value per signal, against the past only; NaN or infinite where a signal has no value. `None` while
    /// warming up. Then learns from it with `weight`.
    fn score(&self, state: &mut Self::State, row: &[f64], weight: f64) -> Option<f64>;

    /// Bytes that `state` occupies, with what it owns.
    fn state_bytes(&self, state: &Self::State) -> usize;
}

#[cfg(test)]
mod laws;
