//! Tabulated functions.

/// A function as a chain of `N` straight segments of equal length, from 0 up.
#[derive(Clone)]
pub(crate) struct Segments<const N: usize> {
    per_unit: f32,
    all: [Segment; N],
}

/// From here on numbers of single precision are whole, up to twice as many on either side.
const WHOLE: f32 = 1.5 * (1 << 23) as f32;

/// From one point to the next. Both numbers together, since both are always needed.
#[derive(Clone, Copy)]
struct Segment {
    from: f32,
    rise: f32,
}

impl<const N: usize> Segments<N> {
    /// `of` at multiples of one in `per_unit`.
    pub(crate) fn of(per_unit: usize, of: impl Fn(f64) -> f64) -> Self {
        let at = |point: usize| of(point as f64 / per_unit as f64);
        let segment = |point: usize| {
            let (from, to) = (at(point), at(point + 1));
            Segment { from: from as f32, rise: (to - from) as f32 }
        };
        Self { per_unit: per_unit as f32, all: std::array::from_fn(segment) }
    }

    /// The value at `x`, which is 0 or more, and less than where the chain ends. Elsewhere it is a number that means nothing.
    #[inline]
    pub(crate) fn at(&self, x: f32) -> f32 {
        const { assert!(N.is_power_of_two()) };
        let place = x * self.per_unit;
        // Numbers of this size have no fraction, and what is added to one is in its last bits: rounding without a conversion.
        let rounded = (place - 0.5) + WHOLE;
        let Segment { from, rise } = self.all[rounded.to_bits() as usize % N];
        from + (place - (rounded - WHOLE)) * rise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_met_and_what_lies_between_is_straight() {
        let squares = Segments::<8>::of(4, |x| x * x);
        for (x, expected) in [(0.0, 0.0), (0.25, 0.0625), (0.375, 0.15625), (1.75, 3.0625)] {
            assert!((squares.at(x) - expected).abs() < 1e-6, "{x}");
        }
        assert!(squares.at(f32::NAN).is_nan() && squares.at(9.0).is_finite());
    }
}
