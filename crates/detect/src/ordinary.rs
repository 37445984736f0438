//! What an ordinary departure says to the combination, in one look-up.
//!
//! [`Tail`] makes a surprise of a departure and [`Combiner`] a Cauchy variate of the surprise. Below [`BODY_END`] neither
//! depends on the series, so the way through both is one function, tabulated and interpolated: a variate is right
//! to within 0.006, most of it where the variate begins to rise.

use std::fmt;
use std::sync::Arc;

use crate::combine::Combiner;
use crate::segments::Segments;
use crate::tail::{BODY_END, Tail, TailShape};

const SEGMENTS_PER_UNIT: usize = 64;

/// The table. Clones share it.
#[derive(Clone)]
pub(crate) struct Ordinary(Arc<Segments<{ BODY_END as usize * SEGMENTS_PER_UNIT }>>);

impl fmt::Debug for Ordinary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ordinary")
    }
}

impl Ordinary {
    pub(crate) fn new(tail: &Tail, combiner: &Combiner) -> Self {
        // Any shape: it counts beyond the body only.
        let shape = TailShape { frequency: 1e-3, index: 4.0 };
        let variate = |distance: f64| combiner.cauchy(tail.surprise(distance, shape));
        Self(Arc::new(Segments::of(SEGMENTS_PER_UNIT, variate)))
    }

    /// The Cauchy variate of a departure of `distance` standard deviations, 0 up to [`BODY_END`].
    #[inline]
    pub(crate) fn variate(&self, distance: f32) -> f32 {
        self.0.at(distance)
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
            assert!((long - short).abs() < 6e-3 * (1.0 + long), "{distance} {long} {short}");
        }
    }
}
