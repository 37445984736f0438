//! The newest value of a signal and what went before it, as one row of features.

use bellwether_series::Timestamp;
use serde::{Deserialize, Serialize};

use super::evolving::{Evolving, Extent};
use super::tree::Choice;
use crate::deep::DeepDetector;
use crate::saved::{array, completed};
use crate::subspace::follow::{Follow, follow_gain};
use crate::subspace::standard::Standard;
use crate::verdict::Observation;

/// Values that the features reach back.
const REACH: usize = 64;
/// The value is compared with those so many samples before.
const LAGS: [usize; 4] = [1, 2, 4, 8];
/// The value is compared with means over so many samples.
const MEANS: [usize; 3] = [4, 16, 64];
/// Moves between so many samples are averaged.
const MOVES: usize = 16;
/// Features of a row.
const WIDTH: usize = 1 + LAGS.len() + 2 * MEANS.len() + 1;
const EXTENT: Extent = Extent {
    width: WIDTH,
    rows: 1024,
    trees: 14,
    sample: 128,
    choice: Choice::Even,
    renewal_rows: 16,
};
/// Samples that only locate and scale the signal.
const SETTLING_SAMPLES: u32 = 24;
/// Features do not reach back across a gap of this many intervals.
const GAP_INTERVALS: i64 = 24;
/// Values are at most this many deviations from the mean.
const DEPARTURE_MAX: f64 = 100.0;

/// Judges the newest value and its recent past.
///
/// ```
/// use bellwether_detect::isolation_forest::IsolationForest;
/// use bellwether_detect::{DeepDetector, LocalTime, Observation};
/// use bellwether_series::Timestamp;
///
/// let detector = IsolationForest;
/// let mut state = detector.begin(7);
/// let mut score = |index: i64, value: f64| {
///     let timestamp = Timestamp::from_ms(index * 60_000);
///     let local = LocalTime::utc(timestamp);
///     let observation =
///         Observation { timestamp, local, value, interval_ms: 60_000, scale_floor: 0.0 };
///     detector.score(&mut state, &observation, 1.0)
/// };
/// assert_eq!(score(0, 0.0), None);
/// let usual = (1..1_000).map(|index| score(index, (index % 7) as f64)).last().flatten();
/// let odd = score(1_000, 30.0);
/// assert!(odd > usual);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IsolationForest;

/// What is known of one signal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct SignalState {
    standard: Standard,
    forest: Evolving,
    follow: Follow,
    /// Standardised, newest first.
    #[serde(with = "array")]
    recent: [f32; REACH],
    settled: u32,
    last: Option<Timestamp>,
}

completed!(SignalState);

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
        if !observation.value.is_finite() {
            return None;
        }
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
    fn completed(self) -> Option<Self> {
        Some(Self { forest: self.forest.completed(EXTENT)?, ..self })
    }

    /// Puts the observation among the recent ones, which are all like it after a gap and at the beginning.
    fn enter(&mut self, observation: &Observation) {
        let (now, last) = (observation.timestamp, self.last.replace(observation.timestamp));
        let reach = GAP_INTERVALS.saturating_mul(observation.interval_ms.max(1));
        let value = self.standard.standardise(observation.value, observation.scale_floor);
        let value = value.clamp(-DEPARTURE_MAX, DEPARTURE_MAX) as f32;
        if last.is_none_or(|last| now.ms_since(last) > reach) {
            self.recent = [value; REACH];
        }
        self.recent.rotate_right(1);
        self.recent[0] = value;
    }

    /// The value, its moves since before, its distance from means and those, and how much it moves of late.
    fn features(&self) -> [f32; WIDTH] {
        let (value, recent) = (self.recent[0], &self.recent);
        let mean = |of: usize| recent[1..of].iter().sum::<f32>() / (of - 1) as f32;
        let [short, medium, long] = MEANS.map(mean);
        let [one, two, four, eight] = LAGS.map(|lag| value - recent[lag]);
        let moves = recent[..MOVES].windows(2).map(|pair| (pair[0] - pair[1]).abs());
        let mean_move = moves.sum::<f32>() / (MOVES - 1) as f32;
        let departures = [value - short, value - medium, value - long];
        let [from_short, from_medium, from_long] = departures;
        [
            value,
            one,
            two,
            four,
            eight,
            from_short,
            short,
            from_medium,
            medium,
            from_long,
            long,
            mean_move,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Noise, largest, score_at, scores, silent, waves};

    fn observe(state: &mut SignalState, minute: i64, value: f64, weight: f64) -> Option<f64> {
        score_at(&IsolationForest, state, minute, value, weight)
    }

    fn run(values: &[f64], seed: u64) -> Vec<Option<f64>> {
        scores(&IsolationForest, seed, values)
    }

    #[test]
    fn it_speaks_after_some_hundred_samples() {
        assert_eq!(silent(&run(&waves(200, 8.0, 0.3, 1), 1)), 24 + 64 + EXTENT.trees - 1);
    }

    #[test]
    fn a_spike_within_the_range_and_a_change_of_shape_are_odd() {
        let mut values = waves(3_000, 8.0, 0.3, 2);
        // At the crest of the wave the trough's value.
        values[2_023] -= 10.0;
        for (index, value) in values.iter_mut().enumerate().skip(2_500).take(64) {
            *value = 5.0 * libm::sin(index as f64);
        }
        let scores = run(&values, 2);
        let usual = largest(&scores[1_000..2_000]);
        assert!(largest(&scores[2_023..2_026]) > 1.2 * usual);
        assert!(largest(&scores[2_500..2_564]) > 1.5 * usual);
    }

    #[test]
    fn a_gap_is_not_a_jump() {
        let mut noise = Noise::new(4);
        let mut value = |minute: i64| 50.0 * libm::sin(minute as f64 / 500.0) + noise.normal();
        let mut state = IsolationForest.begin(4);
        let before: Vec<_> = (0..8_000).map(|at| observe(&mut state, at, value(at), 1.0)).collect();
        let after: Vec<_> =
            (8_700..8_800).map(|at| observe(&mut state, at, value(at), 1.0)).collect();
        assert!(largest(&after) < 1.2 * largest(&before[1_000..]));
    }

    #[test]
    fn what_has_no_weight_is_not_learned() {
        let second = |weight| {
            let mut state = IsolationForest.begin(5);
            for (value, at) in waves(2_000, 8.0, 0.3, 5).into_iter().zip(0..) {
                observe(&mut state, at, value, 1.0);
            }
            for at in 2_000..4_000 {
                observe(&mut state, at, 30.0, weight);
            }
            observe(&mut state, 4_000, 30.0, weight).unwrap_or(0.0)
        };
        assert!(second(0.0) > 10.0 * second(1.0), "{} {}", second(0.0), second(1.0));
    }

    #[test]
    fn equal_seeds_give_equal_scores_and_the_state_fits_and_does_not_grow() {
        let values = waves(2_500, 8.0, 0.3, 6);
        assert_eq!(run(&values, 6), run(&values, 6));
        assert_ne!(run(&values, 6), run(&values, 7));
        let mut state = IsolationForest.begin(6);
        let fresh = IsolationForest.state_bytes(&state);
        for (&value, at) in values.iter().zip(0..) {
            observe(&mut state, at, value, 1.0);
        }
        assert_eq!(IsolationForest.state_bytes(&state), fresh);
        assert!(fresh <= 64 * 1024, "{fresh}");
    }
}
