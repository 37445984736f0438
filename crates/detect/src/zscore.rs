//! Point outliers: departure from a running mean, or from the median of a sliding window.
//!
//! Classic form. Method: exponentially weighted mean and variance, Finch (2009), "Incremental
//! calculation of weighted mean and variance": with `d = x - mean`, `mean += a d`,
//! `variance = (1 - a) (variance + a d²)`, `a = 2 / (window + 1)`; the plain mean until the window
//! has filled. Departures are learned as at most three scales (Huber), excursions at a tenth.
//! State: 48 bytes. Cost: some 80 ns.
//!
//! Robust form. Method: median and median absolute deviation of the window (Hampel 1974). State: 712
//! bytes; cost: 1.7 µs.
//!
//! Adoption: a new level is normal after some 400 samples, a window and a tenth.
//!
//! Blind spot: a value that is normal at another time of day is normal here; `seasonal` is the one for
//! that. A drift slower than the window is followed, not flagged.

use serde::{Deserialize, Serialize};

use crate::number::smaller;
use crate::params::{MinDeviation, WarmUp, Window};
use crate::residual::{Residual, Scale};
use crate::tail::Tail;
use crate::verdict::{Detector, Expected, Observation, Verdict};
use crate::window::QuantileWindow;

/// Departures beyond this many scales move the mean no further.
const HUBER: f64 = 3.0;
/// The same for an excursion that has become the new normal.
const HUBER_NEW_NORMAL: f64 = 20.0;
/// Median absolute deviation of a standard normal.
const NORMAL_MAD: f64 = 0.674_489_750_196_082;

/// Parameters of the z-score detector.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Memory in samples.
    pub window: Window,
    /// Use median and median absolute deviation of a sliding window.
    pub robust: bool,
    /// Samples before the first verdict.
    pub warm_up_samples: WarmUp,
}

/// The classic form.
#[derive(Debug, Clone)]
pub(crate) struct Zscore {
    pub(crate) params: Params,
    pub(crate) min_deviation: MinDeviation,
    pub(crate) tail: Tail,
}

/// What the classic form remembers of a series.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct State {
    mean: f64,
    variance: f64,
    samples: u32,
    residual: Residual,
}

impl Detector for Zscore {
    type State = State;

    #[expect(
        clippy::inline_always,
        reason = "its column is the only caller, and takes the verdict where it is made"
    )]
    #[inline(always)]
    fn observe(&self, state: &mut State, observation: &Observation) -> Verdict {
        let window = self.params.window.samples();
        let difference = observation.value - state.mean;
        let scale = Scale::at_least(
            state.variance.sqrt(),
            observation.scale_floor,
            self.min_deviation,
            state.mean,
        );
        if state.samples < self.params.warm_up_samples.samples() {
            state.learn(difference, f64::INFINITY, 1.0, window);
            return Verdict::WarmingUp;
        }
        let judged = state.residual.judge(&self.tail, difference, scale);
        let width = scale.width * judged.widening;
        let center = state.mean;
        let weight = state.residual.learn(&judged, window);
        let huber = if state.residual.is_new_normal(window) { HUBER_NEW_NORMAL } else { HUBER };
        state.learn(difference, huber * scale.width, weight, window);
        let expected =
            Expected { center, scale_below: width, scale_above: width, tail: judged.shape };
        Verdict::Scored { surprise: judged.surprise, expected }
    }
}

impl State {
    fn learn(&mut self, difference: f64, bound: f64, weight: f64, window: u32) {
        self.samples = self.samples.saturating_add(1);
        // The plain mean until the exponential one has as much to look back on.
        let memory = smaller(f64::from(window + 1) / 2.0, f64::from(self.samples));
        let gain = weight / memory;
        let difference = difference.clamp(-bound, bound);
        self.mean += gain * difference;
        self.variance = (1.0 - gain) * (self.variance + gain * difference * difference);
    }
}

/// The robust form.
#[derive(Debug, Clone)]
pub(crate) struct RobustZscore {
    pub(crate) params: Params,
    pub(crate) min_deviation: MinDeviation,
    pub(crate) tail: Tail,
}

/// What the robust form remembers of a series.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct RobustState {
    window: QuantileWindow,
    samples: u32,
    residual: Residual,
}

impl Detector for RobustZscore {
    type State = RobustState;

    fn observe(&self, state: &mut RobustState, observation: &Observation) -> Verdict {
        let window = self.params.window.samples();
        state.samples = state.samples.saturating_add(1);
        let warm = state.samples > self.params.warm_up_samples.samples();
        let Some(quartiles) = state.window.quartiles().filter(|_| warm) else {
            state.window.insert(observation.value, window);
            return Verdict::WarmingUp;
        };
        let center = quartiles.median;
        let deviation = state.window.median_absolute_deviation() / NORMAL_MAD;
        let scale = Scale::at_least(deviation, observation.scale_floor, self.min_deviation, center);
        let judged = state.residual.judge(&self.tail, observation.value - center, scale);
        state.residual.learn(&judged, window);
        if state.residual.admits(window) {
            state.window.insert(observation.value, window);
        }
        let width = scale.width * judged.widening;
        let expected =
            Expected { center, scale_below: width, scale_above: width, tail: judged.shape };
        Verdict::Scored { surprise: judged.surprise, expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Noise, run, surprise_at};

    fn classic() -> Zscore {
        Zscore {
            params: Params::default(),
            min_deviation: MinDeviation::default(),
            tail: Tail::new(),
        }
    }

    fn robust() -> RobustZscore {
        let params = Params { robust: true, ..Params::default() };
        RobustZscore { params, min_deviation: MinDeviation::default(), tail: Tail::new() }
    }

    #[test]
    fn a_spike_is_a_surprise_and_noise_is_not() {
        let mut noise = Noise::new(1);
        let values: Vec<f64> =
            (0..600).map(|i| if i == 500 { 200.0 } else { 100.0 + 2.0 * noise.normal() }).collect();
        for verdicts in [run(&classic(), &values), run(&robust(), &values)] {
            assert_eq!(verdicts[59], Verdict::WarmingUp);
            assert!(surprise_at(&verdicts, 500) > 6.0, "{:?}", verdicts[500]);
            let calm = (100..500).filter(|&i| surprise_at(&verdicts, i) > 3.5).count();
            assert_eq!(calm, 0);
        }
    }

    #[test]
    fn mean_and_variance_match_hand_worked_values() {
        // Plain mean of 1, 2, 3 while the window fills.
        let mut state = State::default();
        for value in [1.0, 2.0, 3.0] {
            state.learn(value - state.mean, f64::INFINITY, 1.0, 360);
        }
        assert!((state.mean - 2.0).abs() < 1e-12);
        assert!((state.variance - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn the_last_digit_of_a_constant_is_no_gross_fault() {
        let mut values = vec![100.0; 500];
        values[400] = 100.1;
        for verdicts in [run(&classic(), &values), run(&robust(), &values)] {
            assert!(surprise_at(&verdicts, 400) < 1.0);
        }
        values[400] = 0.0;
        for verdicts in [run(&classic(), &values), run(&robust(), &values)] {
            assert!(surprise_at(&verdicts, 400) > 5.0);
            assert!(surprise_at(&verdicts, 400) < 20.0);
        }
    }

    #[test]
    fn an_incident_is_not_learned_as_normal_before_the_window_is_over() {
        let mut noise = Noise::new(2);
        let values: Vec<f64> =
            (0..3000).map(|i| if i < 600 { 100.0 } else { 150.0 } + 2.0 * noise.normal()).collect();
        let verdicts = run(&classic(), &values);
        assert!(surprise_at(&verdicts, 640) > 4.0);
        assert!(surprise_at(&verdicts, 900) > 3.0);
        assert!(surprise_at(&verdicts, 2900) < 3.0, "a new level is accepted in the end");
    }

    #[test]
    fn scores_do_not_depend_on_the_unit() {
        let mut noise = Noise::new(3);
        let values: Vec<f64> = (0..400).map(|_| 50.0 + noise.normal()).collect();
        let scaled: Vec<f64> = values.iter().map(|value| value * 1e6).collect();
        let (ours, theirs) = (run(&classic(), &values), run(&classic(), &scaled));
        assert!((surprise_at(&ours, 399) - surprise_at(&theirs, 399)).abs() < 1e-3);
    }
}
