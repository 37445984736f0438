//! The generalised Pareto tail, in decades of probability.

use std::f64::consts::LN_10;

use crate::tail::SURPRISE_MAX;

/// A generalised Pareto tail in decades: the quantile at surprise `level + d` lies
/// `slope (10^(shape d) - 1) / (shape ln 10)` above `start`.
#[derive(Debug, Clone, Copy)]
pub(super) struct ParetoTail {
    pub(super) start: f64,
    pub(super) level: f64,
    /// Rise of the quantile per decade at `start`.
    pub(super) slope: f64,
    pub(super) shape: f64,
}

/// Below this a shape is that of the exponential distribution.
const SHAPE_TINY: f64 = 1e-6;

impl ParetoTail {
    pub(super) fn surprise(&self, score: f64) -> f64 {
        let decades = (score - self.start) / self.slope;
        if self.shape.abs() < SHAPE_TINY {
            return self.level + decades;
        }
        let grown = 1.0 + self.shape * LN_10 * decades;
        if grown <= 0.0 { SURPRISE_MAX } else { self.level + libm::log10(grown) / self.shape }
    }

    pub(super) fn quantile(&self, decades: f64) -> f64 {
        let reach = if self.shape.abs() < SHAPE_TINY {
            decades
        } else {
            libm::expm1(self.shape * LN_10 * decades) / (self.shape * LN_10)
        };
        self.start + self.slope * reach
    }
}

/// Slope at the end of a decade over which a tail of `shape` rises by 1.
pub(super) fn end_slope(shape: f64) -> f64 {
    if shape.abs() < SHAPE_TINY { 1.0 } else { shape * LN_10 / -libm::expm1(-shape * LN_10) }
}
