//! Combination: one surprise from several, valid however they depend on each other.
//!
//! Cauchy combination test: Liu & Xie (2020), "Cauchy combination test: a powerful test with analytic
//! p-value calculation under arbitrary dependency structures". Each p-value becomes a Cauchy variate
//! `cot(pi p)`; their mean is Cauchy again, whatever the dependence, in the tail that matters. As in the
//! truncated form (Fang et al. 2023), p-values above one half count as one half, so that a
//! detector that is perfectly content cannot veto one that is not.

use std::f64::consts::PI;

/// Combines surprises into one; 0 for none.
pub fn combine(surprises: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0_u32);
    for surprise in surprises {
        sum += cauchy(surprise);
        count += 1;
    }
    if count == 0 {
        return 0.0;
    }
    let mean = sum / f64::from(count);
    // Upper tail of the Cauchy distribution; atan(1/x) keeps its digits where x is large.
    let p = if mean > 0.0 { libm::atan(1.0 / mean) / PI } else { 0.5 };
    -libm::log10(p)
}

/// `cot(pi p)` for `p = 10^-surprise`, taken as at most one half.
fn cauchy(surprise: f64) -> f64 {
    if surprise <= std::f64::consts::LOG10_2 {
        return 0.0;
    }
    let p = libm::exp10(-surprise);
    1.0 / libm::tan(PI * p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreeing_detectors_keep_their_surprise() {
        for surprise in [1.0, 3.0, 8.0, 60.0] {
            assert!((combine([surprise; 3]) - surprise).abs() < 1e-6, "{surprise}");
        }
    }

    #[test]
    fn a_lone_voice_costs_the_logarithm_of_the_number_of_voices() {
        let combined = combine([9.0, 0.1, 0.2]);
        assert!((combined - (9.0 - libm::log10(3.0))).abs() < 1e-6);
    }

    #[test]
    fn one_detector_passes_through_and_none_is_no_surprise() {
        assert!((combine([4.2]) - 4.2).abs() < 1e-9);
        assert!(combine([]).abs() < 1e-12);
        assert!((combine([0.0]) - std::f64::consts::LOG10_2).abs() < 1e-9);
    }
}
