//! A sliding window that answers for its quantiles, in 460 bytes whatever its length.
//!
//! Values are coded into 128 linear buckets whose width is a power of two; a ring remembers the code of each
//! sample so that it leaves exactly when it should. How many codes are in the bucket of each quartile and below is followed
//! as samples come and go; quartiles move little, so only now and then is the bucket next to one of them counted, sixteen codes at a
//! time. The first and the last bucket are open-ended:
//! an outlier of any size costs no resolution, since quantiles depend on ranks only. When the
//! quartiles run out of the buckets' range, or are too close together to tell apart, the buckets are
//! laid anew around them. Buckets are linear because an error must be small against the spread of the
//! values, not against the values themselves, as logarithmic ones have it.
//!
//! A window longer than the ring is thinned: every second, third … sample enters. Quartiles of 360
//! evenly spaced samples differ from those of all 1440 by about 7 % of the spread.

mod saved;

use std::fmt;

use serde::{Deserialize, Serialize};

/// Samples that the ring holds.
const RING: usize = 360;
/// Buckets.
const BUCKETS: usize = 128;
/// Places of codes: a multiple of sixteen, which are compared at once.
const PLACES: usize = 368;
/// Those of them that are counted in eight bits.
const COUNTED: usize = 192;
/// What is in a place that no sample has yet, or none ever. As a number with a sign it is below all codes.
const EMPTY: u8 = 0x80;
/// Buckets that are tried for a quartile, from where it was, before all of them are counted.
const TRIES: usize = 4;
/// Edges of buckets that are watched.
const EDGES: usize = 8;
/// Values kept exactly before the buckets are laid.
const SETTLED: usize = 48;
/// Quartiles are read anew every so many insertions.
const READ_EVERY: u16 = 8;
/// Buckets are not laid anew more often than every so many insertions.
const RELAY_EVERY: u16 = 16;
/// The interquartile range covers at least so many buckets, or they are made narrower.
const SPREAD_MIN: f64 = 8.0;
/// The interquartile range covers at most so many buckets, or they are made wider.
const SPREAD_MAX: f64 = 64.0;
/// What it is made to cover then, before the width is rounded down to a power of two.
const SPREAD_AIM: f64 = 16.0;

/// Quartiles of a window, in the unit of the signal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Quartiles {
    pub(crate) first: f64,
    pub(crate) median: f64,
    pub(crate) third: f64,
}

/// The window: a flat record. In this order: first what each sample needs.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct QuantileWindow {
    quartiles: Quartiles,
    head: u16,
    len: u16,
    /// Samples to pass over until the next one enters.
    skip: u16,
    since_relay: u16,
    watched: Watched,
    content: Content,
}

/// The buckets in which quartiles were when they were read last, and how many codes are below and within each of them at
/// present. That follows from the codes; where quartiles are looked for first decides nothing.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Watched {
    /// First and last buckets begin with these codes: of each quartile its bucket, then of each the next one. There is room for a
    /// fourth, since eight are one register.
    edges: [i16; EDGES],
    /// Codes below.
    below: [i16; EDGES],
}

/// As it was always written, since digests of states follow from the text: without what follows from the codes, and with 0 where
/// no sample is yet.
#[expect(clippy::missing_fields_in_debug, reason = "what is watched follows from the codes")]
impl fmt::Debug for QuantileWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuantileWindow")
            .field("quartiles", &self.quartiles)
            .field("head", &self.head)
            .field("len", &self.len)
            .field("skip", &self.skip)
            .field("since_relay", &self.since_relay)
            .field("content", &self.content)
            .finish()
    }
}

impl fmt::Debug for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codes: [u8; RING] =
            std::array::from_fn(|place| self.codes[place]).map(|code| code % EMPTY);
        f.debug_struct("Coded")
            .field("base", &self.base)
            .field("width", &self.width)
            .field("codes", &codes)
            .finish()
    }
}

/// The first values exactly, then codes in the same memory.
#[derive(Debug, Clone, Copy)]
enum Content {
    Exact([f64; SETTLED]),
    Coded(Coded),
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Coded {
    /// Lower edge of bucket 0, in the unit of the signal.
    base: f64,
    /// Width of a bucket, in the unit of the signal; positive.
    width: f64,
    codes: [u8; PLACES],
}

/// The codes of a window in one bucket and below.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    below: u32,
    within: u32,
}

impl Bucket {
    /// Whether it is the first one with which at least `rank` quarters of a sample are reached.
    fn holds(self, rank: u32) -> bool {
        4 * self.below < rank && rank <= 4 * (self.below + self.within)
    }
}

impl Watched {
    /// The buckets of `len` samples in which the `quartiles` are, or about there.
    #[cold]
    fn of(coded: &Coded, quartiles: Quartiles, len: u16) -> Self {
        let Quartiles { first, median, third } = quartiles;
        let mut watched = Self::default();
        for (quarter, value) in [first, median, third].into_iter().enumerate() {
            let code = coded.code(value);
            watched.set(quarter, code, coded.bucket(code, len));
        }
        watched
    }

    fn set(&mut self, quarter: usize, code: u8, Bucket { below, within }: Bucket) {
        let (from, to) = (quarter, quarter + EDGES / 2);
        (self.edges[from], self.edges[to]) = (i16::from(code), i16::from(code) + 1);
        (self.below[from], self.below[to]) = (below as i16, (below + within) as i16);
    }

    /// The bucket of a quartile, and its code.
    fn bucket(&self, quarter: usize) -> (u8, Bucket) {
        let below = self.below[quarter];
        let within = self.below[quarter + EDGES / 2] - below;
        (self.edges[quarter] as u8, Bucket { below: below as u32, within: within as u32 })
    }

    /// A sample left the window, if there was one, and another came.
    #[inline]
    fn exchange(&mut self, left: u8, came: u8) {
        let (left, came) = (i16::from(left), i16::from(came));
        for (below, &edge) in self.below.iter_mut().zip(&self.edges) {
            *below += i16::from(came < edge) - i16::from(left < edge);
        }
    }

    /// Reads the quartiles of `len` samples, interpolating within buckets.
    fn quartiles(&mut self, coded: &Coded, len: u16) -> Quartiles {
        let mut read = |quarter: usize| {
            // In quarters of a sample, so that ranks are whole numbers.
            let rank = (quarter as u32 + 1) * u32::from(len);
            let (mut code, mut bucket) = self.bucket(quarter);
            if !bucket.holds(rank) {
                (code, bucket) = coded.bucket_of(rank, code, bucket, len);
                self.set(quarter, code, bucket);
            }
            let within = f64::from(rank - 4 * bucket.below) / f64::from(4 * bucket.within);
            coded.base + (f64::from(code) + within) * coded.width
        };
        Quartiles { first: read(0), median: read(1), third: read(2) }
    }
}

impl Default for QuantileWindow {
    fn default() -> Self {
        Self {
            quartiles: Quartiles { first: 0.0, median: 0.0, third: 0.0 },
            head: 0,
            len: 0,
            skip: 0,
            since_relay: 0,
            watched: Watched::default(),
            content: Content::Exact([0.0; SETTLED]),
        }
    }
}

impl QuantileWindow {
    /// Bytes before the codes.
    pub(crate) const HOT_BYTES: usize = size_of::<Self>() - PLACES;

    /// The quartiles, if anything was inserted.
    pub(crate) fn quartiles(&self) -> Option<Quartiles> {
        (self.len > 0).then_some(self.quartiles)
    }

    /// Whether the quartiles are far enough apart to be told from each other.
    pub(crate) fn has_spread(&self) -> bool {
        let spread = self.quartiles.third - self.quartiles.first;
        match &self.content {
            Content::Exact(_) => spread > 0.0,
            Content::Coded(coded) => spread > 2.0 * coded.width,
        }
    }

    /// Median absolute deviation from the median, in the unit of the signal.
    pub(crate) fn median_absolute_deviation(&self) -> f64 {
        let center = self.quartiles.median;
        let distance = |value: f64| (value - center).abs();
        match &self.content {
            Content::Exact(values) => {
                let mut distances: Vec<_> =
                    values[..usize::from(self.len)].iter().copied().map(distance).collect();
                distances.sort_unstable_by(f64::total_cmp);
                distances.get(distances.len() / 2).copied().unwrap_or_default()
            }
            Content::Coded(coded) => {
                let middle = |code: usize| coded.base + (code as f64 + 0.5) * coded.width;
                let counts = coded.counts(self.len);
                let mut distances: [(f64, u16); BUCKETS] =
                    std::array::from_fn(|code| (distance(middle(code)), counts[code]));
                distances.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
                let mut below = 0;
                for (distance, count) in distances {
                    below += count;
                    if 2 * below >= self.len {
                        return distance;
                    }
                }
                0.0
            }
        }
    }

    /// Inserts `value` into a window of `samples` samples; the oldest one leaves when it is full.
    #[inline]
    pub(crate) fn insert(&mut self, value: f64, samples: u32) {
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        let len_max = if samples <= RING as u32 {
            samples.max(SETTLED as u32) as u16
        } else {
            self.thin(samples)
        };
        let Content::Coded(coded) = &mut self.content else {
            return self.insert_exactly(value, len_max);
        };
        let code = coded.code(value);
        let left = std::mem::replace(&mut coded.codes[usize::from(self.head)], code);
        self.watched.exchange(left, code);
        self.len = (self.len + 1).min(len_max);
        self.head = if self.head + 1 >= len_max { 0 } else { self.head + 1 };
        self.since_relay = self.since_relay.saturating_add(1);
        if self.head.is_multiple_of(READ_EVERY) {
            self.read(value);
        }
    }

    /// Passes over samples so that a window of more than the ring holds gets thinner: of how many it then is.
    #[cold]
    fn thin(&mut self, samples: u32) -> u16 {
        let thinning = samples.div_ceil(RING as u32);
        self.skip = (thinning - 1) as u16;
        (samples / thinning).clamp(SETTLED as u32, RING as u32) as u16
    }

    /// The same while values are kept exactly.
    #[cold]
    #[inline(never)]
    fn insert_exactly(&mut self, value: f64, len_max: u16) {
        let Content::Exact(values) = &mut self.content else { return };
        values[usize::from(self.len)] = value;
        self.len += 1;
        let mut sorted = *values;
        let sorted = &mut sorted[..usize::from(self.len)];
        sorted.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize];
        self.quartiles = Quartiles { first: at(0.25), median: at(0.5), third: at(0.75) };
        if usize::from(self.len) == SETTLED {
            let coded = Coded::of(values, self.quartiles);
            self.watched = Watched::of(&coded, self.quartiles, self.len);
            self.head = if self.len == len_max { 0 } else { self.len };
            self.content = Content::Coded(coded);
        }
    }

    /// Reads the quartiles anew, and lays the buckets anew where that is due. `value` is the newest one.
    #[inline(never)]
    fn read(&mut self, value: f64) {
        let Content::Coded(coded) = &mut self.content else { return };
        self.quartiles = self.watched.quartiles(coded, self.len);
        if self.since_relay >= RELAY_EVERY
            && coded.relay_if_needed(self.quartiles, value, usize::from(self.len))
        {
            self.since_relay = 0;
            self.watched = Watched::of(coded, self.quartiles, self.len);
            self.quartiles = self.watched.quartiles(coded, self.len);
        }
    }
}

impl Coded {
    /// Lays the buckets around `quartiles` and codes `values`.
    fn of(values: &[f64], quartiles: Quartiles) -> Self {
        let spread = quartiles.third - quartiles.first;
        let width = power_of_two_at_most((spread / SPREAD_AIM).max(width_min(quartiles.median)));
        let mut coded = Self { base: 0.0, width, codes: [EMPTY; PLACES] };
        coded.base = quartiles.median - 0.5 * BUCKETS as f64 * width;
        for (index, &value) in values.iter().enumerate() {
            coded.codes[index] = coded.code(value);
        }
        coded
    }

    fn code(&self, value: f64) -> u8 {
        // What a conversion cannot hold is the nearest that it can, and what is not a number is 0.
        (((value - self.base) / self.width) as u8).min(BUCKETS as u8 - 1)
    }

    /// The first bucket with which at least `rank` quarters of a sample are reached, above 0 and at most all of `len`
    /// samples; it is not that of `code`, which is near.
    #[inline(never)]
    fn bucket_of(&self, rank: u32, code: u8, bucket: Bucket, len: u16) -> (u8, Bucket) {
        let (mut code, mut bucket) = (code, bucket);
        for _ in 0..TRIES {
            code = if 4 * bucket.below >= rank { code.saturating_sub(1) } else { code + 1 };
            bucket = self.bucket(code, len);
            if bucket.holds(rank) {
                return (code, bucket);
            }
        }
        bucket = Bucket { below: 0, within: 0 };
        for (code, within) in (0..).zip(self.counts(len)) {
            bucket.below += bucket.within;
            bucket.within = u32::from(within);
            if bucket.holds(rank) {
                return (code, bucket);
            }
        }
        (BUCKETS as u8 - 1, bucket)
    }

    /// Counted in two parts of a length that the compiler knows, each in eight bits.
    fn bucket(&self, code: u8, len: u16) -> Bucket {
        let count = |codes: &[u8]| {
            let (mut below, mut within) = (0_u8, 0_u8);
            for &other in codes {
                // With a sign: a comparison of sixteen is one instruction then.
                below += u8::from((other as i8) < code as i8);
                within += u8::from(other == code);
            }
            Bucket { below: below.into(), within: within.into() }
        };
        let (early, late) = self.codes.split_at(COUNTED);
        let (early, late) = (count(early), count(late));
        // Where no sample is yet is below all codes.
        let empty = PLACES as u32 - u32::from(len);
        Bucket { below: early.below + late.below - empty, within: early.within + late.within }
    }

    /// How many of `len` samples are in each bucket.
    fn counts(&self, len: u16) -> [u16; BUCKETS] {
        let mut counts = [0; BUCKETS];
        for &code in &self.codes[..usize::from(len)] {
            counts[usize::from(code) % BUCKETS] += 1;
        }
        counts
    }

    /// Lays the buckets anew if the quartiles are at the edge of their range, too close together or too far
    /// apart. `value` is the newest one: where the series is now, should it have left the range.
    fn relay_if_needed(&mut self, quartiles: Quartiles, value: f64, len: usize) -> bool {
        let spread = quartiles.third - quartiles.first;
        let width_min = width_min(quartiles.median);
        let margin = 4.0 * self.width;
        let range = BUCKETS as f64 * self.width;
        let at_the_edge =
            quartiles.first < self.base + margin || quartiles.third > self.base + range - margin;
        let too_close = spread < SPREAD_MIN * self.width && self.width > width_min;
        let too_wide = spread > SPREAD_MAX * self.width;
        let width = if at_the_edge {
            let reach = (value - quartiles.median).abs().min(f64::MAX / 4.0);
            self.width.max(reach * 3.0 / BUCKETS as f64)
        } else if too_close {
            (spread / SPREAD_AIM).max(self.width / 8.0).max(width_min)
        } else if too_wide {
            spread / SPREAD_AIM
        } else {
            return false;
        };
        self.relay(quartiles.median, power_of_two_at_most(width), len);
        true
    }

    /// Lays the buckets anew: `width` wide, `center` in the middle. What was in an old bucket is spread
    /// evenly over the new ones that it covers.
    fn relay(&mut self, center: f64, width: f64, len: usize) {
        let (old_base, old_width) = (self.base, self.width);
        self.width = width;
        self.base = center - 0.5 * BUCKETS as f64 * width;
        for index in 0..len {
            let within = (index % 8) as f64 / 8.0 + 1.0 / 16.0;
            let value = old_base + (f64::from(self.codes[index]) + within) * old_width;
            self.codes[index] = self.code(value);
        }
    }
}

/// Narrower buckets than this around `value` would only resolve rounding errors.
fn width_min(value: f64) -> f64 {
    (value.abs() * 1e-9).max(1e-12)
}

/// The largest power of two that is at most `value`, which is positive and finite.
fn power_of_two_at_most(value: f64) -> f64 {
    f64::from_bits(value.to_bits() & 0x7ff0_0000_0000_0000).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Noise;

    fn exact(values: &[f64]) -> Quartiles {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize];
        Quartiles { first: at(0.25), median: at(0.5), third: at(0.75) }
    }

    /// Largest error of a quartile against the exact window, in interquartile ranges.
    fn worst_error(values: impl Iterator<Item = f64>) -> f64 {
        let mut window = QuantileWindow::default();
        let (mut seen, mut worst) = (Vec::new(), 0.0_f64);
        for value in values {
            window.insert(value, 360);
            seen.push(value);
            if seen.len() > 720 {
                let exact = exact(&seen[seen.len() - 360..]);
                let read = window.quartiles().unwrap();
                let spread = exact.third - exact.first;
                for (a, b) in [
                    (read.first, exact.first),
                    (read.median, exact.median),
                    (read.third, exact.third),
                ] {
                    worst = worst.max((a - b).abs() / spread);
                }
            }
        }
        worst
    }

    #[test]
    fn quartiles_follow_the_exact_window_whatever_the_level() {
        for (base, deviation) in [(100.0, 2.0), (1e6, 10.0), (1e9, 1e6), (0.0, 1.0), (-5e3, 0.1)] {
            let mut noise = Noise::new(1);
            let worst = worst_error((0..3000).map(|_| base + deviation * noise.normal()));
            assert!(worst < 0.2, "{base} {deviation}: {worst}");
        }
    }

    #[test]
    fn spikes_do_not_cost_resolution() {
        let mut noise = Noise::new(2);
        let spiky = |i: u32| if i % 50 == 7 { 1e12 } else { noise.normal() };
        let worst = worst_error((0..3000).map(spiky));
        assert!(worst < 0.2, "{worst}");
    }

    #[test]
    fn a_level_shift_is_followed_once_the_window_has_turned_over() {
        let mut window = QuantileWindow::default();
        let mut noise = Noise::new(3);
        for i in 0..2000 {
            window.insert(if i < 800 { 10.0 } else { 1000.0 } + noise.normal(), 360);
        }
        let median = window.quartiles().unwrap().median;
        assert!((median - 1000.0).abs() < 0.3, "{median}");
    }

    #[test]
    fn a_constant_has_no_spread() {
        let mut window = QuantileWindow::default();
        for _ in 0..1000 {
            window.insert(42.0, 360);
        }
        let quartiles = window.quartiles().unwrap();
        assert!(quartiles.third - quartiles.first < 1e-3, "{quartiles:?}");
        assert!((quartiles.median - 42.0).abs() < 1e-2);
    }

    #[test]
    fn a_long_window_is_thinned() {
        let mut window = QuantileWindow::default();
        for i in 0..1440 {
            window.insert(f64::from(i), 1440);
        }
        let quartiles = window.quartiles().unwrap();
        assert!((quartiles.first - 360.0).abs() < 40.0, "{quartiles:?}");
        assert!((quartiles.third - 1080.0).abs() < 40.0, "{quartiles:?}");
    }

    #[test]
    fn median_absolute_deviation_of_a_normal_is_two_thirds_of_its_deviation() {
        let mut window = QuantileWindow::default();
        let mut noise = Noise::new(4);
        for _ in 0..1000 {
            window.insert(50.0 + 3.0 * noise.normal(), 360);
        }
        let deviation = window.median_absolute_deviation() / 0.6745;
        assert!((deviation - 3.0).abs() < 0.5, "{deviation}");
    }

    proptest! {
        #[test]
        fn what_is_watched_is_what_is_counted(
            levels in vec((-1e3..1e3_f64, prop_oneof![Just(0.0), 1e-3..1e2_f64]), 1..6),
            samples in prop_oneof![Just(48_u32), Just(60), Just(360), Just(1440)], seed in any::<u64>(), saved_at in 0..2000_usize,
        ) {
            let (mut window, mut noise) = (QuantileWindow::default(), Noise::new(seed));
            for index in 0..2000 {
                let (level, deviation) = levels[index / 400 % levels.len()];
                window.insert(level + deviation * noise.normal(), samples);
                if index == saved_at {
                    let saved = postcard::to_allocvec(&window).expect("it can be written");
                    window = postcard::from_bytes(&saved).expect("it can be read");
                }
                let QuantileWindow { watched, content: Content::Coded(coded), len, .. } = &window else {
                    continue;
                };
                let codes = &coded.codes[..usize::from(*len)];
                for quarter in 0..3 {
                    let (code, bucket) = watched.bucket(quarter);
                    let count = |holds: fn(&u8, &u8) -> bool| codes.iter().filter(|other| holds(other, &code)).count();
                    prop_assert_eq!(bucket.below as usize, count(|other, code| other < code));
                    prop_assert_eq!(bucket.within as usize, count(|other, code| other == code));
                }
                let from_anew = |start: f64| {
                    let about = Quartiles { first: start, median: start, third: start };
                    Watched::of(coded, about, *len).quartiles(coded, *len)
                };
                let read = { *watched }.quartiles(coded, *len);
                prop_assert_eq!(read, from_anew(level));
                prop_assert_eq!(read, from_anew(-1e9));
            }
        }
    }

    #[test]
    fn extreme_values_are_ordinary_input() {
        let mut window = QuantileWindow::default();
        for value in [0.0, 1e-300, f64::MAX, f64::MIN, -0.0, 1.0, f64::MIN_POSITIVE] {
            for _ in 0..100 {
                window.insert(value, 60);
            }
        }
        let Content::Coded(coded) = window.content else { panic!("{window:?}") };
        assert_eq!(coded.counts(60).iter().sum::<u16>(), 60);
    }
}
