//! Fusion: one surprise from several calibrated ones.
//!
//! * **Detectors of one signal**: the root mean square of their surprises. Detectors that fail on different series
//!   rank best when their agreement counts (a mean, as in Fisher's method) and yet a lone loud one is heard; a
//!   maximum, or the Cauchy rule of [`crate::combine`], hears only the loudest and alerts far more often for nothing.
//! * **Signals of a group**: the mean of the three largest surprises; more is diluted by the many signals that an
//!   incident does not touch.
//!
//! Neither is a surprise: a [`Ladder`](crate::ladder::Ladder) makes one of it.
//!
//! Blind spot: a signal that is alone in a large group needs the surprise of three.

use std::f64::consts::LOG10_2;

/// The surprise that a calibration can vouch for: it has seen some ten thousand scores.
pub const EVIDENCE_MAX: f64 = 4.0;
/// How much shows of what is held back.
const HELD_BACK_RISE: f64 = 0.25;
/// Signals of a group that count.
const GROUP_TOP: usize = 3;

/// The root mean square of the surprises of one signal's detectors; `None` without any.
pub fn of_signal(surprises: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u32);
    for surprise in surprises {
        sum += surprise * surprise;
        count += 1;
    }
    (count > 0).then(|| (sum / f64::from(count)).sqrt())
}

/// The mean of the three largest surprises of a group's signals; of all, if there are fewer; `None` without any.
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
/// look ordinary. That makes two chances to exceed it, so the base tier's word is worth half (Bonferroni).
pub fn of_tiers(fused: f64, base: f64) -> f64 {
    let base = base - LOG10_2;
    if fused.max(base) <= EVIDENCE_MAX {
        return fused;
    }
    let held_back = held_back(fused, EVIDENCE_MAX);
    if base > EVIDENCE_MAX { held_back.max(base) } else { held_back }
}

/// A surprise of which no more than `most` is believed. What is held back still shows a little, so that ranks stay.
pub fn held_back(surprise: f64, most: f64) -> f64 {
    surprise.min(most) + HELD_BACK_RISE * libm::log1p((surprise - most).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detectors_have_their_root_mean_square_and_the_loudest_three_signals_count() {
        assert_eq!(of_signal([]), None);
        assert_eq!(of_group([]), None);
        assert!((of_signal([7.0, 1.0]).unwrap_or_default() - 5.0).abs() < 1e-12);
        assert!((of_group([1.0, 9.0, 0.0, 3.0, 4.0, 5.0]).unwrap_or_default() - 6.0).abs() < 1e-12);
        assert!((of_group([4.0, 2.0]).unwrap_or_default() - 3.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_is_rarer_than_the_evidence_unless_the_base_tier_says_so() {
        for (fused, base, surprise) in
            [(3.9, 0.0, 3.9), (2.0, 4.3, 2.0), (2.0, 9.0, 8.699), (7.0, 9.0, 8.699)]
        {
            assert!((of_tiers(fused, base) - surprise).abs() < 1e-3);
        }
        assert!(of_tiers(20.0, 1.0) < 5.0);
        assert!(of_tiers(20.0, 1.0) > of_tiers(10.0, 1.0));
    }
}
