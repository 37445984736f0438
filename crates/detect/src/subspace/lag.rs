//! The last samples of a signal as one vector; see the module above.

use bellwether_series::Timestamp;
use serde::{Deserialize, Serialize};

use super::covariance::Covariance;
use super::follow::{Follow, follow_gain};
use super::standard::Standard;
use crate::deep::DeepDetector;
use crate::saved::{array, completed};
use crate::verdict::Observation;

/// Samples of a window.
const LAGS: usize = 48;
/// Share of the identity in the covariance.
const SHRINKAGE: f64 = 0.1;
/// Samples that only locate and scale the signal.
const SETTLING_SAMPLES: u32 = 24;
/// Windows that the covariance must have seen before it judges.
const WARM_UP_WINDOWS: f64 = 32.0;
/// A window does not reach back across a gap of this many intervals.
const GAP_INTERVALS: i64 = 24;
/// Values enter the window as at most this many deviations from the mean.
const DEPARTURE_MAX: f64 = 10.0;

/// Judges the shape of a signal's recent past against the shapes that it had.
///
/// ```
/// use bellwether_detect::subspace::LagSubspace;
/// use bellwether_detect::{DeepDetector, LocalTime, Observation};
/// use bellwether_series::Timestamp;
///
/// let detector = LagSubspace;
/// let mut state = detector.begin(0);
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
pub struct LagSubspace;

/// The window of one signal and what is known of earlier ones.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct LagState {
    standard: Standard,
    covariance: Covariance,
    follow: Follow,
    /// Standardised, newest first.
    #[serde(with = "array")]
    window: [f32; LAGS],
    /// How many of `window` are there.
    filled: usize,
    settled: u32,
    last: Option<Timestamp>,
}

completed!(LagState);

impl DeepDetector for LagSubspace {
    type State = LagState;

    fn begin(&self, _seed: u64) -> LagState {
        LagState {
            standard: Standard::default(),
            covariance: Covariance::new(LAGS, SHRINKAGE),
            follow: Follow::default(),
            window: [0.0; LAGS],
            filled: 0,
            settled: 0,
            last: None,
        }
    }

    fn score(&self, state: &mut LagState, observation: &Observation, weight: f64) -> Option<f64> {
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
        let score = (state.covariance.samples() >= WARM_UP_WINDOWS)
            .then(|| state.follow.score(state.oddity(), follow_gain(observation.interval_ms)));
        state.standard.learn(value, weight);
        if state.filled == LAGS {
            state.covariance.learn(&state.window, weight);
        }
        score
    }

    fn state_bytes(&self, state: &LagState) -> usize {
        size_of::<LagState>() + state.covariance.heap_bytes()
    }
}

impl LagState {
    fn completed(self) -> Option<Self> {
        (self.filled <= LAGS && self.covariance.dimensions() == LAGS).then_some(self)
    }

    /// Puts the observation into the window, which starts anew after a gap.
    fn enter(&mut self, observation: &Observation) {
        let (now, last) = (observation.timestamp, self.last.replace(observation.timestamp));
        let reach = GAP_INTERVALS.saturating_mul(observation.interval_ms.max(1));
        if last.is_some_and(|last| now.ms_since(last) > reach) {
            self.filled = 0;
        }
        self.window.rotate_right(1);
        let departure = self.standard.standardise(observation.value, observation.scale_floor);
        self.window[0] = departure.clamp(-DEPARTURE_MAX, DEPARTURE_MAX) as f32;
        self.filled = (self.filled + 1).min(LAGS);
    }

    /// Mean square of the whitened window, the k-th sample weighted by 1/k; 1 on noise.
    fn oddity(&self) -> f64 {
        let mut whitened = self.window;
        let whitened = &mut whitened[..self.filled];
        self.covariance.whiten(whitened);
        let (mut sum, mut weights) = (0.0, 0.0);
        for (index, &value) in whitened.iter().enumerate() {
            let weight = 1.0 / (index + 1) as f64;
            sum += weight * f64::from(value) * f64::from(value);
            weights += weight;
        }
        sum / weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Noise, mean, score_at, scores, silent, waves};

    fn run(values: &[f64]) -> Vec<Option<f64>> {
        scores(&LagSubspace, 0, values)
    }

    #[test]
    fn ordinary_noise_scores_one() {
        let mut noise = Noise::new(1);
        let scores = run(&(0..4_000).map(|_| noise.normal()).collect::<Vec<f64>>());
        assert!((mean(&scores[2_000..]) - 1.0).abs() < 0.1, "{}", mean(&scores[2_000..]));
    }

    #[test]
    fn it_speaks_after_some_hundred_samples() {
        assert_eq!(silent(&run(&waves(200, 5.0, 1.0, 1))), 24 + 48 - 1 + 32);
    }

    #[test]
    fn a_wave_that_stalls_is_odd_though_no_value_is() {
        let mut values = waves(3_000, 5.0, 0.2, 2);
        values[2_500..2_530].fill(4.0);
        let scores = run(&values);
        assert!(mean(&scores[2_510..2_530]) > 5.0 * mean(&scores[2_000..2_500]));
    }

    #[test]
    fn a_gap_is_not_a_jump() {
        let slow = |minute: i64| 100.0 * libm::sin(minute as f64 / 500.0);
        let mut noise = Noise::new(3);
        let mut state = LagSubspace.begin(0);
        let mut most = |minutes: std::ops::Range<i64>| {
            let score = |at| score_at(&LagSubspace, &mut state, at, slow(at) + noise.normal(), 1.0);
            minutes.filter_map(score).fold(0.0, f64::max)
        };
        let (usual, after) = (most(0..8_000), most(8_700..8_800));
        assert!(after < usual, "{after} {usual}");
    }

    #[test]
    fn an_incident_that_others_see_is_not_learned() {
        let score_of_second = |weight: f64| {
            let mut state = LagSubspace.begin(0);
            let mut values = waves(2_000, 5.0, 0.5, 4);
            for start in [1_400, 1_800] {
                values[start..start + 20].iter_mut().for_each(|value| *value += 20.0);
            }
            let mut last = 0.0;
            for (&value, index) in values[..1_810].iter().zip(0_i64..) {
                let weight = if (1_400..1_470).contains(&index) { weight } else { 1.0 };
                last = score_at(&LagSubspace, &mut state, index, value, weight).unwrap_or(0.0);
            }
            last
        };
        assert!(score_of_second(0.0) > 1.2 * score_of_second(1.0));
    }

    #[test]
    fn the_state_fits() {
        let state = LagSubspace.begin(0);
        assert!(LagSubspace.state_bytes(&state) <= 10 * 1024);
    }
}
