//! Where a stretch of equally spaced distances to a limit leads.

use super::exhaustion::DISTANCE_MAX;
use crate::trend::median_slope;

/// The last blocks, of whose distances the median is the present one.
const PRESENT: usize = 3;
/// Bounds of a prediction in deviations; nine in ten random walks with a drift then reach the limit between them.
const BOUND: f64 = 2.3;
/// Standard deviation of a Gaussian by its mean absolute deviation.
const DEVIATION_BY_MEAN: f64 = 1.253_314_137_315_5;

/// Where a stretch of blocks leads.
#[derive(Debug)]
pub(super) struct Course {
    /// Distance to the limit at its end, at least 0.
    pub(super) distance: f64,
    /// Distance of its last block, also beyond the limit.
    pub(super) last: f64,
    /// By how much the distance falls in a block.
    pub(super) speed: f64,
    /// Standard deviation of a step around that.
    pub(super) scatter: f64,
    steps: f64,
}

impl Course {
    /// From a few distances, oldest first: at least three.
    pub(super) fn of(blocks: &[f64]) -> Self {
        let slope = median_slope(blocks);
        let steps = (blocks.len() - 1) as f64;
        let scatter: f64 = blocks.windows(2).map(|pair| (pair[1] - pair[0] - slope).abs()).sum();
        let mut present = [0.0; PRESENT];
        for ((back, present), block) in present.iter_mut().enumerate().zip(blocks.iter().rev()) {
            *present = block + slope * back as f64;
        }
        present.sort_unstable_by(f64::total_cmp);
        let last = present[PRESENT / 2];
        // A block's mean is what it was half a block ago.
        let distance = (last + 0.5 * slope).max(0.0);
        let scatter = DEVIATION_BY_MEAN * scatter / steps;
        Self { distance, last, speed: -slope, scatter, steps }
    }

    /// Variance after `time`, in that of a step.
    pub(super) fn spread(&self, time: f64) -> f64 {
        time + time * time / self.steps
    }

    /// When the lower edge, the middle and the upper edge of the forecast reach the limit; infinite for never.
    pub(super) fn times(&self, wandering: f64) -> [f64; 3] {
        let (distance, speed) = (self.distance, self.speed);
        if speed <= 0.0 {
            return [f64::INFINITY; 3];
        }
        // Roots of (distance - speed t)² = reach² (t + t² / steps).
        let reach = (BOUND * wandering).min(DISTANCE_MAX);
        let square = reach * reach;
        let a = speed * speed - square / self.steps;
        let b = 2.0 * distance * speed + square;
        let inner = 4.0 * distance * speed + square + 4.0 * distance * distance / self.steps;
        let root = reach * inner.sqrt();
        let earliest = if distance > 0.0 { 2.0 * distance * distance / (b + root) } else { 0.0 };
        let latest = if a > 0.0 { (b + root) / (2.0 * a) } else { f64::INFINITY };
        [earliest, distance / speed, latest]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_straight_line_leads_where_it_leads() {
        let course = Course::of(&[50.0, 45.0, 40.0, 35.0, 30.0]);
        assert!((course.speed - 5.0).abs() < 1e-12 && course.scatter < 1e-12);
        // Half a block after the middle of the last one.
        assert!((course.distance - 27.5).abs() < 1e-12 && (course.last - 30.0).abs() < 1e-12);
        assert!(course.times(0.0).iter().all(|time| (time - 5.5).abs() < 1e-12));
    }

    #[test]
    fn one_block_that_is_off_changes_little() {
        let course = Course::of(&[50.0, 45.0, 40.0, 35.0, 0.0, 25.0, 20.0, -900.0]);
        assert!((course.last - 15.0).abs() < 3.0, "{course:?}");
    }

    #[test]
    fn what_does_not_approach_is_never_there() {
        let times = Course::of(&[1.0, 1.0, 1.0, 1.0]).times(1.0);
        assert!(times.iter().all(|time| time.is_infinite()));
    }

    proptest! {
        #[test]
        fn bounds_are_where_the_band_meets_the_limit(
            distance in 0.1..100.0_f64, speed in 0.01..10.0_f64, wandering in 0.0..10.0_f64,
        ) {
            let course = Course { distance, last: distance, speed, scatter: 0.0, steps: 15.0 };
            let [earliest, at, latest] = course.times(wandering);
            prop_assert!(earliest <= at && at <= latest);
            for bound in [earliest, latest].into_iter().filter(|bound| bound.is_finite()) {
                let band = BOUND * wandering * course.spread(bound).sqrt();
                let apart = (distance - speed * bound).abs() - band;
                prop_assert!(apart.abs() < 1e-6 * (distance + speed * bound), "{apart}");
            }
        }
    }
}
