//! What kind of signal a series is, so that it gets the detectors that suit it.
//!
//! Method. Samples are taken in blocks: 64 for the first, 256 after that. A block is classified by exact
//! counts: distinct values (up to twelve), zeros, extremes, and the skewness of its values, clipped at four
//! standard deviations of the block before so that one outlier does not make a skewed signal. Blocks vote: a
//! richer class takes over after two successive blocks, a poorer one after eight, and then the richest that any of them
//! saw, so that a switch that rests for a day stays a switch. Source: ours; the classes are those that
//! intermittent-demand forecasting (Syntetos, Boylan & Croston 2005) and process control tell apart.
//!
//! State: at most 128 bytes. Cost: 10 to 15 ns a sample, amortised.
//! Blind spot: values that differ in the last digit only are distinct; a signal with a bound that it never
//! comes near is continuous, since the bound explains nothing.

use serde::{Deserialize, Serialize};

use crate::number::{larger, smaller};

/// Samples of the first block: something must be known soon.
const FIRST_BLOCK: u16 = 64;
/// Samples of every later block.
const BLOCK: u16 = 256;
/// Distinct values that are told apart.
const DISTINCT_MAX: usize = 12;
/// Share of zeros from which a signal is sparse.
const SPARSE_SHARE: f64 = 0.6;
/// A range within this share of the values is none.
const CONSTANT_SHARE: f64 = 1e-9;
/// A bounded signal comes at least this near to its bound.
const NEAR_BOUND: f64 = 0.95;
/// Successive blocks after which a richer class is believed.
const RISE_BLOCKS: u8 = 2;
/// Successive blocks after which a poorer class is believed, or that there are no negative values.
const FALL_BLOCKS: u8 = 8;
/// Values count as at most this many standard deviations where skewness is measured.
const SKEW_CLIP: f64 = 4.0;
/// Share of a block's skewness in the running one.
const SKEW_GAIN: f32 = 0.25;
/// Running skewness at which a signal becomes skewed and below which it stops being so.
const SKEW_ENTER: f32 = 1.0;
const SKEW_LEAVE: f32 = 0.7;

/// Kinds of signal, from the poorest to the richest.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize,
)]
#[repr(u8)]
pub enum SignalClass {
    /// Fewer than 64 samples were seen.
    #[default]
    Unknown,
    /// One value.
    Constant,
    /// Two values.
    Binary,
    /// Three to twelve values.
    Discrete,
    /// More values, but mostly zeros: intermittent counts.
    Sparse,
    /// Within 0 to 1 or 0 to 100, and near the upper end at times.
    Bounded,
    /// Anything else.
    Continuous,
}

impl SignalClass {
    /// Every class, in the order of [`SignalClass::index`].
    pub const ALL: [Self; 7] = [
        Self::Unknown,
        Self::Constant,
        Self::Binary,
        Self::Discrete,
        Self::Sparse,
        Self::Bounded,
        Self::Continuous,
    ];

    /// The word used in metrics and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Constant => "constant",
            Self::Binary => "binary",
            Self::Discrete => "discrete",
            Self::Sparse => "sparse",
            Self::Bounded => "bounded",
            Self::Continuous => "continuous",
        }
    }

    /// Position in [`SignalClass::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A running profile of one series.
///
/// ```
/// use bellwether_detect::profile::{SignalClass, SignalProfile};
/// let mut profile = SignalProfile::default();
/// for i in 0..64 {
///     profile.observe(f64::from(i % 2));
/// }
/// assert_eq!(profile.class(), SignalClass::Binary);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct SignalProfile {
    min: f64,
    max: f64,
    /// Values are standardised by mean and deviation of the block before; 0 while there is none.
    center: f64,
    per_deviation: f64,
    /// Sums of standardised values, their squares and cubes.
    sums: [f32; 3],
    skewness: f32,
    /// Digests of the distinct values of the block.
    digests: [u32; DISTINCT_MAX],
    samples: u16,
    zeros: u16,
    /// Distinct values of the block; one more than fit if there are more.
    distinct: u8,
    class: SignalClass,
    /// What the blocks of the present vote would change the class to, and how many they are.
    candidate: SignalClass,
    votes: u8,
    /// Blocks since the last negative value.
    calm_blocks: u8,
    is_skewed: bool,
    is_non_negative: bool,
}

impl SignalProfile {
    /// Learns a finite value. Returns whether a block ended with it, so that the profile may have changed.
    #[inline]
    pub fn observe(&mut self, value: f64) -> bool {
        // Both zeros are one value.
        let value = value + 0.0;
        if self.samples == 0 {
            self.begin_block(value);
        }
        self.samples += 1;
        self.min = smaller(self.min, value);
        self.max = larger(self.max, value);
        self.zeros += u16::from(value == 0.0);
        if usize::from(self.distinct) <= DISTINCT_MAX {
            self.count_distinct(value);
        }
        if self.per_deviation > 0.0 {
            let z = (value - self.center) * self.per_deviation;
            let z = smaller(larger(z, -SKEW_CLIP), SKEW_CLIP) as f32;
            self.sums[0] += z;
            self.sums[1] += z * z;
            self.sums[2] += z * z * z;
        }
        let is_first = self.class == SignalClass::Unknown;
        let ends = self.samples >= if is_first { FIRST_BLOCK } else { BLOCK };
        if ends {
            self.end_block();
        }
        ends
    }

    /// What kind of signal it is at present.
    pub fn class(&self) -> SignalClass {
        self.class
    }

    /// Whether one tail is much longer than the other. Known from the second block on.
    pub fn is_skewed(&self) -> bool {
        self.is_skewed
    }

    /// Skewness of the last few blocks, with its sign; 0 while unknown.
    pub fn skewness(&self) -> f32 {
        self.skewness
    }

    /// Whether no value was negative lately, the last eight blocks at least.
    pub fn is_non_negative(&self) -> bool {
        self.is_non_negative
    }

    fn count_distinct(&mut self, value: f64) {
        let bits = value.to_bits().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // Never 0, which stands for none.
        let digest = (bits >> 32) as u32 | 1;
        // All of them, without leaving early: a few wide comparisons.
        let known = self.digests.iter().filter(|&&other| other == digest).count();
        if known == 0 {
            if let Some(free) = self.digests.get_mut(usize::from(self.distinct)) {
                *free = digest;
            }
            self.distinct += 1;
        }
    }

    #[cold]
    #[inline(never)]
    fn begin_block(&mut self, value: f64) {
        (self.min, self.max) = (value, value);
    }

    #[cold]
    fn end_block(&mut self) {
        self.vote(self.block_class());
        self.learn_sign();
        self.learn_shape();
        (self.samples, self.zeros, self.distinct) = (0, 0, 0);
        self.digests = [0; DISTINCT_MAX];
    }

    fn vote(&mut self, class: SignalClass) {
        if self.class == SignalClass::Unknown {
            self.class = class;
        }
        let rises = class > self.class;
        if class == self.class || (self.votes > 0 && rises != (self.candidate > self.class)) {
            self.votes = 0;
        }
        if class == self.class {
            return;
        }
        self.candidate = match (self.votes, rises) {
            (0, _) => class,
            (_, true) => self.candidate.min(class),
            (_, false) => self.candidate.max(class),
        };
        self.votes += 1;
        if self.votes >= if rises { RISE_BLOCKS } else { FALL_BLOCKS } {
            self.class = self.candidate;
            self.votes = 0;
        }
    }

    fn learn_sign(&mut self) {
        let is_first = self.per_deviation == 0.0 && self.calm_blocks == 0 && !self.is_non_negative;
        self.calm_blocks = if self.min < 0.0 { 0 } else { (self.calm_blocks + 1).min(FALL_BLOCKS) };
        self.is_non_negative = match self.calm_blocks {
            0 => false,
            FALL_BLOCKS => true,
            _ => self.is_non_negative || is_first,
        };
    }

    /// Takes the block's skewness and what the next one is standardised by.
    fn learn_shape(&mut self) {
        let count = f32::from(self.samples);
        let [mean, second, third] = self.sums.map(|sum| sum / count);
        let variance = second - mean * mean;
        self.sums = [0.0; 3];
        // Where the block moved far from the one before, clipping has spoilt its moments.
        let usable = variance > 1e-4 && f64::from(mean.abs()) < 0.5 * SKEW_CLIP;
        let (center, deviation) = if self.per_deviation > 0.0 && usable {
            let cubed = third - mean * (3.0 * second - 2.0 * mean * mean);
            self.skewness += SKEW_GAIN * (cubed / (variance * variance.sqrt()) - self.skewness);
            let deviation = 1.0 / self.per_deviation;
            (self.center + f64::from(mean) * deviation, f64::from(variance.sqrt()) * deviation)
        } else {
            (0.5 * self.min + 0.5 * self.max, 0.25 * (self.max - self.min))
        };
        self.center = center;
        let inverse = 1.0 / deviation;
        self.per_deviation = if inverse.is_finite() { inverse } else { 0.0 };
        let bound = if self.is_skewed { SKEW_LEAVE } else { SKEW_ENTER };
        self.is_skewed = self.skewness.abs() > bound;
    }

    /// The class of the present block.
    fn block_class(&self) -> SignalClass {
        let is_within =
            |bound: f64| self.min >= 0.0 && self.max <= bound && self.max >= NEAR_BOUND * bound;
        let reach = self.min.abs().max(self.max.abs());
        if self.max - self.min <= CONSTANT_SHARE * reach {
            SignalClass::Constant
        } else if self.distinct <= 2 {
            SignalClass::Binary
        } else if usize::from(self.distinct) <= DISTINCT_MAX {
            SignalClass::Discrete
        } else if f64::from(self.zeros) >= SPARSE_SHARE * f64::from(self.samples) {
            SignalClass::Sparse
        } else if is_within(1.0) || is_within(100.0) {
            SignalClass::Bounded
        } else {
            SignalClass::Continuous
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::Noise;

    fn after(values: impl IntoIterator<Item = f64>) -> SignalProfile {
        let mut profile = SignalProfile::default();
        values.into_iter().for_each(|value| {
            profile.observe(value);
        });
        profile
    }

    fn noisy(count: usize, value: impl Fn(usize, &mut Noise) -> f64) -> Vec<f64> {
        let mut noise = Noise::new(count as u64);
        (0..count).map(|index| value(index, &mut noise)).collect()
    }

    /// The class of a block, worked out from all its values.
    fn class_of(block: &[f64]) -> SignalClass {
        let mut sorted = block.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let (min, max) = (sorted[0], sorted[sorted.len() - 1]);
        let distinct: BTreeSet<u64> = block.iter().map(|value| (value + 0.0).to_bits()).collect();
        let zeros = block.iter().filter(|&&value| value == 0.0).count();
        let bounded = |bound: f64| min >= 0.0 && (0.95 * bound..=bound).contains(&max);
        match distinct.len() {
            _ if max - min <= 1e-9 * min.abs().max(max.abs()) => SignalClass::Constant,
            1 | 2 => SignalClass::Binary,
            3..=12 => SignalClass::Discrete,
            _ if zeros as f64 >= 0.6 * block.len() as f64 => SignalClass::Sparse,
            _ if bounded(1.0) || bounded(100.0) => SignalClass::Bounded,
            _ => SignalClass::Continuous,
        }
    }

    /// The class after all `values`: the votes of whole blocks, counted backwards from each.
    fn by_definition(values: &[f64]) -> SignalClass {
        if values.len() < 64 {
            return SignalClass::Unknown;
        }
        let first = class_of(&values[..64]);
        let blocks: Vec<SignalClass> = values[64..].chunks_exact(256).map(class_of).collect();
        let (mut class, mut changed) = (first, 0);
        for end in 1..=blocks.len() {
            let since = &blocks[changed..end];
            let above = since.iter().rev().take_while(|&&vote| vote > class).take(2);
            let below = since.iter().rev().take_while(|&&vote| vote < class).take(8);
            if above.clone().count() == 2 {
                (class, changed) = (*above.min().unwrap(), end);
            } else if below.clone().count() == 8 {
                (class, changed) = (*below.max().unwrap(), end);
            }
        }
        class
    }

    #[test]
    fn kinds_of_signal_are_told_apart() {
        let wait = |class, values: Vec<f64>| assert_eq!(after(values).class(), class);
        wait(SignalClass::Unknown, noisy(63, |_, noise| noise.normal()));
        wait(SignalClass::Constant, vec![3.7; 400]);
        wait(SignalClass::Constant, noisy(400, |_, noise| 1e6 + 1e-6 * noise.normal()));
        wait(SignalClass::Binary, noisy(400, |index, _| f64::from(u8::from(index % 9 == 0))));
        wait(SignalClass::Discrete, noisy(400, |index, _| (index % 5) as f64));
        wait(SignalClass::Bounded, noisy(400, |index, _| 1.0 - (index % 50) as f64 * 1e-3));
        wait(SignalClass::Bounded, noisy(400, |index, _| 100.0 - (index % 50) as f64));
        wait(SignalClass::Continuous, noisy(400, |_, noise| 50.0 + noise.normal()));
        let counts = |index: usize, noise: &mut Noise| {
            if index.is_multiple_of(3) { 10.0 * noise.normal().abs() } else { 0.0 }
        };
        wait(SignalClass::Sparse, noisy(400, counts));
    }

    #[test]
    fn skew_and_sign_are_seen() {
        let gauss = after(noisy(4000, |_, noise| 50.0 + noise.normal()));
        assert!(!gauss.is_skewed() && gauss.is_non_negative());
        let latency = after(noisy(4000, |_, noise| libm::exp(noise.normal())));
        assert!(latency.is_skewed() && latency.skewness() > 0.0);
        let idle = after(noisy(4000, |_, noise| 100.0 - libm::exp(noise.normal())));
        assert!(idle.is_skewed() && idle.skewness() < 0.0);
        let outlier = |i, noise: &mut Noise| if i == 3000 { 1e9 } else { noise.normal() };
        let outlier = after(noisy(3100, outlier));
        assert!(!outlier.is_skewed() && !outlier.is_non_negative());
    }

    #[test]
    fn a_resting_switch_stays_a_switch_and_a_retired_one_does_not() {
        let mut profile = after((0..64).map(|index| f64::from(index % 2)));
        let mut rest = |blocks: u32, value: f64| {
            (0..256 * blocks).for_each(|_| _ = profile.observe(value));
            profile.class()
        };
        assert_eq!(rest(7, 0.0), SignalClass::Binary);
        assert_eq!(rest(1, 0.0), SignalClass::Constant);
    }

    #[test]
    fn a_signal_on_the_edge_of_a_class_does_not_flap() {
        let mut profile = SignalProfile::default();
        let mut changes = 0;
        // Every other block has two values, the others three.
        for index in 0..100_000 {
            let before = profile.class();
            let third = index / 256 % 2 == 0 && index % 100 == 0;
            profile.observe(if third { 2.0 } else { f64::from(index % 2) });
            changes += u32::from(profile.class() != before);
        }
        assert!(changes <= 2, "{changes}");
    }

    #[test]
    fn the_state_is_two_cache_lines_at_most() {
        assert!(size_of::<SignalProfile>() <= 128, "{}", size_of::<SignalProfile>());
    }

    fn phase() -> impl Strategy<Value = Vec<f64>> {
        (0..6_u8, 1..2000_usize, any::<u64>()).prop_map(|(kind, count, seed)| {
            let mut noise = Noise::new(seed);
            let value = |index| match kind {
                0 => 5.0,
                1 => f64::from(u8::from(noise.normal() > 2.0)),
                2 => libm::round(noise.normal()),
                3 => (noise.normal() - 1.0).max(0.0),
                4 => 1.0 - 0.01 * noise.normal().abs().min(3.0),
                _ => noise.normal() + index as f64 * 1e-3,
            };
            (0..count).map(value).collect()
        })
    }

    proptest! {
        #[test]
        fn the_class_is_that_of_the_batch(phases in proptest::collection::vec(phase(), 1..6)) {
            let values = phases.concat();
            prop_assert_eq!(after(values.iter().copied()).class(), by_definition(&values));
        }

        #[test]
        fn extreme_values_are_ordinary_input(
            values in proptest::collection::vec(
                any::<f64>().prop_filter("finite", |value| value.is_finite()), 0..2000)
        ) {
            let profile = after(values);
            prop_assert!(profile.skewness().is_finite());
        }
    }
}
