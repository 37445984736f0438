//! One model of exponential smoothing with a damped trend.

use serde::{Deserialize, Serialize};

/// What is left of a trend after one step.
const PHI: f64 = 0.98;
/// Smoothing constant of the trend, in that of the level.
const TREND_SHARE: f64 = 0.1;
/// Memory of the error in samples.
const ERROR_MEMORY: f64 = 256.0;
/// Samples after which a trend is learned.
const TREND_FROM: u32 = 8;
/// The variance ahead in that of one step is at most this.
const VARIANCE_MAX: f64 = 1e4;

/// Level, trend per step and mean absolute error one step ahead, in the unit of the signal.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Model {
    pub(super) level: f64,
    pub(super) trend: f64,
    pub(super) error: f64,
}

/// A forecast.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ahead {
    /// In the unit of the signal.
    pub(super) center: f64,
    /// In the variance one step ahead: 1 and up.
    pub(super) variance: f64,
}

impl Model {
    /// A model that knows one value.
    pub(super) fn at(level: f64) -> Self {
        Self { level, trend: 0.0, error: 0.0 }
    }

    /// The forecast `steps` ahead, at least 1.
    #[inline]
    pub(super) fn ahead(&self, alpha: f64, steps: u32) -> Ahead {
        if steps <= 1 {
            return Ahead { center: self.level + PHI * self.trend, variance: 1.0 };
        }
        let damped = PHI * (1.0 - damping(steps)) / (1.0 - PHI);
        Ahead { center: self.level + damped * self.trend, variance: variance(alpha, steps) }
    }

    /// Learns `value`, `steps` after the one before it, with `weight`; errors, in those of one step, count as at most
    /// `bound`. `samples`: how many there were, this one included.
    #[inline]
    pub(super) fn learn(
        &mut self,
        alpha: f64,
        value: f64,
        steps: u32,
        bound: f64,
        weight: f64,
        samples: u32,
    ) {
        let ahead = self.ahead(alpha, steps);
        let (widening, damping) =
            if steps <= 1 { (1.0, PHI) } else { (ahead.variance.sqrt(), damping(steps)) };
        let standard = ((value - ahead.center) / widening).clamp(-bound, bound);
        let samples_known = f64::from(samples);
        // Of the variance ahead, 1 - alpha is noise of the sample itself.
        let gain = (1.0 - (1.0 - alpha) / ahead.variance).max(1.0 / samples_known);
        self.level = ahead.center + weight * gain * standard * widening;
        self.trend *= damping;
        if samples > TREND_FROM {
            let gain = TREND_SHARE * alpha / f64::from(steps);
            self.trend += weight * gain * standard * widening;
        }
        let gain = weight / ERROR_MEMORY.min((samples_known - 1.0).max(1.0));
        self.error += gain * (standard.abs() - self.error);
    }
}

fn damping(steps: u32) -> f64 {
    libm::pow(PHI, f64::from(steps))
}

/// Variance `steps` ahead in that of one step (Hyndman & Athanasopoulos, table 8.8).
fn variance(alpha: f64, steps: u32) -> f64 {
    let (h, beta, rest) = (f64::from(steps), TREND_SHARE * alpha, 1.0 - PHI);
    let (damped, square) = (damping(steps), 1.0 - PHI * PHI);
    let linear = beta * PHI * h / (rest * rest) * (2.0 * alpha * rest + beta * PHI);
    let bent = beta * PHI * (1.0 - damped) / (rest * rest * square)
        * (2.0 * alpha * square + beta * PHI * (1.0 + 2.0 * PHI - damped));
    (1.0 + alpha * alpha * (h - 1.0) + linear - bent).clamp(1.0, VARIANCE_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_ramp_is_followed_with_a_trend() {
        let mut model = Model::at(0.0);
        for index in 1..500 {
            model.learn(0.2, 3.0 * f64::from(index), 1, f64::INFINITY, 1.0, index + 1);
        }
        // Damping costs (1 - phi) / beta slopes of lag.
        let center = model.ahead(0.2, 1).center;
        assert!((center - 1_500.0).abs() < 4.0, "{center}");
    }

    #[test]
    fn hand_worked_values() {
        let model = Model { level: 10.0, trend: 1.0, error: 1.0 };
        let ahead = model.ahead(0.2, 2);
        assert!((ahead.center - (10.0 + 0.98 + 0.9604)).abs() < 1e-12);
        assert!((ahead.variance - (1.0 + 0.2196 * 0.2196)).abs() < 1e-9, "{}", ahead.variance);
        let mut learned = model;
        learned.learn(0.2, 15.98, 1, f64::INFINITY, 1.0, 1_000);
        assert!((learned.level - (10.98 + 0.2 * 5.0)).abs() < 1e-12);
        assert!((learned.trend - (0.98 + 0.02 * 5.0)).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn the_variance_is_the_sum_over_past_errors(alpha in 0.01..0.9_f64, steps in 1..200_u32) {
            let (mut sum, mut damped, mut power) = (1.0, 0.0, 1.0);
            for _ in 1..steps {
                power *= PHI;
                damped += power;
                let weight = alpha + TREND_SHARE * alpha * damped;
                sum += weight * weight;
            }
            prop_assert!((variance(alpha, steps) - sum.min(VARIANCE_MAX)).abs() < 1e-6 * sum);
        }

        #[test]
        fn a_gap_is_as_many_forecasts_of_one_step(
            level in -9.0..9.0_f64, trend in -9.0..9.0_f64, steps in 1..100_u32,
        ) {
            let model = Model { level, trend, error: 1.0 };
            let step = |m: Model| Model { level: m.level + PHI * m.trend, trend: PHI * m.trend, ..m };
            let slow = (0..steps).fold(model, |model, _| step(model));
            prop_assert!((model.ahead(0.2, steps).center - slow.level).abs() < 1e-9);
        }
    }
}
