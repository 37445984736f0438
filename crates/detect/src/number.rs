//! The larger and the smaller of two numbers, in one instruction each.
//!
//! `f64::max` and `f64::min` take several, since either may be no number there. Here the *second* one must be a number; where
//! the first one is none, the second one is what comes out, as it is of those.

/// The larger one. `one` may be NaN.
#[inline]
pub(crate) fn larger<T: PartialOrd>(one: T, other: T) -> T {
    if one > other { one } else { other }
}

/// The smaller one. `one` may be NaN.
#[inline]
pub(crate) fn smaller<T: PartialOrd>(one: T, other: T) -> T {
    if one < other { one } else { other }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_those_of_the_standard_library(
            one in proptest::num::f64::ANY, other in -1e300..1e300_f64,
        ) {
            prop_assert_eq!(larger(one, other).to_bits(), one.max(other).to_bits());
            prop_assert_eq!(smaller(one, other).to_bits(), one.min(other).to_bits());
        }
    }
}
