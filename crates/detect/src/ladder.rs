//! A ladder: what values of one kind are worth, by how often this series exceeded them.
//!
//! Fused surprises are no surprises any more: detectors and signals depend on each other in a way that differs from series
//! to series, and learned tails are a little off. A ladder follows the values that are exceeded once in 10, 100, 1,000 and
//! 10,000, by stochastic approximation as in [`crate::calibrate`], from a [`Prior`] that counts for thousands of rows, so
//! that a young series is judged as series in general are. Beyond the last rung it goes on as steeply as it is on
//! average: what goes in has an exponential tail already, so nothing is fitted and nothing capped.
//!
//! Protection: rows of an excursion count up to about twice the length that excursions of this series usually
//! have; see [`crate::calibrate`].
//!
//! State: 28 bytes. Cost: some 10 ns. Memory: 20,000 rows.
//! Blind spot: a series that is odd in one row out of ten is never odd.

use std::f64::consts::LN_10;

use serde::{Deserialize, Serialize};

use crate::calibrate::Excursion;
use crate::number::{larger, smaller};
use crate::tail::SURPRISE_MAX;

/// Rungs, one per decade.
const RUNGS: usize = 4;
/// `10^(i + 1)`: one in so many rows exceeds rung `i`.
const ONE_IN: [f64; RUNGS] = [1e1, 1e2, 1e3, 1e4];
/// Memory in rows.
const MEMORY: f32 = 20_000.0;
/// The gain of stochastic approximation.
const GAIN: f64 = 1.5;
/// A rung moves up by at most so much at once.
const STEP_UP_MAX: f64 = 0.4;
/// Rungs are at least this far apart.
const SLOPE_MIN: f64 = 0.25;

/// What is taken for granted about a series that was never seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    /// Rise of the value per decade of rarity.
    pub slope: f64,
    /// Rows that this counts for.
    pub rows: f64,
    /// A decade rises by at least this share of the one before it, 0 to 1: so high rungs, which see little, follow low ones.
    pub steadiness: f64,
}

/// What is known about past values of one series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ladder {
    /// Values that one row in [`ONE_IN`] exceeds.
    rungs: [f32; RUNGS],
    rows: f32,
    excursion: Excursion,
}

impl Default for Ladder {
    /// Values are taken to be surprises already.
    fn default() -> Self {
        Self::new(&Prior { slope: 1.0, rows: 0.0, steadiness: 0.0 })
    }
}

impl Ladder {
    /// A ladder of which only `prior` is known.
    pub fn new(prior: &Prior) -> Self {
        let rungs = std::array::from_fn(|index| (prior.slope * (index + 1) as f64) as f32);
        Self { rungs, rows: 0.0, excursion: Excursion::default() }
    }

    /// Judges `value`, 0 and up, then learns from it with `weight`, 0 to 1: the surprise, 0 to [`SURPRISE_MAX`]. What is not
    /// a number is no surprise and teaches nothing.
    #[inline]
    pub fn observe(&mut self, value: f64, weight: f64, prior: &Prior) -> f64 {
        let lowest = f64::from(self.rungs[0]);
        let is_plain = value >= 0.0 && value < lowest && weight >= 1.0 && prior.steadiness <= 0.0;
        if is_plain && self.excursion.is_none() {
            // Nearly all are so: as nine in ten they bring all rungs down alike, which are as far apart as before.
            let gain = self.gain(1.0, prior);
            if lowest - gain > SLOPE_MIN {
                self.rows = smaller(self.rows + 1.0, MEMORY);
                self.rungs = self.rungs.map(|rung| rung - gain as f32);
                return value / lowest;
            }
        }
        self.observe_any(value, weight, prior)
    }

    /// The same, whatever it is.
    #[inline(never)]
    fn observe_any(&mut self, value: f64, weight: f64, prior: &Prior) -> f64 {
        if value.is_nan() {
            return 0.0;
        }
        let value = smaller(larger(value, 0.0), SURPRISE_MAX);
        let surprise = self.surprise(value);
        if self.excursion.counts(surprise) && weight > 0.0 {
            self.learn(value, weight.min(1.0), prior);
        }
        surprise
    }

    /// Learns without a judgement, whatever came before.
    pub(crate) fn teach(&mut self, value: f64, weight: f64, prior: &Prior) {
        self.learn(value, weight, prior);
    }

    /// The surprise of a value: 0 to [`SURPRISE_MAX`].
    #[inline]
    pub fn surprise(&self, value: f64) -> f64 {
        let lowest = f64::from(self.rungs[0]);
        if value < lowest { value / lowest } else { self.surprise_above(value) }
    }

    /// The surprise of a value that is not below the lowest rung.
    #[inline(never)]
    fn surprise_above(&self, value: f64) -> f64 {
        let (mut low, mut level) = (0.0, 0.0);
        for rung in self.rungs.map(f64::from) {
            if value < rung {
                return level + (value - low) / (rung - low);
            }
            (low, level) = (rung, level + 1.0);
        }
        (level + (value - low) / self.slope()).min(SURPRISE_MAX)
    }

    /// The value whose surprise is `surprise`, 0 and up: the inverse of [`Ladder::surprise`].
    pub fn value_at(&self, surprise: f64) -> f64 {
        let rungs = self.rungs.map(f64::from);
        let whole = (surprise as usize).min(RUNGS);
        let low = if whole == 0 { 0.0 } else { rungs[whole - 1] };
        let slope = rungs.get(whole).map_or(self.slope(), |next| next - low);
        low + (surprise - whole as f64) * slope
    }

    /// Rows that it has learned, at most its memory.
    pub fn rows(&self) -> f32 {
        self.rows
    }

    /// Rise of the value per decade beyond the ladder.
    #[inline]
    fn slope(&self) -> f64 {
        f64::from(self.rungs[RUNGS - 1] - self.rungs[0]) * (1.0 / (RUNGS - 1) as f64)
    }

    /// One step of stochastic approximation of every rung.
    #[inline(never)]
    fn learn(&mut self, value: f64, weight: f64, prior: &Prior) {
        let gain = self.gain(weight, prior);
        self.rows = smaller(self.rows + weight as f32, MEMORY);
        self.climb(value, gain, prior);
    }

    /// By how much a row of this `weight` brings down the rungs above it.
    #[inline]
    fn gain(&self, weight: f64, prior: &Prior) -> f64 {
        weight * self.slope() / (LN_10 * (f64::from(self.rows) * (1.0 / GAIN) + prior.rows))
    }

    /// Moves each rung, in ascending order.
    #[inline(never)]
    fn climb(&mut self, value: f64, gain: f64, prior: &Prior) {
        let (mut below, mut low) = (0.0, 0.0);
        for (rung, one_in) in self.rungs.iter_mut().zip(ONE_IN) {
            let known = f64::from(*rung);
            let moved =
                if value > known { smaller(gain * (one_in - 1.0), STEP_UP_MAX) } else { -gain };
            let step = if prior.steadiness > 0.0 {
                larger(prior.steadiness * (low - below), SLOPE_MIN)
            } else {
                SLOPE_MIN
            };
            below = low;
            low = larger(known + moved, low + step);
            *rung = low as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Noise;

    const PRIOR: Prior = Prior { slope: 0.9, rows: 3000.0, steadiness: 0.5 };

    #[test]
    fn the_mean_of_independent_surprises_is_stretched_back() {
        let (mut ladder, mut noise) = (Ladder::new(&PRIOR), Noise::new(1));
        for _ in 0..40_000 {
            // Squares of normal numbers: a mean of four exponential ones, as surprises are.
            let mut square = || libm::pow(noise.normal(), 2.0) / (2.0 * LN_10);
            ladder.observe((0..8).map(|_| square()).sum::<f64>() / 4.0, 1.0, &PRIOR);
        }
        // Upper 1 % point of a Gamma distribution of shape 4, over 4 ln 10.
        let ours = ladder.surprise(10.045 / (4.0 * LN_10));
        assert!((ours - 2.0).abs() < 0.1, "{ours}");
    }

    #[test]
    fn a_long_incident_does_not_become_ordinary() {
        let (mut ladder, mut noise) = (Ladder::new(&PRIOR), Noise::new(2));
        for _ in 0..5000 {
            ladder.observe(0.3 * noise.normal().abs(), 1.0, &PRIOR);
        }
        let first = ladder.observe(5.0, 1.0, &PRIOR);
        let last = (0..500).map(|_| ladder.observe(5.0, 1.0, &PRIOR)).last().unwrap_or_default();
        assert!(first > 5.0 && last > 0.8 * first, "{first} {last}");
    }

    #[test]
    fn a_young_series_is_judged_by_the_prior() {
        let mut ladder = Ladder::new(&PRIOR);
        for _ in 0..100 {
            ladder.observe(0.1, 1.0, &PRIOR);
        }
        assert!((ladder.surprise(2.7) - 3.0).abs() < 0.2, "{}", ladder.surprise(2.7));
    }

    proptest! {
        #[test]
        fn rungs_stay_in_order_and_no_value_moves_one_far(
            values in proptest::collection::vec(prop_oneof![Just(0.0), Just(1e300), 0.0..20.0_f64], 1..300),
            weight in 0.0..1.0_f64, rows in 0.0..3000.0_f64, steady in any::<bool>(),
        ) {
            let prior = Prior { slope: 0.9, rows, steadiness: if steady { 0.5 } else { 0.0 } };
            let mut ladder = Ladder::new(&prior);
            for value in values {
                let before = ladder.rungs;
                ladder.teach(value.min(SURPRISE_MAX), weight, &prior);
                let rises = ladder.rungs.windows(2).map(|pair| f64::from(pair[1] - pair[0]));
                prop_assert!(rises.chain([f64::from(ladder.rungs[0])]).all(|rise| rise > SLOPE_MIN - 1e-5), "{ladder:?}");
                // A steady ladder pulls its high rungs along, by more than that.
                let moves = ladder.rungs.iter().zip(before).map(|(rung, before)| f64::from(rung - before));
                prop_assert!(steady || moves.fold(0.0, f64::max) <= STEP_UP_MAX + 1e-5, "{before:?} {ladder:?}");
            }
        }

        #[test]
        fn any_values_give_finite_surprises_that_grow_with_them_and_can_be_undone(
            values in proptest::collection::vec(
                prop_oneof![Just(0.0), Just(-1.0), Just(f64::NAN), Just(1e300), 0.0..20.0_f64],
                0..500,
            ),
            value in 0.0..50.0_f64, more in 0.0..50.0_f64, surprise in 0.0..20.0_f64,
        ) {
            let mut ladder = Ladder::new(&PRIOR);
            for value in values {
                prop_assert!((0.0..=SURPRISE_MAX).contains(&ladder.observe(value, 1.0, &PRIOR)));
            }
            prop_assert!(ladder.surprise(value + more) >= ladder.surprise(value));
            let again = ladder.surprise(ladder.value_at(surprise));
            prop_assert!((again - surprise).abs() < 1e-6, "{surprise} {again}");
        }
    }
}
