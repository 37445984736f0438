//! Combination: one surprise from several, valid however they depend on each other.
//!
//! Cauchy combination test: Liu & Xie (2020), "Cauchy combination test: a powerful test with analytic
//! p-value calculation under arbitrary dependency structures". Each p-value becomes a Cauchy variate
//! `cot(pi p)`; their mean is Cauchy again, whatever the dependence, in the tail that matters. As in the
//! truncated form (Fang et al. 2023), p-values above one half count as one half, so that a
//! detector that is perfectly content cannot veto one that is not.
//!
//! The variate is tabulated and interpolated, to within 0.001 of the surprise: nearly every
//! observation is ordinary and needs no exponential.

use std::f64::consts::{LOG10_2, PI};
use std::fmt;
use std::sync::Arc;

/// Points of the table per unit of surprise.
const POINTS_PER_UNIT: usize = 32;
const POINTS: usize = 4 * POINTS_PER_UNIT + 1;

/// The tabulated combination rule. Clones share the table.
#[derive(Clone)]
pub struct Combiner {
    /// `cot(pi p)` at `p = 10^-surprise`, from a surprise of log10 2, where it is 0, upwards.
    cauchy: Arc<[f64; POINTS]>,
}

impl fmt::Debug for Combiner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Combiner")
    }
}

impl Default for Combiner {
    fn default() -> Self {
        Self::new()
    }
}

impl Combiner {
    /// Computes the table; some ten microseconds.
    pub fn new() -> Self {
        let point = |point: usize| {
            let p = libm::exp10(-surprise_at(point as f64));
            if point == 0 { 0.0 } else { 1.0 / libm::tan(PI * p) }
        };
        Self { cauchy: Arc::new(std::array::from_fn(point)) }
    }

    /// Combines surprises into one; 0 for none.
    #[inline]
    pub fn combine(&self, surprises: impl IntoIterator<Item = f64>) -> f64 {
        let (mut sum, mut count) = (0.0, 0_u32);
        for surprise in surprises {
            sum += self.cauchy(surprise);
            count += 1;
        }
        if count == 0 { 0.0 } else { self.surprise(sum / f64::from(count)) }
    }

    /// `cot(pi p)` for `p = 10^-surprise`, taken as at most one half.
    #[inline]
    fn cauchy(&self, surprise: f64) -> f64 {
        let place = (surprise - LOG10_2) * POINTS_PER_UNIT as f64;
        if place <= 0.0 {
            return 0.0;
        }
        let point = place as usize;
        if point >= POINTS - 1 {
            // Below a probability of 1e-4 the cotangent is 1 / (pi p) to within 1e-7.
            return libm::exp10(surprise) / PI;
        }
        let (low, high) = (self.cauchy[point], self.cauchy[point + 1]);
        low + (place - point as f64) * (high - low)
    }

    /// Surprise of a Cauchy variate: the inverse of [`Combiner::cauchy`].
    #[inline]
    fn surprise(&self, variate: f64) -> f64 {
        let above = self.cauchy.partition_point(|&point| point <= variate);
        if above == POINTS {
            return libm::log10(PI * variate);
        }
        let (low, high) = (self.cauchy[above - 1], self.cauchy[above]);
        surprise_at((above - 1) as f64 + (variate - low) / (high - low))
    }
}

/// The surprise at a place of the table.
fn surprise_at(place: f64) -> f64 {
    LOG10_2 + place / POINTS_PER_UNIT as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rule as the paper has it.
    fn by_definition(surprises: &[f64]) -> f64 {
        let variate = |surprise: &f64| 1.0 / libm::tan(PI * libm::exp10(-surprise.max(LOG10_2)));
        let mean = surprises.iter().map(variate).sum::<f64>() / surprises.len() as f64;
        -libm::log10(libm::atan(1.0 / mean) / PI)
    }

    #[test]
    fn agreeing_detectors_keep_their_surprise() {
        for surprise in [1.0, 3.0, 8.0, 60.0] {
            assert!((Combiner::new().combine([surprise; 3]) - surprise).abs() < 1e-3, "{surprise}");
        }
    }

    #[test]
    fn a_lone_voice_costs_the_logarithm_of_the_number_of_voices() {
        let combined = Combiner::new().combine([9.0, 0.1, 0.2]);
        assert!((combined - (9.0 - libm::log10(3.0))).abs() < 1e-3);
    }

    #[test]
    fn one_detector_passes_through_and_none_is_no_surprise() {
        assert!((Combiner::new().combine([4.2]) - 4.2).abs() < 1e-3);
        assert!(Combiner::new().combine([]).abs() < 1e-12);
        assert!((Combiner::new().combine([0.0]) - LOG10_2).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn the_table_is_close_to_the_definition(
            surprises in proptest::collection::vec(0.4..12.0_f64, 1..5)
        ) {
            let (ours, theirs) = (Combiner::new().combine(surprises.clone()), by_definition(&surprises));
            prop_assert!((ours - theirs).abs() < 2e-3, "{ours} {theirs}");
        }
    }
}
