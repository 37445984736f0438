//! Shifts of level and of scatter that last, each sample of which alone is ordinary.
//!
//! Method: two-sided CUSUM, Page (1954), "Continuous inspection schemes", on residuals against a slow baseline
//! (level), and on the logarithm of their squares (scatter: explosion and collapse). Residuals are those of an
//! autoregression of order one, so that a series that wanders does not look like one that shifts, and are as wide
//! as their mean over some 16 samples wanders (long-run variance), so that a slow season does not either.
//!
//! Surprise: a reflected random walk with reference value `k` exceeds `h` with probability `exp(-2 k (h + 0.583))`
//! (Siegmund 1985, "Sequential analysis"), four sums are watched. How far the theory fails on this series is
//! learned: the share of samples beyond surprise 1.5 and the mean excess of the peaks there; it only ever lowers
//! the surprise. A residual counts as at most three deviations: one outlier is for `zscore`, four are a shift.
//!
//! Adoption: from surprise 4 on the baseline is frozen. A shift that lasts a quarter of the window (90 samples by
//! default) is the new level and scatter, and all sums start anew; one that ends before leaves no trace.
//!
//! State: 96 bytes. Cost: some 85 ns. Blind spot: a shift slower than the window is followed (`trend`), one that
//! comes every day is learned as ordinary (`seasonal`). The alternative, Bayesian online change points (Adams &
//! `MacKay` 2007), keeps a posterior over run lengths: more state and time for the same delays.

#[cfg(test)]
mod reference;

use std::f64::consts::{LN_10, LOG10_2};

use serde::{Deserialize, Serialize};

use crate::params::{MinDeviation, WarmUp, Window};
use crate::residual::Scale;
use crate::tail::TailShape;
use crate::verdict::{Detector, Expected, Observation, Verdict};

/// Reference values: shifts of twice as many deviations are found fastest.
const LEVEL_REFERENCE: f64 = 0.75;
const SCATTER_REFERENCE: f64 = 0.5;
/// Siegmund's correction for what a walk overshoots its bound by.
const OVERSHOOT: f64 = 0.583;
/// Sums grow no further: what has ended is to be over soon.
const SUM_MAX: f64 = 16.0;
/// A residual counts as at most so many deviations.
const RESIDUAL_MAX: f64 = 3.0;
/// The same for the logarithm of its square, and what is added to the square: a tenth of a deviation and less is
/// all one.
const LOG_MAX: f64 = 2.5;
const SQUARE_FLOOR: f64 = 0.02;
/// Largest correlation of neighbours that is believed.
const CORRELATION_MAX: f64 = 0.995;
/// How well the correlation is known.
const CORRELATION_DOUBT: f64 = 0.03;
/// The series is believed to be at most so many times as wide as its residuals.
const SPREAD_MAX: f64 = 30.0;
/// Memory of the short mean whose variance shows how the residuals wander, and that of independent ones.
const SLOW_SAMPLES: f64 = 16.0;
const SLOW_VARIANCE: f64 = 1.0 / (2.0 * SLOW_SAMPLES - 1.0);
/// Memory of what is known about residuals, in samples.
const SHAPE_MEMORY: f64 = 2000.0;
/// Samples that the prior of the long-run variance counts for.
const SHAPE_PRIOR_SAMPLES: f64 = 200.0;
/// Surprise from which theory and series are compared, and memories of that in samples and excursions.
const TAIL_FROM: f64 = 1.5;
const TAIL_MEMORY: f64 = 20_000.0;
const TAIL_PRIOR_SAMPLES: f64 = 1000.0;
const TAIL_EXCURSIONS: f64 = 20.0;
/// An excursion counts as at most so much surprise beyond [`TAIL_FROM`].
const TAIL_EXCESS_MAX: f64 = 4.0;
/// Surprise at which a shift is taken for one, and below which it is over.
const ALARM_SURPRISE: f64 = 4.0;
const CALM_SURPRISE: f64 = 3.0;
/// Until so many windows have been seen, the baseline is a guess, and so is what is said about it.
const TRUST_WINDOWS: f64 = 2.0;
/// A shift of scatter is adopted as at most this factor of the variance at once.
const ROUGHNESS_MAX: f64 = 1e4;

/// Parameters of the change point detector.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Memory of the baseline in samples; a shift is adopted after a quarter of it.
    pub window: Window,
    /// Samples before the first verdict.
    pub warm_up_samples: WarmUp,
}

/// The detector.
#[derive(Debug, Clone)]
pub struct Changepoint {
    params: Params,
    min_deviation: MinDeviation,
}

impl Changepoint {
    /// A detector to which departures below `min_deviation` are no more than a third of a deviation.
    pub fn new(params: Params, min_deviation: MinDeviation) -> Self {
        Self { params, min_deviation }
    }
}

/// What it remembers of a series.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct State {
    level: f64,
    /// Variance of the residuals.
    variance: f64,
    previous: f64,
    /// Mean of the values since the alarm.
    candidate: f64,
    /// Covariance of neighbours and variance of the series, in the variance of the residuals.
    covariance: f32,
    spread: f32,
    /// Mean of the last residuals and its mean square, in those of independent residuals.
    slow: f32,
    slow_square: f32,
    /// Mean and variance of the logarithm of squared residuals.
    log_mean: f32,
    log_variance: f32,
    /// Up, down, wilder, calmer.
    sums: [f32; 4],
    samples: u32,
    alarm_samples: u32,
    /// Mean square of moves since the alarm, in those expected.
    roughness: f32,
    /// Share of samples beyond [`TAIL_FROM`], mean excess of peaks, peak of the present excursion.
    tail_share: f32,
    tail_excess: f32,
    tail_peak: f32,
}

impl Default for State {
    fn default() -> Self {
        Self {
            level: 0.0,
            variance: 0.0,
            previous: 0.0,
            candidate: 0.0,
            covariance: 0.0,
            spread: 1.0,
            slow: 0.0,
            slow_square: 2.0,
            log_mean: -0.94,
            log_variance: 2.42,
            sums: [0.0; 4],
            samples: 0,
            alarm_samples: 0,
            roughness: 1.0,
            tail_share: libm::exp10(-TAIL_FROM) as f32,
            tail_excess: (1.0 / LN_10) as f32,
            tail_peak: 0.0,
        }
    }
}

/// A sample against the baseline.
struct Departure {
    /// Departure from the level, in the unit of the signal.
    difference: f64,
    /// What the autoregression leaves of it, in its deviations.
    standardised: f64,
    /// By how much that may be wrong, as the correlation is an estimate.
    doubt: f64,
    /// Logarithm of its square, in its deviations.
    log_square: f64,
    /// Deviations of the series and of residuals, in the unit of the signal.
    width: f64,
    narrow: f64,
}

impl Detector for Changepoint {
    type State = State;

    fn observe(&self, state: &mut State, observation: &Observation) -> Verdict {
        if state.samples == 0 {
            (state.level, state.previous) = (observation.value, observation.value);
        }
        let window = self.params.window.samples();
        let departure = self.departure(state, observation);
        let level = state.level;
        let warm = state.samples >= self.params.warm_up_samples.samples();
        if !warm {
            state.learn(&departure, f64::INFINITY, window);
            state.previous = observation.value;
            return Verdict::WarmingUp;
        }
        state.accumulate(&departure);
        let theory = state.theory();
        let trust = f64::from(state.samples) / (TRUST_WINDOWS * f64::from(window));
        let surprise = state.calibrated(theory) * trust.min(1.0);
        state.learn_tail(theory);
        state.follow(&departure, observation.value, surprise, window);
        state.previous = observation.value;
        let tail = TailShape { frequency: 2e-3, index: 6.0 };
        let (scale_below, scale_above) = (departure.width, departure.width);
        Verdict::Scored {
            surprise,
            expected: Expected { center: level, scale_below, scale_above, tail },
        }
    }
}

impl Changepoint {
    fn departure(&self, state: &State, observation: &Observation) -> Departure {
        let spread = f64::from(state.spread).max(1.0).sqrt();
        let deviation = state.variance.sqrt() * spread;
        let scale =
            Scale::at_least(deviation, observation.scale_floor, self.min_deviation, state.level);
        let width = scale.width;
        let difference = observation.value - state.level;
        let before = state.previous - state.level;
        let inverse = spread / width;
        let left = difference - state.believed_correlation() * before;
        let standardised = left * inverse;
        let doubt = CORRELATION_DOUBT * (before * inverse).abs();
        let square = standardised * standardised;
        let log = libm::log(square.min(1e6) + SQUARE_FLOOR) - f64::from(state.log_mean);
        let log_square = log / f64::from(state.log_variance).max(1.0).sqrt();
        Departure { difference, standardised, doubt, log_square, width, narrow: width / spread }
    }
}

impl State {
    fn believed_correlation(&self) -> f64 {
        let correlation = f64::from(self.covariance) / f64::from(self.spread).max(1e-3);
        correlation.clamp(0.0, CORRELATION_MAX)
    }

    fn accumulate(&mut self, departure: &Departure) {
        let wandering = f64::from(self.slow_square).max(1.0).sqrt();
        let level = departure.standardised.clamp(-RESIDUAL_MAX, RESIDUAL_MAX) / wandering;
        let log = departure.log_square.clamp(-LOG_MAX, LOG_MAX);
        let reference = LEVEL_REFERENCE + departure.doubt;
        let steps = [
            level - reference,
            -level - reference,
            log - SCATTER_REFERENCE,
            -log - SCATTER_REFERENCE,
        ];
        for (sum, step) in self.sums.iter_mut().zip(steps) {
            *sum = (f64::from(*sum) + step).clamp(0.0, SUM_MAX) as f32;
        }
    }

    /// Surprise at the largest sum if residuals were independent and Gaussian.
    fn theory(&self) -> f64 {
        let level = f64::from(self.sums[0].max(self.sums[1]));
        let scatter = f64::from(self.sums[2].max(self.sums[3]));
        let exponent = (2.0 * LEVEL_REFERENCE * (level + OVERSHOOT))
            .max(2.0 * SCATTER_REFERENCE * (scatter + OVERSHOOT));
        (exponent / LN_10 - 2.0 * LOG10_2).max(0.0)
    }

    /// What the series' own past leaves of `theory`.
    fn calibrated(&self, theory: f64) -> f64 {
        if theory <= 0.0 {
            return 0.0;
        }
        let from = (-libm::log10(f64::from(self.tail_share))).clamp(0.0, TAIL_FROM);
        if theory < TAIL_FROM {
            return theory * from / TAIL_FROM;
        }
        let excess = f64::from(self.tail_excess).max(1.0 / LN_10);
        from + (theory - TAIL_FROM) / (excess * LN_10)
    }

    fn learn_tail(&mut self, theory: f64) {
        let beyond = theory >= TAIL_FROM;
        let known = (TAIL_PRIOR_SAMPLES + f64::from(self.samples)).min(TAIL_MEMORY);
        let hit = f64::from(u8::from(beyond));
        self.tail_share += ((hit - f64::from(self.tail_share)) / known) as f32;
        if beyond {
            self.tail_peak = self.tail_peak.max((theory - TAIL_FROM).min(TAIL_EXCESS_MAX) as f32);
        } else if self.tail_peak > 0.0 {
            self.tail_excess += (self.tail_peak - self.tail_excess) / TAIL_EXCURSIONS as f32;
            self.tail_peak = 0.0;
        }
    }

    /// Learns in calm times; in an alarm waits for it to end or to be the new normal.
    fn follow(&mut self, departure: &Departure, value: f64, surprise: f64, window: u32) {
        if self.alarm_samples == 0 && surprise < ALARM_SURPRISE {
            self.learn(departure, RESIDUAL_MAX * departure.width, window);
            return;
        }
        if surprise < CALM_SURPRISE {
            self.alarm_samples = 0;
            return;
        }
        if self.alarm_samples == 0 {
            (self.candidate, self.roughness) = (value, 1.0);
        }
        self.alarm_samples += 1;
        let samples = f64::from(self.alarm_samples);
        self.candidate += (value - self.candidate) / samples;
        let moved = (value - self.previous) / departure.narrow;
        let move_square = moved * moved * (1.0 + self.believed_correlation()) / 2.0;
        let roughness = f64::from(self.roughness);
        self.roughness += ((move_square.min(ROUGHNESS_MAX) - roughness) / samples) as f32;
        if self.alarm_samples > window / 4 {
            self.adopt(departure.narrow);
        }
    }

    fn adopt(&mut self, narrow: f64) {
        self.level = self.candidate;
        let roughness = f64::from(self.roughness).clamp(1.0 / ROUGHNESS_MAX, ROUGHNESS_MAX);
        self.variance = narrow * narrow * roughness;
        self.sums = [0.0; 4];
        (self.slow, self.alarm_samples) = (0.0, 0);
    }

    fn learn(&mut self, departure: &Departure, bound: f64, window: u32) {
        self.samples = self.samples.saturating_add(1);
        let seen = f64::from(self.samples);
        let gain = 1.0 / f64::from(window).min(seen);
        let difference = departure.difference.clamp(-bound, bound);
        let narrow = departure.narrow;
        let reach = (RESIDUAL_MAX * departure.width / narrow).min(SPREAD_MAX);
        let scaled = |value: f64| (value / narrow).clamp(-reach, reach);
        let (here, before) = (scaled(difference), scaled(self.previous - self.level));
        self.level += gain * difference;
        let left = (departure.standardised * departure.narrow).clamp(-bound, bound);
        self.variance += gain * (left * left - self.variance);
        let gain = 1.0 / SHAPE_MEMORY.min(SHAPE_PRIOR_SAMPLES + seen);
        let approach = |mean: &mut f32, value: f64, gain: f64| {
            *mean += (gain * (value - f64::from(*mean))) as f32;
        };
        let moment_gain = 1.0 / SHAPE_MEMORY.min(seen);
        approach(&mut self.covariance, here * before, moment_gain);
        approach(&mut self.spread, here * here, moment_gain);
        let clipped = departure.standardised.clamp(-RESIDUAL_MAX, RESIDUAL_MAX);
        approach(&mut self.slow, clipped, 1.0 / SLOW_SAMPLES);
        let slow = f64::from(self.slow);
        approach(&mut self.slow_square, slow * slow / SLOW_VARIANCE, gain);
        let log = departure.log_square * f64::from(self.log_variance).max(1.0).sqrt();
        let log_mean = f64::from(self.log_mean);
        approach(&mut self.log_mean, log_mean + log, gain);
        approach(&mut self.log_variance, log * log, gain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Noise, run, surprise_at};

    fn changepoint() -> Changepoint {
        Changepoint::new(Params::default(), MinDeviation::default())
    }

    /// 3000 samples of noise around 100, the last 1000 of them shifted and scaled.
    fn shifted(seed: u64, shift: f64, scale: f64) -> Vec<f64> {
        let mut noise = Noise::new(seed);
        let value = |index| {
            let (shift, scale) = if index < 2000 { (0.0, 1.0) } else { (shift, scale) };
            100.0 + 10.0 * (shift + scale * noise.normal())
        };
        (0..3000).map(value).collect()
    }

    /// Samples until a surprise of 4, sorted, of 20 series.
    fn delays(shift: f64, scale: f64) -> Vec<usize> {
        let delay = |seed| {
            let verdicts = run(&changepoint(), &shifted(seed, shift, scale));
            (2000..3000).position(|index| surprise_at(&verdicts, index) >= 4.0).unwrap_or(1000)
        };
        let mut delays: Vec<usize> = (0..20).map(delay).collect();
        delays.sort_unstable();
        delays
    }

    #[test]
    fn small_shifts_that_last_are_found_soon() {
        for (shift, scale, bound) in
            [(1.5, 1.0, 30), (-1.5, 1.0, 30), (2.0, 1.0, 20), (0.0, 8.0, 12), (0.0, 0.125, 12)]
        {
            let delays = delays(shift, scale);
            assert!(delays[17] <= bound, "{shift} {scale}: {delays:?}");
        }
    }

    #[test]
    fn a_shift_that_lasts_is_the_new_normal() {
        for (shift, scale) in [(2.0, 1.0), (50.0, 1.0), (0.0, 8.0)] {
            for seed in 0..5 {
                let verdicts = run(&changepoint(), &shifted(seed, shift, scale));
                let late = (2200..3000).filter(|&index| surprise_at(&verdicts, index) >= 4.0);
                assert!(late.count() <= 10, "{shift} {scale} {seed}");
                let Verdict::Scored { expected, .. } = verdicts[2999] else { panic!("warm") };
                assert!((expected.center - 100.0 - 10.0 * shift).abs() < 4.0 * scale);
            }
        }
    }

    #[test]
    fn one_that_ends_leaves_no_trace() {
        let mut values = shifted(1, 0.0, 1.0);
        for value in &mut values[2000..2040] {
            *value += 40.0;
        }
        let verdicts = run(&changepoint(), &values);
        assert!((2005..2040).all(|index| surprise_at(&verdicts, index) >= 4.0));
        assert!((2070..3000).all(|index| surprise_at(&verdicts, index) < 4.0));
        let Verdict::Scored { expected, .. } = verdicts[2060] else { panic!("warm") };
        assert!((expected.center - 100.0).abs() < 3.0);
    }
}
