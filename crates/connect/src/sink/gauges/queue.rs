//! What waits for one target.

use std::collections::VecDeque;

use super::board::Point;
use super::naming::GAUGES;

/// Points in the order in which they came, at most so many; the oldest make way.
pub(super) struct PointQueue {
    points: VecDeque<Point>,
    points_max: usize,
}

impl PointQueue {
    /// A queue of at most `samples_max` samples, which are at least the four of a point.
    pub(super) fn new(samples_max: usize) -> Self {
        Self { points: VecDeque::new(), points_max: (samples_max / GAUGES).max(1) }
    }

    /// Adds `points`; returns how many samples had to make way.
    pub(super) fn push(&mut self, points: &[Point]) -> usize {
        let newest = &points[points.len().saturating_sub(self.points_max)..];
        let too_many = (self.points.len() + newest.len()).saturating_sub(self.points_max);
        self.points.drain(..too_many);
        self.points.extend(newest.iter().cloned());
        (points.len() - newest.len() + too_many) * GAUGES
    }

    /// Takes the oldest points out, at most `samples_max` samples of them.
    pub(super) fn take(&mut self, samples_max: usize) -> Vec<Point> {
        let count = self.points.len().min(samples_max / GAUGES);
        self.points.drain(..count).collect()
    }

    /// Samples that wait.
    pub(super) fn samples(&self) -> usize {
        self.points.len() * GAUGES
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bellwether_series::LabelSet;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::board::Exported;
    use super::*;

    fn points(times: impl IntoIterator<Item = i64>) -> Vec<Point> {
        let labels = LabelSet::from_pairs([("__name__", "m")]).unwrap();
        let fingerprint = labels.fingerprint();
        let labels = std::array::from_fn(|_| labels.clone());
        let series = Arc::new(Exported { fingerprint, labels });
        let point = |at_ms| Point { series: Arc::clone(&series), at_ms, values: [0.0; GAUGES] };
        times.into_iter().map(point).collect()
    }

    fn times(points: &[Point]) -> Vec<i64> {
        points.iter().map(|point| point.at_ms).collect()
    }

    #[test]
    fn the_oldest_make_way_even_for_more_than_there_is_room_for() {
        let mut queue = PointQueue::new(11);
        assert_eq!(queue.push(&points([1, 2])), 0);
        assert_eq!(queue.push(&points([3])), 4);
        assert_eq!(queue.push(&points([4, 5, 6])), 12);
        assert_eq!(queue.samples(), 8);
        assert_eq!(times(&queue.take(4)), [5]);
        assert_eq!(times(&queue.take(4_000)), [6]);
        assert_eq!(times(&queue.take(4)), [0; 0]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_uncounted_and_the_bound_and_the_order_are_kept(
            samples_max in 4..40_usize,
            steps in vec((0..12_i64, 0..30_usize), 0..40),
        ) {
            let mut queue = PointQueue::new(samples_max);
            let (mut next, mut dropped, mut taken) = (0, 0, Vec::new());
            for (pushed, samples) in steps {
                dropped += queue.push(&points(next..next + pushed));
                next += pushed;
                prop_assert!(queue.samples() <= samples_max);
                let some = queue.take(samples);
                prop_assert!(some.len() * GAUGES <= samples);
                taken.extend(times(&some));
            }
            taken.extend(times(&queue.take(usize::MAX)));
            prop_assert!(taken.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert_eq!(taken.len() * GAUGES + dropped, next as usize * GAUGES);
        }
    }
}
