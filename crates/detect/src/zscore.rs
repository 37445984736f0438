//! Point outliers: departure from a running mean, or from the median of a sliding window.
//!
//! Classic form. Method: exponentially weighted mean and variance, Finch (2009), "Incremental
//! calculation of weighted mean and variance": with `d = x - mean`, `mean += a d`,
//! `variance = (1 - a) (variance + a d²)`, `a = 2 / (window + 1)`; the plain mean until the window
//! has filled. Departures are learned as at most three scales (Huber), excursions at a tenth.
//! State: 24 bytes.
//!
//! Robust form. Method: median and median absolute deviation of the window (Hampel 1974). State: 464
//! bytes; cost: 1.7 µs.
//!
//! Adoption: a new level is normal after some 400 samples, a window and a tenth.
//!
//! Blind spot: a value that is normal at another time of day is normal here; `seasonal` is the one for
//! that. A drift slower than the window is followed, not flagged.

use serde::{Deserialize, Serialize};

use crate::lanes::Lesson;
use crate::number::{larger, smaller};
use crate::params::{WarmUp, Window};
use crate::predictor::{Outlook, Predictor, Silence};
use crate::verdict::Observation;
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
#[derive(Debug, Clone, Copy)]
pub(crate) struct Zscore(pub(crate) Params);

/// What the classic form remembers of a series.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct State {
    mean: f64,
    variance: f64,
    samples: u32,
}

impl Predictor for Zscore {
    type State = State;
    type Draft = ();

    #[expect(clippy::inline_always, reason = "a bank is the only caller, and goes on in registers")]
    #[inline(always)]
    fn look_ahead(&self, state: &mut State, _: &Observation) -> (Result<Outlook, Silence>, ()) {
        if state.samples < self.0.warm_up_samples.samples() {
            return (Err(Silence::WarmingUp), ());
        }
        let deviation = state.variance.sqrt();
        let (center, memory_samples) = (state.mean, self.0.window.samples());
        (Ok(Outlook { center, below: deviation, above: deviation, memory_samples }), ())
    }

    #[expect(clippy::inline_always, reason = "a bank is the only caller, and goes on in registers")]
    #[inline(always)]
    fn learn(&self, state: &mut State, observation: &Observation, (): (), lesson: &Lesson) {
        let huber = if lesson.is_new_normal { HUBER_NEW_NORMAL } else { HUBER };
        let difference = observation.value - state.mean;
        state.learn(difference, huber * lesson.width, lesson.weight, self.0.window.samples());
    }
}

impl State {
    fn learn(&mut self, difference: f64, bound: f64, weight: f64, window: u32) {
        self.samples = self.samples.saturating_add(1);
        // The plain mean until the exponential one has as much to look back on.
        let memory = smaller(f64::from(window + 1) / 2.0, f64::from(self.samples));
        let gain = weight / memory;
        let difference = smaller(larger(difference, -bound), bound);
        self.mean += gain * difference;
        self.variance = (1.0 - gain) * (self.variance + gain * difference * difference);
    }
}

/// The robust form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RobustZscore(pub(crate) Params);

/// What the robust form remembers of a series.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct RobustState {
    window: QuantileWindow,
    samples: u32,
}

impl Predictor for RobustZscore {
    type State = RobustState;
    type Draft = ();

    fn look_ahead(
        &self,
        state: &mut RobustState,
        _: &Observation,
    ) -> (Result<Outlook, Silence>, ()) {
        state.samples = state.samples.saturating_add(1);
        let warm = state.samples > self.0.warm_up_samples.samples();
        let Some(quartiles) = state.window.quartiles().filter(|_| warm) else {
            return (Err(Silence::WarmingUp), ());
        };
        let deviation = state.window.median_absolute_deviation() / NORMAL_MAD;
        let (center, memory_samples) = (quartiles.median, self.0.window.samples());
        (Ok(Outlook { center, below: deviation, above: deviation, memory_samples }), ())
    }

    fn learn(&self, state: &mut RobustState, observation: &Observation, (): (), lesson: &Lesson) {
        if lesson.admits {
            state.window.insert(observation.value, self.0.window.samples());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predictor::Alone;
    use crate::testing::{Noise, alone, run, surprise_at};
    use crate::verdict::Verdict;

    fn classic() -> Alone<Zscore> {
        alone(Zscore(Params::default()))
    }

    fn robust() -> Alone<RobustZscore> {
        alone(RobustZscore(Params { robust: true, ..Params::default() }))
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
