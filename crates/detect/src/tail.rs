//! Tails: from a standardised departure to a surprise, and back.
//!
//! Surprise is −log10 of a two-sided tail probability. Up to [`TAIL_START`] standard deviations it is that of
//! Student's t with eight degrees of freedom, scaled to unit variance. Beyond, where what
//! counts is how the series itself behaves, it is a Pareto tail whose two parameters each series
//! learns: how often departures go beyond [`TAIL_START`] and how far they then go (its index, the degrees
//! of freedom of the t distribution that falls off alike).
//!
//! A tail that is as thin at its start as that of a normal distribution (whose local index there is 9.8) is no power law: its
//! index grows with the distance. So from an index of 6.5 on the tail is bent, until at 10.5
//! it falls off exponentially: between a power law and a normal distribution, as a Weibull tail. It is bent up to twice its
//! start and no further: of what lies beyond, the samples that were seen say nothing.
//!
//! Sources: Student's t by the series of the incomplete beta function, Abramowitz & Stegun 26.7.1 and 26.5.4,
//! tabulated once; that of `statrs` rests on the platform's `ln` and `exp`, with which surprises would differ by machine. Tail: Hill (1975), "A simple general approach to inference about the tail of a
//! distribution".

use std::f64::consts::LN_10;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The largest surprise there is. A probability below 1e-100 means nothing on real data.
pub const SURPRISE_MAX: f64 = 100.0;
/// Departure, in standard deviations, from which the learned tail speaks.
pub const TAIL_START: f64 = 3.0;
/// Departure up to which the body speaks alone; between the two the surprise is interpolated.
pub(crate) const BODY_END: f64 = 2.0;
/// Degrees of freedom of the body: heavier than a Gaussian, as real series are.
const BODY_DOF: f64 = 8.0;
/// Index from which a tail is bent, and the one from which it is exponential.
const CURVED_FROM: f64 = 6.5;
const CURVED_FULLY: f64 = 10.5;
/// A tail is bent up to so many times its start.
const CURVED_REACH: f64 = 2.0;
/// Points of the table per standard deviation.
const POINTS_PER_UNIT: usize = 32;
const POINTS: usize = BODY_END as usize * POINTS_PER_UNIT + 2;

/// What a series' tail looks like.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TailShape {
    /// How often a departure exceeds [`TAIL_START`]: above 0, at most 1.
    pub frequency: f64,
    /// Pareto index at the start of the tail: at twice the departure the probability is `2^-index` of what it was, and less
    /// where the tail is bent. Positive.
    pub index: f64,
}

/// The tabulated body. Clones share the table.
#[derive(Clone)]
pub struct Tail {
    body: Arc<[f32; POINTS]>,
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tail")
    }
}

impl Default for Tail {
    fn default() -> Self {
        Self::new()
    }
}

impl Tail {
    /// Computes the table; some tens of microseconds.
    pub fn new() -> Self {
        // A t distribution of n degrees of freedom has the variance n / (n - 2).
        let to_t = (BODY_DOF / (BODY_DOF - 2.0)).sqrt();
        let point = |point: usize| {
            student_surprise(point as f64 / POINTS_PER_UNIT as f64 * to_t, BODY_DOF) as f32
        };
        Self { body: Arc::new(std::array::from_fn(point)) }
    }

    /// Surprise of a departure of `departure` standard deviations: 0 to [`SURPRISE_MAX`]. What is not a
    /// number is no surprise.
    #[inline]
    pub fn surprise(&self, departure: f64, shape: TailShape) -> f64 {
        let distance = departure.abs();
        if distance < BODY_END { self.body(distance) } else { self.beyond(distance, shape) }
    }

    /// The surprise of what lies beyond the body. Few samples do, and the code that all of them run through should stay small.
    #[cold]
    #[inline(never)]
    fn beyond(&self, distance: f64, shape: TailShape) -> f64 {
        if distance < TAIL_START {
            let (end, start) = self.joint(shape);
            end + (distance - BODY_END) / (TAIL_START - BODY_END) * (start - end)
        } else if distance.is_nan() {
            0.0
        } else {
            let (_, start) = self.joint(shape);
            (start + shape.index * decades(distance / TAIL_START, shape.index)).min(SURPRISE_MAX)
        }
    }

    /// The departure, in standard deviations, whose surprise is `surprise`: the inverse of
    /// [`Tail::surprise`].
    pub fn departure(&self, surprise: f64, shape: TailShape) -> f64 {
        let (end, start) = self.joint(shape);
        if surprise >= start {
            return TAIL_START * ratio((surprise - start) / shape.index, shape.index);
        }
        if surprise >= end {
            return BODY_END + (TAIL_START - BODY_END) * (surprise - end) / (start - end);
        }
        let above = self.body.partition_point(|&point| f64::from(point) < surprise).max(1);
        let (low, high) = (f64::from(self.body[above - 1]), f64::from(self.body[above]));
        ((above - 1) as f64 + (surprise - low) / (high - low)) / POINTS_PER_UNIT as f64
    }

    /// The surprise at which the body ends and the one at which the tail starts.
    fn joint(&self, shape: TailShape) -> (f64, f64) {
        let end = self.body(BODY_END);
        (end, end.max(-libm::log10(shape.frequency)))
    }

    #[inline]
    fn body(&self, distance: f64) -> f64 {
        let place = distance * POINTS_PER_UNIT as f64;
        // In 32 bits, of which a conversion is shorter.
        let point = (place as u32 as usize).min(POINTS - 2);
        let (low, high) = (f64::from(self.body[point]), f64::from(self.body[point + 1]));
        low + (place - point as f64) * (high - low)
    }
}

/// How much faster than a power law a tail of `index` falls off: 0 for one, 1 for an exponential tail.
fn curvature(index: f64) -> f64 {
    ((index - CURVED_FROM) / (CURVED_FULLY - CURVED_FROM)).clamp(0.0, 1.0)
}

/// Decades of an index of 1 from [`TAIL_START`] to `ratio` times that.
#[inline]
fn decades(ratio: f64, index: f64) -> f64 {
    let curvature = curvature(index);
    if curvature <= 0.0 {
        return libm::log10(ratio);
    }
    let seen = ratio.min(CURVED_REACH);
    let steepness = libm::pow(seen, curvature);
    (steepness - 1.0) / (curvature * LN_10) + steepness * libm::log10(ratio / seen)
}

/// The inverse of [`decades`].
fn ratio(decades_from_start: f64, index: f64) -> f64 {
    let curvature = curvature(index);
    let curved = decades(CURVED_REACH, index);
    if curvature <= 0.0 {
        libm::exp10(decades_from_start)
    } else if decades_from_start < curved {
        libm::pow(1.0 + decades_from_start * curvature * LN_10, 1.0 / curvature)
    } else {
        let steepness = libm::pow(CURVED_REACH, curvature);
        CURVED_REACH * libm::exp10((decades_from_start - curved) / steepness)
    }
}

/// Surprise of `t` under Student's t, by the incomplete beta function `I_x(dof/2, 1/2)`,
/// `x = dof / (dof + t²)`.
fn student_surprise(t: f64, dof: f64) -> f64 {
    let (a, b) = (dof / 2.0, 0.5);
    let squared = t * t;
    let (x, rest) = (dof / (dof + squared), squared / (dof + squared));
    let surprise = if x < 0.6 {
        -ln_beta_series(a, b, x, rest) / LN_10
    } else if rest <= 0.0 {
        0.0
    } else {
        -libm::log1p(-libm::exp(ln_beta_series(b, a, rest, x))) / LN_10
    };
    surprise.clamp(0.0, SURPRISE_MAX)
}

/// `ln I_x(a, b)` by its power series in `x`; `rest = 1 - x`, both positive.
fn ln_beta_series(a: f64, b: f64, x: f64, rest: f64) -> f64 {
    let (mut term, mut sum, mut k) = (1.0, 1.0, 0.0);
    while term > sum * 1e-16 && k < 10_000.0 {
        term *= x * (a + b + k) / (a + 1.0 + k);
        sum += term;
        k += 1.0;
    }
    let ln_beta = libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
    a * libm::log(x) + b * libm::log(rest) - libm::log(a) - ln_beta + libm::log(sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHAPE: TailShape = TailShape { frequency: 1e-3, index: 4.0 };

    #[test]
    fn students_tail_agrees_with_published_quantiles() {
        // Two-sided points of Student's t (Abramowitz & Stegun, table 26.10).
        for (dof, t, p) in [
            (3.0, 3.182, 0.05),
            (5.0, 4.032, 0.01),
            (10.0, 3.169, 0.01),
            (20.0, 3.850, 0.001),
            (30.0, 2.042, 0.05),
        ] {
            assert!((student_surprise(t, dof) + libm::log10(p)).abs() < 1e-3, "{dof} {t}");
        }
    }

    #[test]
    fn students_tail_agrees_with_the_closed_form_far_out() {
        // P(|T| > t) = 1 - s (3 - s²) / 2 with s = t / sqrt(t² + 4) for four degrees of freedom; far
        // out 6 / t⁴.
        let surprise = student_surprise(1e3, 4.0);
        assert!((surprise - (12.0 - libm::log10(6.0))).abs() < 1e-4);
    }

    #[test]
    fn the_tail_falls_off_by_its_index() {
        let tail = Tail::new();
        assert!((tail.surprise(TAIL_START, SHAPE) - 3.0).abs() < 1e-9);
        assert!((tail.surprise(10.0 * TAIL_START, SHAPE) - 7.0).abs() < 1e-9);
    }

    #[test]
    fn a_thin_tail_is_bent_between_a_power_law_and_a_normal_one() {
        let tail = Tail::new();
        // Beyond three deviations a normal number is found once in 370, beyond six once in 5e8.
        let normal = TailShape { frequency: 2.7e-3, index: 10.5 };
        let six = tail.surprise(6.0, normal);
        assert!((5.5..8.7).contains(&six), "{six}");
        // An index of 10.5: the same decades for the same distance.
        let steps = [3.0, 4.0, 5.0, 6.0].map(|distance| tail.surprise(distance, normal));
        assert!((steps[1] - steps[0] - (steps[3] - steps[2])).abs() < 1e-9);
        let heavy = TailShape { frequency: 2.7e-3, index: 4.9 };
        let doubled = tail.surprise(6.0, heavy) - tail.surprise(3.0, heavy);
        assert!((doubled - 4.9 * std::f64::consts::LOG10_2).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn surprise_grows_with_the_departure(
            distance in 0.0..1e4_f64, more in 0.0..10.0_f64,
            frequency in 1e-6..1.0_f64, index in 0.5..12.0_f64,
        ) {
            let (tail, shape) = (Tail::new(), TailShape { frequency, index });
            let (near, far) = (tail.surprise(distance, shape), tail.surprise(distance + more, shape));
            prop_assert!(far >= near - 1e-9);
            prop_assert!((0.0..=SURPRISE_MAX).contains(&far));
        }

        #[test]
        fn departure_inverts_surprise(
            surprise in 0.05..20.0_f64, frequency in 1e-6..1.0_f64, index in 0.5..12.0_f64,
        ) {
            let (tail, shape) = (Tail::new(), TailShape { frequency, index });
            let back = tail.surprise(tail.departure(surprise, shape), shape);
            prop_assert!((back - surprise).abs() < 1e-3, "{back}");
        }
    }

    #[test]
    fn odd_departures_are_ordinary_input() {
        let tail = Tail::new();
        assert!(tail.surprise(0.0, SHAPE) < 1e-6);
        assert!(tail.surprise(f64::NAN, SHAPE) < 1e-6);
        assert!(tail.surprise(f64::NEG_INFINITY, SHAPE) <= SURPRISE_MAX);
    }
}
