//! One member of a group and how far it is from where it should be.

use serde::{Deserialize, Serialize};

use crate::subspace::follow::Follow;

/// A distance where there never was one is so large; how large nobody knows.
const FIRST_DISTANCE: f64 = 10.0;
/// A unit below this share of the median is rounding.
const ROUNDING: f64 = 1e-9;
/// The largest distance in units: its square is finite. Scores end at 10,000.
const DISTANCE_MAX: f64 = 1e100;

/// What is known of one member.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) follow: Follow,
    pub(super) recent_mean: f64,
    pub(super) value: f64,
    /// Whether `value` is of this row.
    pub(super) is_present: bool,
    /// Index of its cohort, or of none.
    pub(super) cohort: Option<u8>,
}

impl Member {
    /// From the centre of its cohort, or else from the nearest one.
    pub(super) fn departure(&self, centres: &[f64]) -> f64 {
        let own = self.cohort.and_then(|cohort| centres.get(usize::from(cohort)));
        let departures = centres.iter().map(|centre| self.value - centre);
        own.map(|centre| self.value - centre)
            .or_else(|| departures.min_by(|a, b| a.abs().total_cmp(&b.abs())))
            .unwrap_or(0.0)
    }
}

/// `departure` in units of `unit`, at most [`DISTANCE_MAX`]; `from` is what the departure is from.
pub(super) fn in_units(departure: f64, unit: f64, from: f64) -> f64 {
    let rounding = ROUNDING * from.abs();
    if departure.abs() <= rounding {
        0.0
    } else if unit > 0.0 {
        (departure / unit.max(rounding)).clamp(-DISTANCE_MAX, DISTANCE_MAX)
    } else {
        FIRST_DISTANCE.copysign(departure)
    }
}

/// The middle one of `values`, the lower of two; `None` where there are none. Changes their order.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable_by(middle, f64::total_cmp).1)
}
