//! Location and scale of a signal, so that covariances are learned on numbers of ordinary size.
//!
//! Exponentially weighted mean and variance (Finch 2009) of departures clipped at five deviations.

use serde::{Deserialize, Serialize};

use super::MEMORY;

/// Departures are learned as at most this many deviations, once the deviation is known.
const LEARNED_DEPARTURE_MAX: f64 = 5.0;
/// Samples from which on departures are clipped.
const KNOWN_SAMPLES: f64 = 20.0;
/// A standardised value is at most this.
const STANDARD_MAX: f64 = 1e6;
/// A departure from what never moved is one, how large a one nobody knows.
const FIRST_MOVE: f64 = 10.0;
/// Values beyond this are taken as this, so that squares stay finite.
const VALUE_MAX: f64 = 1e150;
/// A deviation below this share of the location is rounding.
const ROUNDING: f64 = 1e-9;

/// Running location and scale.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Standard {
    mean: f64,
    variance: f64,
    samples: f64,
}

impl Standard {
    /// `value` in deviations from the mean, finite. `floor`: the least deviation, 0 if unknown.
    pub(crate) fn standardise(&self, value: f64, floor: f64) -> f64 {
        let departure = value.clamp(-VALUE_MAX, VALUE_MAX) - self.mean;
        if departure == 0.0 || self.samples == 0.0 {
            return 0.0;
        }
        let scale = self.variance.sqrt().max(floor).max(ROUNDING * self.mean.abs());
        if self.variance == 0.0 && floor <= 0.0 {
            return FIRST_MOVE.copysign(departure);
        }
        (departure / scale).clamp(-STANDARD_MAX, STANDARD_MAX)
    }

    /// Learns `value` with `weight`, 0 to 1.
    pub(crate) fn learn(&mut self, value: f64, weight: f64) {
        let value = value.clamp(-VALUE_MAX, VALUE_MAX);
        if self.samples == 0.0 {
            *self = Self { mean: value, variance: 0.0, samples: 1.0 };
            return;
        }
        self.samples = (self.samples + weight).min(MEMORY);
        let gain = weight / self.samples;
        let reach = if self.variance > 0.0 && self.samples > KNOWN_SAMPLES {
            LEARNED_DEPARTURE_MAX * self.variance.sqrt()
        } else {
            f64::INFINITY
        };
        let departure = (value - self.mean).clamp(-reach, reach);
        self.mean += gain * departure;
        self.variance = (1.0 - gain) * (self.variance + gain * departure * departure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_variance_are_those_of_a_short_sample() {
        let mut standard = Standard::default();
        for value in [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0] {
            standard.learn(value, 1.0);
        }
        assert!((standard.standardise(9.0, 0.0) - 2.0).abs() < 1e-12);
        assert!((standard.standardise(9.0, 4.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_constant_signal_that_moves_gives_a_bounded_departure() {
        let mut standard = Standard::default();
        (0..50).for_each(|_| standard.learn(7.0, 1.0));
        assert!(standard.standardise(7.0, 0.0).abs() < 1e-12);
        assert!((standard.standardise(7.5, 0.0) - FIRST_MOVE).abs() < 1e-12);
        assert!((standard.standardise(-1e300, 0.0) + FIRST_MOVE).abs() < 1e-12);
    }

    #[test]
    fn a_level_shift_is_adopted() {
        let mut standard = Standard::default();
        (0..2_000).for_each(|index| standard.learn(f64::from(index % 2), 1.0));
        (0..20_000).for_each(|index| standard.learn(50.0 + f64::from(index % 2), 1.0));
        assert!(standard.standardise(50.0, 0.0).abs() < 1.0);
    }
}
