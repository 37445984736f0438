//! Promise: whether the surprises of a series come as often as they promise to.
//!
//! A surprise of two is promised for one sample in a hundred. Its own past calibrates a series
//! (`bellwether_detect::ladder`), but a past teaches nothing about a series whose nature changes again and again. So the share of
//! samples at which a surprise of [`NOTED`] begins is followed over [`MEMORY_SAMPLES`]; that it goes on is not counted, so that a
//! long incident is one. A series at which it begins more than [`TOLERATED`] times as often as promised is demoted: its threshold
//! is raised by as many decades as it is beyond that.
//!
//! State: 4 bytes.

use serde::{Deserialize, Serialize};

/// The surprise that is counted.
const NOTED: f32 = 2.0;
/// The share of samples that it is promised for.
const PROMISED: f32 = 1e-2;
/// How much more than promised is still calibrated.
const TOLERATED: f32 = 2.0;
/// Samples over which shares are followed. At a hundredth, chance moves a share by a tenth of it.
const MEMORY_SAMPLES: f32 = 4_000.0;

/// How often surprises of a series begin. By default as often as promised.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Promise {
    /// Share of samples at which a surprise of [`NOTED`] began; 0 to 1/2.
    share: f32,
}

impl Default for Promise {
    fn default() -> Self {
        Self { share: PROMISED }
    }
}

impl Promise {
    /// Learns the surprise of a sample and that of the one before, which is NaN for none. Returns whether the series is
    /// demoted by it, which it was not before.
    #[inline]
    pub(crate) fn learn(&mut self, surprise: f32, before: f32) -> bool {
        let begins = surprise >= NOTED && before < NOTED;
        let kept = self.is_kept();
        self.share += (f32::from(u8::from(begins)) - self.share) * (1.0 / MEMORY_SAMPLES);
        kept && !self.is_kept()
    }

    /// How many times as often as promised surprises begin; about 1 on a series that is calibrated.
    pub(crate) fn times(self) -> f64 {
        f64::from(self.share / PROMISED)
    }

    /// What the threshold is raised by, as a surprise: 0 for all but series on which calibration fails, below 2 for these.
    pub(crate) fn raise(self) -> f64 {
        if self.is_kept() { 0.0 } else { libm::log10(self.times() / f64::from(TOLERATED)).max(0.0) }
    }

    fn is_kept(self) -> bool {
        self.share <= TOLERATED * PROMISED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of `promise` after `samples`, of which a surprise begins at one in `every` and lasts for `lasts`.
    fn after(mut promise: Promise, samples: usize, every: usize, lasts: usize) -> Promise {
        let mut before = f32::NAN;
        for index in 0..samples {
            let surprise = if index % every < lasts { 3.0 } else { 0.3 };
            promise.learn(surprise, before);
            before = surprise;
        }
        promise
    }

    #[test]
    fn a_series_that_keeps_its_promise_is_not_demoted_nor_is_one_in_a_long_incident() {
        for (every, lasts) in [(100, 1), (70, 3), (1_000_000, 5_000)] {
            let promise = after(Promise::default(), 50_000, every, lasts);
            assert!(promise.raise() <= 0.0, "{every} {promise:?}");
        }
    }

    #[test]
    fn a_series_that_surprises_too_often_is_demoted_and_pardoned_once_it_does_not() {
        let loud = after(Promise::default(), 50_000, 10, 1);
        assert!((loud.times() - 10.0).abs() < 0.1, "{loud:?}");
        assert!((loud.raise() - libm::log10(5.0)).abs() < 0.01, "{loud:?}");
        // A memory and a half is enough.
        assert!(after(loud, 6_500, 1_000, 1).raise() > 0.0);
        assert!(after(loud, 8_500, 1_000, 1).raise() <= 0.0);
    }

    #[test]
    fn the_sample_is_told_that_demotes_it_and_no_other() {
        let (mut promise, mut told) = (Promise::default(), 0);
        for index in 0..10_000 {
            let (surprise, before) = if index % 2 == 0 { (9.0, 0.0) } else { (0.0, 9.0) };
            told += u32::from(promise.learn(surprise, before));
        }
        assert_eq!(told, 1);
        assert!(promise.raise() < 2.0);
    }

    #[test]
    fn the_first_sample_begins_nothing() {
        let mut promise = Promise::default();
        promise.learn(9.0, f32::NAN);
        assert!(promise.times() < 1.0);
    }
}
