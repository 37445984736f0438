//! Bounding boxes of shingles.

use serde::{Deserialize, Serialize};

/// Values of one shingle.
pub(super) const WIDTH: usize = 8;

/// A shingle, oldest value first.
pub(super) type Point = [f32; WIDTH];

/// The smallest box that holds some points.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Bounds {
    pub(super) low: Point,
    pub(super) high: Point,
}

/// A place where a cut separates a point from a box: in `dimension`, between the point and the box's near side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gap {
    pub(super) dimension: usize,
    pub(super) cut: f32,
    /// The point goes left, since it is not above the cut.
    pub(super) point_is_left: bool,
}

impl Bounds {
    /// The box of no points, to be extended.
    pub(super) const NOTHING: Self =
        Self { low: [f32::INFINITY; WIDTH], high: [f32::NEG_INFINITY; WIDTH] };

    pub(super) const fn of(point: &Point) -> Self {
        Self { low: *point, high: *point }
    }

    #[inline]
    pub(super) fn extend(&mut self, point: &Point) {
        for ((low, high), &value) in self.low.iter_mut().zip(&mut self.high).zip(point) {
            *low = if value < *low { value } else { *low };
            *high = if value > *high { value } else { *high };
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for at in 0..WIDTH {
            self.low[at] = if other.low[at] < self.low[at] { other.low[at] } else { self.low[at] };
            self.high[at] =
                if other.high[at] > self.high[at] { other.high[at] } else { self.high[at] };
        }
    }

    /// Whether `point` lies on the surface, so that the box may shrink without it.
    pub(super) fn touches(&self, point: &Point) -> bool {
        (0..WIDTH).any(|at| point[at] <= self.low[at] || point[at] >= self.high[at])
    }

    /// How far `point` lies outside, and the sum of the box's sides with it inside.
    #[inline]
    pub(super) fn reach(&self, point: &Point) -> (f32, f32) {
        let (mut outside, mut sides) = ([0.0_f32; WIDTH], [0.0_f32; WIDTH]);
        for at in 0..WIDTH {
            let (below, above) = (self.low[at] - point[at], point[at] - self.high[at]);
            let side = self.high[at] - self.low[at];
            let gap = if below > above { below } else { above };
            outside[at] = if gap > 0.0 { gap } else { 0.0 };
            sides[at] = side + outside[at];
        }
        (sum(&outside), sum(&sides))
    }

    /// The chance that a random cut of the box with `point` inside separates the point from all the others.
    #[inline]
    pub(super) fn separation(&self, point: &Point) -> f32 {
        let (outside, sides) = self.reach(point);
        if outside > 0.0 { outside / sides } else { 0.0 }
    }

    /// The separating cut at `place`, 0 up to what [`Bounds::reach`] gives as outside.
    pub(super) fn gap(&self, point: &Point, place: f32) -> Option<Gap> {
        let (mut left, mut gap) = (place, None);
        for (dimension, &value) in point.iter().enumerate() {
            let (near, far, point_is_left) = if value < self.low[dimension] {
                (value, self.low[dimension], true)
            } else if value > self.high[dimension] {
                (self.high[dimension], value, false)
            } else {
                continue;
            };
            let cut = near + left.min(far - near);
            // A cut that rounds up to the far end would leave one side empty.
            gap = Some(Gap { dimension, cut: if cut < far { cut } else { near }, point_is_left });
            left -= far - near;
            if left < 0.0 {
                break;
            }
        }
        gap
    }
}

#[inline]
fn sum(values: &Point) -> f32 {
    let quads: [f32; 4] = std::array::from_fn(|at| values[at] + values[at + 4]);
    (quads[0] + quads[2]) + (quads[1] + quads[3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_far_point_is_nearly_always_separated() {
        let mut bounds = Bounds::of(&[0.0; WIDTH]);
        bounds.extend(&[1.0; WIDTH]);
        let mut point = [0.5; WIDTH];
        assert!(bounds.separation(&point).abs() < 1e-9);
        point[3] = 73.0;
        let by_hand = 72.0 / 80.0;
        assert!((bounds.separation(&point) - by_hand).abs() < 1e-6);
    }

    #[test]
    fn a_gap_lies_between_the_point_and_the_box() {
        let bounds = Bounds::of(&[0.0; WIDTH]);
        let mut point = [0.0; WIDTH];
        (point[1], point[6]) = (2.0, -1.0);
        let gap = bounds.gap(&point, 1.5);
        assert_eq!(gap, Some(Gap { dimension: 1, cut: 1.5, point_is_left: false }));
        let gap = bounds.gap(&point, 2.25);
        assert_eq!(gap, Some(Gap { dimension: 6, cut: -0.75, point_is_left: true }));
        let last = bounds.gap(&point, 3.0);
        assert_eq!(last, Some(Gap { dimension: 6, cut: -1.0, point_is_left: true }));
        assert_eq!(bounds.gap(&[0.0; WIDTH], 0.0), None);
    }
}
