//! Seeded random numbers (`SplitMix64`; Steele, Lea & Flood 2014).

use serde::{Deserialize, Serialize};

/// A stream of random numbers that follows from its seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below 1.
    pub(super) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 to below `count` (Lemire 2019, without the rejection: a bias of `count` by 2^64); 0 for none.
    pub(super) fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.next()) * count as u128) >> 64) as usize
    }

    /// Puts a random choice of `chosen` elements first, in random order.
    pub(super) fn choose<T>(&mut self, elements: &mut [T], chosen: usize) {
        for index in 0..chosen.min(elements.len()) {
            let other = index + self.below(elements.len() - index);
            elements.swap(index, other);
        }
    }
}
