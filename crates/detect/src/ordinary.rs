//! What an ordinary departure says to the combination, in one look-up.
//!
//! [`Tail`] makes a surprise of a departure and [`Combiner`] a Cauchy variate of the surprise. Below [`BODY_END`] neither
//! depends on the series, so the way through both is one function, tabulated and interpolated: a variate is right
//! to within 0.002.

use std::fmt;
use std::sync::Arc;

use crate::combine::Combiner;
use crate::tail::{BODY_END, Tail, TailShape};

const POINTS_PER_UNIT: usize = 64;
const POINTS: usize = BODY_END as usize * POINTS_PER_UNIT;

/// The table. Clones share it.
#[derive(Clone)]
pub(crate) struct Ordinary(Arc<[Segment; POINTS]>);

/// A straight line from one point of the table to the next.
#[derive(Debug, Clone, Copy)]
struct Segment {
    from: f32,
    rise: f32,
}

impl fmt::Debug for Ordinary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ordinary")
    }
}

impl Ordinary {
    pub(crate) fn new(tail: &Tail, combiner: &Combiner) -> Self {
        // Any shape: it counts beyond the body only.
        let shape = TailShape { frequency: 1e-3, index: 4.0 };
        let at = |point: usize| {
            let distance = point as f64 / POINTS_PER_UNIT as f64;
            combiner.cauchy(tail.surprise(distance.min(BODY_END), shape))
        };
        let segment = |point: usize| {
            let (from, to) = (at(point), at(point + 1));
            Segment { from: from as f32, rise: (to - from) as f32 }
        };
        Self(Arc::new(std::array::from_fn(segment)))
    }

    /// The Cauchy variate of a departure of `distance` standard deviations, 0 up to [`BODY_END`].
    #[inline(always)]
    pub(crate) fn variate(&self, distance: f32) -> f32 {
        let place = distance * POINTS_PER_UNIT as f32;
        // A conversion to a signed number of as many bits is a single instruction.
        let point = place as i32;
        let Segment { from, rise } = self.0[(point as usize).min(POINTS - 1)];
        from + (place - point as f32) * rise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_leads_where_the_long_one_does() {
        let (tail, combiner) = (Tail::new(), Combiner::new());
        let ordinary = Ordinary::new(&tail, &combiner);
        let shape = TailShape { frequency: 0.01, index: 3.0 };
        for step in 0..2000 {
            let distance = step as f32 * 1e-3;
            let long = combiner.cauchy(tail.surprise(f64::from(distance), shape));
            let short = f64::from(ordinary.variate(distance));
            assert!((long - short).abs() < 2e-3 * (1.0 + long), "{distance} {long} {short}");
        }
    }
}
