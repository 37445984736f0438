//! Fusion: one surprise from several calibrated ones, calibrated again.
//!
//! * **Detectors of one signal**: the root mean square of their surprises. Detectors that fail on different series
//!   rank best when their agreement counts (a mean, as in Fisher's method) and yet a lone loud one is heard; a
//!   maximum, or the Cauchy rule of [`crate::combine`], hears only the loudest and alerts far more often for nothing.
//! * **Signals of a group**: the mean of the five largest surprises; more is diluted by the many signals that an
//!   incident does not touch.
//! * **Calibration**: neither is a surprise, as detectors and signals depend on each other in a way that differs from
//!   series to series. A ladder of three rungs follows the values that are exceeded once in 10, 100 and 1000, by
//!   stochastic approximation as in [`crate::calibrate`], from a prior between independence and full dependence. Beyond
//!   the last rung it goes on as steeply as the ladder is on average: what goes in has an exponential
//!   tail already, so nothing is fitted and nothing capped.
//!
//! State: 24 bytes. Cost: some 25 ns. Memory: 20,000 rows.
//! Blind spot: a signal that is alone in a large group needs the surprise of five.

use std::f64::consts::LN_10;

use crate::calibrate::Excursion;
use crate::tail::SURPRISE_MAX;

/// Rungs of the ladder, one per decade.
const RUNGS: usize = 3;
/// `10^(i + 1)`: one in so many rows exceeds rung `i`.
const ONE_IN: [f64; RUNGS] = [1e1, 1e2, 1e3];
/// Where rungs start, per decade.
const PRIOR_SLOPE: f64 = 0.9;
/// Rows that the prior counts for.
const PRIOR_ROWS: f64 = 3000.0;
/// Memory in rows.
const MEMORY: f32 = 20_000.0;
/// The gain of stochastic approximation.
const GAIN: f64 = 1.5;
/// A rung moves up by at most so much at once.
const STEP_UP_MAX: f64 = 0.25;
/// Rungs are at least this far apart.
const SLOPE_MIN: f64 = 0.25;
/// The surprise that a calibration can vouch for, and how much of what is beyond it shows.
const EVIDENCE_MAX: f64 = 4.0;
const HELD_BACK_RISE: f64 = 0.25;
/// Signals of a group that count.
const GROUP_TOP: usize = 5;

/// The root mean square of the surprises of one signal's detectors; `None` without any.
pub fn of_signal(surprises: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u32);
    for surprise in surprises {
        sum += surprise * surprise;
        count += 1;
    }
    (count > 0).then(|| (sum / f64::from(count)).sqrt())
}

/// The mean of the five largest surprises of a group's signals; of all, if there are fewer; `None` without any.
pub fn of_group(surprises: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut top, mut count) = ([0.0; GROUP_TOP], 0);
    for mut surprise in surprises {
        for place in &mut top {
            if surprise > *place {
                std::mem::swap(place, &mut surprise);
            }
        }
        count += 1;
    }
    (count > 0).then(|| top.iter().sum::<f64>() / count.min(GROUP_TOP) as f64)
}

/// The surprise by both tiers, of `fused`, a calibrated reading of all detectors, and `base`, the surprise by the base tier.
///
/// A calibration has seen some ten thousand scores, so that one in ten thousand is as rare as it can vouch for. Up to there
/// it decides. What is rarer takes the base tier, whose tails are modelled, and whose word then holds even if shapes
/// look ordinary. What is held back still shows a little, so that ranks stay.
pub fn of_tiers(fused: f64, base: f64) -> f64 {
    if fused.max(base) <= EVIDENCE_MAX {
        return fused;
    }
    let beyond = (fused - EVIDENCE_MAX).max(0.0);
    let held_back = fused.min(EVIDENCE_MAX) + HELD_BACK_RISE * libm::log1p(beyond);
    if base > EVIDENCE_MAX { held_back.max(base) } else { held_back }
}

/// What is known about past fused values of one signal or group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fusion {
    rungs: [f32; RUNGS],
    rows: f32,
    excursion: Excursion,
}

impl Default for Fusion {
    fn default() -> Self {
        let rungs = std::array::from_fn(|index| (PRIOR_SLOPE * (index + 1) as f64) as f32);
        Self { rungs, rows: 0.0, excursion: Excursion::default() }
    }
}

impl Fusion {
    /// Judges the value that [`of_signal`] or [`of_group`] gave, then learns from it with `weight`, 0 to 1: the
    /// surprise, 0 to [`SURPRISE_MAX`].
    pub fn observe(&mut self, fused: f64, weight: f64) -> f64 {
        if fused.is_nan() {
            return 0.0;
        }
        let fused = fused.clamp(0.0, SURPRISE_MAX);
        let surprise = self.surprise(fused);
        if self.excursion.counts(surprise) && weight > 0.0 {
            self.learn(fused, weight.min(1.0));
        }
        surprise
    }

    /// The surprise of a fused value.
    fn surprise(&self, fused: f64) -> f64 {
        let (mut low, mut level) = (0.0, 0.0);
        for rung in self.rungs.map(f64::from) {
            if fused < rung {
                return level + (fused - low) / (rung - low);
            }
            (low, level) = (rung, level + 1.0);
        }
        (level + (fused - low) / self.slope()).min(SURPRISE_MAX)
    }

    /// Rise of the fused value per decade beyond the ladder.
    fn slope(&self) -> f64 {
        f64::from(self.rungs[RUNGS - 1] - self.rungs[0]) / (RUNGS - 1) as f64
    }

    /// One step of stochastic approximation of every rung, in ascending order.
    fn learn(&mut self, fused: f64, weight: f64) {
        let gain = weight * self.slope() / (LN_10 * (f64::from(self.rows) / GAIN + PRIOR_ROWS));
        let mut low = 0.0;
        for (rung, one_in) in self.rungs.iter_mut().zip(ONE_IN) {
            let value = f64::from(*rung);
            let moved =
                if fused > value { (gain * (one_in - 1.0)).min(STEP_UP_MAX) } else { -gain };
            low = (value + moved).max(low + SLOPE_MIN);
            *rung = low as f32;
        }
        self.rows = (self.rows + weight as f32).min(MEMORY);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Noise;

    #[test]
    fn detectors_have_their_root_mean_square_and_the_loudest_five_signals_count() {
        assert_eq!(of_signal([]), None);
        assert_eq!(of_group([]), None);
        assert!((of_signal([7.0, 1.0]).unwrap_or_default() - 5.0).abs() < 1e-12);
        assert!((of_group([1.0, 9.0, 0.0, 3.0, 3.0, 4.0]).unwrap_or_default() - 4.0).abs() < 1e-12);
        assert!((of_group([4.0, 2.0]).unwrap_or_default() - 3.0).abs() < 1e-12);
    }

    #[test]
    fn the_mean_of_independent_surprises_is_stretched_back() {
        let (mut fusion, mut noise) = (Fusion::default(), Noise::new(1));
        for _ in 0..40_000 {
            // Squares of normal numbers: a mean of four exponential ones, as surprises are.
            let mut square = || libm::pow(noise.normal(), 2.0) / (2.0 * LN_10);
            fusion.observe((0..8).map(|_| square()).sum::<f64>() / 4.0, 1.0);
        }
        // Upper 1 % point of a Gamma distribution of shape 4, over 4 ln 10.
        let ours = fusion.surprise(10.045 / (4.0 * LN_10));
        assert!((ours - 2.0).abs() < 0.1, "{ours}");
    }

    #[test]
    fn a_long_incident_does_not_become_ordinary() {
        let (mut fusion, mut noise) = (Fusion::default(), Noise::new(2));
        for _ in 0..5000 {
            fusion.observe(0.3 * noise.normal().abs(), 1.0);
        }
        let first = fusion.observe(5.0, 1.0);
        let last = (0..500).map(|_| fusion.observe(5.0, 1.0)).last().unwrap_or_default();
        assert!(first > 5.0 && last > 0.9 * first, "{first} {last}");
    }

    #[test]
    fn nothing_is_rarer_than_the_evidence_unless_the_base_tier_says_so() {
        for (fused, base, surprise) in
            [(3.9, 0.0, 3.9), (2.0, 3.9, 2.0), (2.0, 9.0, 9.0), (7.0, 9.0, 9.0)]
        {
            assert!((of_tiers(fused, base) - surprise).abs() < 1e-12);
        }
        assert!(of_tiers(20.0, 1.0) < 5.0);
        assert!(of_tiers(20.0, 1.0) > of_tiers(10.0, 1.0));
    }

    #[test]
    fn a_state_fits_its_budget() {
        assert!(size_of::<Fusion>() <= 24, "{}", size_of::<Fusion>());
    }

    proptest! {
        #[test]
        fn any_values_give_finite_surprises_that_grow_with_them(
            values in proptest::collection::vec(
                prop_oneof![Just(0.0), Just(-1.0), Just(f64::NAN), Just(1e300), 0.0..20.0_f64],
                0..500,
            ),
            value in 0.0..50.0_f64, more in 0.0..50.0_f64,
        ) {
            let mut fusion = Fusion::default();
            for value in values {
                prop_assert!((0.0..=SURPRISE_MAX).contains(&fusion.observe(value, 1.0)));
            }
            prop_assert!(fusion.surprise(value + more) >= fusion.surprise(value));
        }
    }
}
