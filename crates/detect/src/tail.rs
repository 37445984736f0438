//! Tails: from a standardised departure to a surprise, and back.
//!
//! Surprise is −log10 of the two-sided tail probability of Student's t distribution. Evaluating the
//! incomplete beta function for every sample would cost more than all detectors together, so the
//! surprise is tabulated once over degrees of freedom and departure and interpolated: within
//! 0.01 of the exact value wherever the surprise is below 20 (see the tests).
//!
//! Source of the exact form: Abramowitz & Stegun 26.7.1 and 26.5.4 (series of the incomplete beta
//! function), evaluated in logarithms so that it does not underflow.

use std::f64::consts::LN_10;
use std::fmt;
use std::sync::Arc;

/// The largest surprise there is. A probability below 1e-100 means nothing on real data.
pub const SURPRISE_MAX: f64 = 100.0;

/// Degrees of freedom of the tabulated rows, heaviest tail first.
const ROW_DOF: [f64; 10] = [3.0, 3.5, 4.0, 5.0, 6.0, 8.0, 11.0, 15.0, 20.0, 30.0];
/// Fewest degrees of freedom a tail can have.
pub const DOF_MIN: f64 = ROW_DOF[0];
/// Most degrees of freedom a tail can have: real series are never as tame as a Gaussian.
pub const DOF_MAX: f64 = ROW_DOF[ROW_DOF.len() - 1];

/// Segments per doubling of `1 + |t|`, as a power of two.
const SEGMENT_BITS: u32 = 4;
/// Doublings covered; beyond, the surprise of the last point holds.
const OCTAVES: usize = 14;
const POINTS: usize = (OCTAVES << SEGMENT_BITS) + 1;
const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1 - SEGMENT_BITS;

/// Tabulated surprise of Student's t. Clones share the table.
#[derive(Clone)]
pub struct StudentTail {
    rows: Arc<[[f32; POINTS]; ROW_DOF.len()]>,
}

impl fmt::Debug for StudentTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StudentTail")
    }
}

impl Default for StudentTail {
    fn default() -> Self {
        Self::new()
    }
}

impl StudentTail {
    /// Computes the table; about a millisecond.
    pub fn new() -> Self {
        let row = |dof: f64| std::array::from_fn(|point| exact(departure(point), dof) as f32);
        Self { rows: Arc::new(ROW_DOF.map(row)) }
    }

    /// Surprise of a departure of `t` under `dof` degrees of freedom: 0 to [`SURPRISE_MAX`].
    ///
    /// `dof` is taken into [`DOF_MIN`]..=[`DOF_MAX`]. A `t` that is not a number is no surprise.
    #[inline]
    pub fn surprise(&self, t: f64, dof: f64) -> f64 {
        let place = 1.0 + t.abs();
        if place.is_nan() {
            return 0.0;
        }
        let offset = place.to_bits() - 1.0_f64.to_bits();
        let point = (offset >> MANTISSA_BITS) as usize;
        let (low, high) = rows_around(dof);
        if point >= POINTS - 1 {
            return f64::from(self.rows[low.row][POINTS - 1]);
        }
        let within = (offset & ((1 << MANTISSA_BITS) - 1)) as f64 / (1_u64 << MANTISSA_BITS) as f64;
        let at = |row: usize| {
            let (from, to) = (self.rows[row][point], self.rows[row][point + 1]);
            f64::from(from) + within * f64::from(to - from)
        };
        low.weight * at(low.row) + high.weight * at(high.row)
    }

    /// The departure whose surprise is `surprise`: the inverse of [`StudentTail::surprise`].
    pub fn departure(&self, surprise: f64, dof: f64) -> f64 {
        let (mut low, mut high) = (0.0, departure(POINTS - 1));
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if self.surprise(middle, dof) < surprise {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }
}

struct Weighted {
    row: usize,
    weight: f64,
}

/// The rows on both sides of `dof`, weighted linearly in `1 / dof`.
fn rows_around(dof: f64) -> (Weighted, Weighted) {
    let last = ROW_DOF.len() - 1;
    let high = ROW_DOF.iter().position(|&row| row >= dof).unwrap_or(last).max(1);
    let low = high - 1;
    let inverse = 1.0 / dof.clamp(DOF_MIN, DOF_MAX);
    let (from, to) = (1.0 / ROW_DOF[low], 1.0 / ROW_DOF[high]);
    let weight = (inverse - from) / (to - from);
    (Weighted { row: low, weight: 1.0 - weight }, Weighted { row: high, weight })
}

/// The departure that table point `point` stands for.
fn departure(point: usize) -> f64 {
    f64::from_bits(1.0_f64.to_bits() + ((point as u64) << MANTISSA_BITS)) - 1.0
}

/// Surprise of `t` by the incomplete beta function `I_x(dof/2, 1/2)`, `x = dof / (dof + t²)`.
fn exact(t: f64, dof: f64) -> f64 {
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

    #[test]
    fn the_exact_tail_agrees_with_published_quantiles() {
        // Two-sided 5 %, 1 % and 0.1 % points of Student's t (Abramowitz & Stegun, table 26.10).
        for (dof, t, p) in [
            (3.0, 3.182, 0.05),
            (5.0, 4.032, 0.01),
            (10.0, 3.169, 0.01),
            (20.0, 3.850, 0.001),
            (30.0, 2.042, 0.05),
        ] {
            assert!((exact(t, dof) + f64::log10(p)).abs() < 1e-3, "{dof} {t}");
        }
    }

    #[test]
    fn four_degrees_of_freedom_agree_with_the_closed_form_far_out() {
        // P(|T| > t) = 1 - s (3 - s²) / 2 with s = t / sqrt(t² + 4); far out 6 / t⁴.
        assert!((exact(1e3, 4.0) - (12.0 - 6.0_f64.log10())).abs() < 1e-4);
    }

    proptest! {
        #[test]
        fn the_table_is_close_to_the_exact_tail(t in 0.0..60.0_f64, row in 0..ROW_DOF.len()) {
            let dof = ROW_DOF[row];
            let (table, exact) = (StudentTail::new().surprise(t, dof), exact(t, dof));
            prop_assume!(exact < 20.0);
            prop_assert!((table - exact).abs() < 0.01, "{table} {exact}");
        }

        #[test]
        fn between_rows_the_surprise_lies_between_theirs(t in 3.0..60.0_f64, dof in 3.0..30.0_f64) {
            let tail = StudentTail::new();
            prop_assert!(tail.surprise(t, dof) >= tail.surprise(t, DOF_MIN) - 1e-9);
            prop_assert!(tail.surprise(t, dof) <= tail.surprise(t, DOF_MAX) + 1e-9);
        }

        #[test]
        fn surprise_grows_with_the_departure(t in 0.0..1e6_f64, more in 0.0..10.0_f64, dof in 2.0..99.0_f64) {
            let tail = StudentTail::new();
            prop_assert!(tail.surprise(t + more, dof) >= tail.surprise(t, dof) - 1e-6);
        }

        #[test]
        fn departure_inverts_surprise(surprise in 0.1..15.0_f64, dof in 3.0..30.0_f64) {
            let tail = StudentTail::new();
            prop_assume!(tail.surprise(1e4, dof) > surprise);
            let back = tail.surprise(tail.departure(surprise, dof), dof);
            prop_assert!((back - surprise).abs() < 1e-3);
        }
    }

    #[test]
    fn odd_departures_are_ordinary_input() {
        let tail = StudentTail::new();
        assert!(tail.surprise(0.0, 5.0) < 1e-6);
        assert!(tail.surprise(f64::NAN, 5.0) < 1e-6);
        assert!(tail.surprise(f64::INFINITY, 30.0) <= SURPRISE_MAX);
        assert!(tail.surprise(1e300, f64::NAN) <= SURPRISE_MAX);
    }
}
