//! Half precision, alike on every machine.
//!
//! `f16::from_f64` rounds once or twice, as the processor has it, and asks each time which one that is. Here numbers always
//! go by way of single precision, and ordinary ones by shifting.

use ::half::f16;

/// Bits of the mantissa of double and single precision that half precision has no room for.
const DOUBLE_SPARE: u32 = 42;
const SINGLE_SPARE: u32 = 13;
/// Exponents of double and single precision are larger by this than those of half precision.
const DOUBLE_BIAS: u64 = 1008 << 52;
const SINGLE_BIAS: u32 = 112 << 23;
const SIGN: u16 = 0x8000;
/// Magnitudes of half precision: its smallest normal number, and what is infinite.
const NORMAL_MIN: u16 = 0x0400;
const INFINITE: u16 = 0x7c00;
/// The smallest number of half precision, of which those below [`NORMAL_MIN`] are multiples.
const SMALLEST: f64 = 1.0 / (1 << 24) as f64;
/// Those of single precision that stay so when they are rounded.
const SINGLE_NORMAL: std::ops::Range<u32> = 0x3880_0000..0x477f_e000;

/// The largest number.
pub(super) const MAX: f64 = 65_504.0;

/// The nearest number of half precision.
#[expect(clippy::inline_always, reason = "what is called keeps nothing in registers")]
#[inline(always)]
pub(super) fn narrow(value: f64) -> f16 {
    let single = value as f32;
    let bits = single.to_bits();
    let magnitude = bits & !(1 << 31);
    if !SINGLE_NORMAL.contains(&magnitude) {
        return f16::from_f32(single);
    }
    // Halves are rounded to what is even.
    let is_odd = magnitude >> SINGLE_SPARE & 1;
    let rounded = magnitude - SINGLE_BIAS + ((1 << (SINGLE_SPARE - 1)) - 1) + is_odd;
    f16::from_bits((rounded >> SINGLE_SPARE) as u16 | (bits >> 16) as u16 & SIGN)
}

/// The same number in double precision.
#[inline]
pub(super) fn wide(half: f16) -> f64 {
    let magnitude = half.to_bits() & !SIGN;
    let bits = if magnitude < NORMAL_MIN {
        (f64::from(magnitude) * SMALLEST).to_bits()
    } else if magnitude < INFINITE {
        (u64::from(magnitude) << DOUBLE_SPARE) + DOUBLE_BIAS
    } else {
        return half.to_f64();
    };
    f64::from_bits(bits | u64::from(half.to_bits() & SIGN) << 48)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_number_of_half_precision_is_widened_as_the_library_does_it_and_narrowed_back() {
        for half in (0..=u16::MAX).map(f16::from_bits).filter(|half| !half.is_nan()) {
            assert_eq!(wide(half).to_bits(), half.to_f64().to_bits(), "{half}");
            assert_eq!(narrow(wide(half)).to_bits(), half.to_bits(), "{half}");
        }
        assert!(wide(narrow(f64::NAN)).is_nan());
        assert_eq!(f16::MAX.to_f64().to_bits(), MAX.to_bits());
    }

    proptest! {
        #[test]
        fn any_number_is_rounded_as_the_library_rounds_single_precision(
            value in prop_oneof![
                any::<f64>(), -70_000.0..70_000.0_f64, -1e-3..1e-3_f64, -1e-7..1e-7_f64,
                // Halfway between two neighbours, and next to it.
                (0..2048_u32, -1..=1_i64).prop_map(|(n, off)| {
                    f64::from_bits((f64::from(2 * n + 4097) / 4096.0).to_bits().wrapping_add_signed(off << 29))
                }),
            ],
        ) {
            prop_assert_eq!(narrow(value).to_bits(), f16::from_f32(value as f32).to_bits());
        }
    }
}
