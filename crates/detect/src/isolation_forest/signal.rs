//! The newest value of a signal and what went before it, as one row of features.

use bellwether_series::Timestamp;

use super::evolving::{Evolving, Extent};
use crate::deep::DeepDetector;
use crate::subspace::follow::{Follow, follow_gain};
use crate::subspace::standard::Standard;
use crate::verdict::Observation;

/// Values that the features reach back.
const REACH: usize = 64;
/// The value is compared with those so many samples before.
const LAGS: [usize; 4] = [1, 2, 4, 8];
/// The value is compared with means over so many samples.
const MEANS: [usize; 3] = [4, 16, 64];
/// Features of a row.
const WIDTH: usize = 1 + LAGS.len() + 2 * MEANS.len() + 1;
const EXTENT: Extent = Extent { width: WIDTH, rows: 1024, trees: 28, sample: 64 };
/// Samples that only locate and scale the signal.
const SETTLING_SAMPLES: u32 = 24;
/// Features do not reach back across a gap of this many intervals.
const GAP_INTERVALS: i64 = 24;

/// Judges the newest value and its recent past.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IsolationForest;

/// What is known of one signal.
#[derive(Debug, Clone)]
pub struct SignalState {
    standard: Standard,
    forest: Evolving,
    follow: Follow,
    /// Standardised, newest first.
    recent: [f32; REACH],
    settled: u32,
    last: Option<Timestamp>,
}

impl DeepDetector for IsolationForest {
    type State = SignalState;

    fn begin(&self, seed: u64) -> SignalState {
        SignalState {
            standard: Standard::default(),
            forest: Evolving::new(EXTENT, seed),
            follow: Follow::default(),
            recent: [0.0; REACH],
            settled: 0,
            last: None,
        }
    }

    fn score(
        &self,
        state: &mut SignalState,
        observation: &Observation,
        weight: f64,
    ) -> Option<f64> {
        let value = observation.value;
        if state.settled < SETTLING_SAMPLES {
            state.settled += 1;
            state.standard.learn(value, weight);
            return None;
        }
        state.enter(observation);
        state.standard.learn(value, weight);
        let odd = state.forest.score(&state.features(), weight)?;
        Some(state.follow.score(odd, follow_gain(observation.interval_ms)))
    }

    fn state_bytes(&self, state: &SignalState) -> usize {
        size_of::<SignalState>() + state.forest.heap_bytes()
    }
}

impl SignalState {
    /// Puts the observation among the recent ones, which are all like it after a gap and at the beginning.
    fn enter(&mut self, observation: &Observation) {
        let (now, last) = (observation.timestamp, self.last.replace(observation.timestamp));
        let reach = GAP_INTERVALS.saturating_mul(observation.interval_ms.max(1));
        let value = self.standard.standardise(observation.value, observation.scale_floor);
        let value = libm::asinh(value) as f32;
        if last.is_none_or(|last| now.ms_since(last) > reach) {
            self.recent = [value; REACH];
        }
        self.recent.rotate_right(1);
        self.recent[0] = value;
    }

    fn features(&self) -> [f32; WIDTH] {
        let recent = &self.recent;
        let mean = |from: usize, count: usize| {
            recent[from..count].iter().sum::<f32>() / (count - from) as f32
        };
        let mut features = [0.0; WIDTH];
        let mut next = features.iter_mut();
        let mut put = |value| {
            if let Some(feature) = next.next() {
                *feature = value;
            }
        };
        put(recent[0]);
        LAGS.iter().for_each(|&lag| put(recent[0] - recent[lag]));
        for count in MEANS {
            let mean = mean(1, count);
            put(recent[0] - mean);
            put(mean);
        }
        let moves: f32 = recent[..16].windows(2).map(|pair| (pair[0] - pair[1]).abs()).sum();
        put(moves / 15.0);
        features
    }
}
