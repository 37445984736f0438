//! Faults that are put into history that nobody has labelled, so that there is something to find.
//!
//! Method: synthetic anomaly injection, as in Goswami et al. (2023), "Unsupervised model selection for time-series anomaly
//! detection": a series goes up, goes down, or jumps about, by 4 to 20 of its own recent deviations, for ten minutes to two hours
//! or at least five samples. Of a counter it is the increase that does. A series has at most one fault a block, all together about
//! [`FAULTS_PER_BLOCK`]. Which series, when and how follows from a seed and the series' labels, so that every candidate
//! meets the same ones.

use bellwether_engine::NumberedSample;
use bellwether_series::{Fingerprint, LabelSet};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::score::Blocks;

/// Faults of a block, if there are that many series.
const FAULTS_PER_BLOCK: f64 = 100.0;
/// Samples of a series before its first fault.
const KNOWN_SAMPLES: u32 = 60;
/// Memory of level and deviation, in samples.
const MEMORY_SAMPLES: f64 = 60.0;
/// Least samples of a fault.
const SAMPLES_MIN: i64 = 5;
const SHORTEST_MS: f64 = 600_000.0;
const LONGEST_MS: f64 = 7_200_000.0;
/// A deviation is at least this share of the level: else a series that stands still could have none.
const DEVIATION_MIN: f64 = 0.05;

/// Puts faults into the samples of series.
#[derive(Debug)]
pub(super) struct Faults {
    seed: u64,
    blocks: Blocks,
    /// Probability that a series has one in a block.
    share: f64,
    tracks: Vec<Track>,
}

/// A series, as far as it came.
#[derive(Debug)]
struct Track {
    key: Fingerprint,
    is_counter: bool,
    samples: u32,
    at_ms: i64,
    interval_ms: i64,
    /// Newest value as it came, and as it went on.
    came: f64,
    went: f64,
    level: f64,
    deviation: f64,
    /// The block for which `plan` is.
    block: Option<usize>,
    plan: Option<Plan>,
    windows: Vec<(i64, i64)>,
}

impl Default for Track {
    fn default() -> Self {
        Self {
            key: Fingerprint::from_u128(0),
            is_counter: false,
            samples: 0,
            at_ms: 0,
            interval_ms: 0,
            came: 0.0,
            went: 0.0,
            level: 0.0,
            deviation: 0.0,
            block: None,
            plan: None,
            windows: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Plan {
    start_ms: i64,
    length_ms: i64,
    kind: Kind,
    deviations: f64,
    /// Whether it has begun.
    is_on: bool,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Up,
    Down,
    Restless,
}

impl Faults {
    /// For history of so many series.
    pub(super) fn new(seed: u64, blocks: Blocks, series: usize) -> Self {
        let share = (FAULTS_PER_BLOCK / series.max(1) as f64).min(1.0);
        Self { seed, blocks, share, tracks: Vec::new() }
    }

    /// Forgets all series.
    pub(super) fn begin(&mut self) {
        self.tracks.clear();
    }

    /// Changes some of the `rows`, which are in the order of time.
    pub(super) fn put_into(&mut self, series: &[LabelSet], rows: &mut [NumberedSample]) {
        if self.tracks.len() < series.len() {
            self.tracks.resize_with(series.len(), Track::default);
        }
        for row in rows {
            let Some(track) = self.tracks.get_mut(row.series as usize) else { continue };
            let Some(labels) = series.get(row.series as usize) else { continue };
            if !row.value.is_finite() {
                continue;
            }
            if track.samples == 0 {
                track.key = labels.fingerprint();
                track.is_counter = is_counter(labels.metric_name());
            }
            let block = self.blocks.of(row.at.as_ms());
            if block != track.block {
                track.block = block;
                track.plan = block
                    .and_then(|block| plan(self.seed, self.share, &self.blocks, track.key, block));
            }
            row.value = track.next(row.at.as_ms(), row.value);
        }
    }

    /// The faults that were put in, by number of the series; each its first and last sample, in Unix milliseconds.
    pub(super) fn windows(&self) -> impl Iterator<Item = (usize, &[(i64, i64)])> {
        let all = self.tracks.iter().enumerate();
        all.filter(|(_, track)| !track.windows.is_empty())
            .map(|(number, track)| (number, &*track.windows))
    }
}

/// As the engine decides without metadata.
fn is_counter(metric: &str) -> bool {
    ["_total", "_count", "_sum"].iter().any(|suffix| metric.ends_with(suffix))
}

/// What happens to a series in a block, if anything does.
fn plan(seed: u64, share: f64, blocks: &Blocks, key: Fingerprint, block: usize) -> Option<Plan> {
    let words = [seed.to_le_bytes(), (block as u64).to_le_bytes()].concat();
    let key = Fingerprint::of_parts(&[&key.as_u128().to_le_bytes(), &words]);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(key.as_u128() as u64);
    let mut uniform = || (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    if uniform() >= share {
        return None;
    }
    // Not so near to the end of a block that it is cut off, nor to its beginning that it is taken for the end of the one before.
    let start_ms =
        blocks.start_ms(block) + (blocks.length_ms() as f64 * (0.1 + 0.6 * uniform())) as i64;
    let longest_ms = LONGEST_MS.min(blocks.length_ms() as f64 / 8.0);
    let shortest_ms = SHORTEST_MS.min(longest_ms);
    let between = |low: f64, high: f64, share: f64| low * libm::pow(high / low, share);
    Some(Plan {
        start_ms,
        length_ms: between(shortest_ms, longest_ms, uniform()) as i64,
        deviations: between(4.0, 20.0, uniform()),
        kind: match (uniform() * 3.0) as u8 {
            0 => Kind::Up,
            1 => Kind::Down,
            _ => Kind::Restless,
        },
        is_on: false,
    })
}

impl Track {
    /// What the sample of `at_ms` becomes.
    fn next(&mut self, at_ms: i64, value: f64) -> f64 {
        let is_first = self.samples == 0;
        if !is_first {
            self.interval_ms = at_ms - self.at_ms;
        }
        // Of a counter that was set back the new value is the increase.
        let signal = match self.is_counter {
            true if is_first => 0.0,
            true if value < self.came => value,
            true => value - self.came,
            false => value,
        };
        let was_set_back = self.is_counter && value < self.came;
        let (level, deviation) = (self.level, self.deviation);
        self.learn(signal);
        (self.at_ms, self.came) = (at_ms, value);
        let faulty = self.fault(at_ms, signal, level, deviation);
        self.went = match (self.is_counter, was_set_back || is_first) {
            (false, _) => faulty.unwrap_or(signal),
            (true, true) => value,
            (true, false) => self.went + faulty.unwrap_or(signal).max(0.0),
        };
        self.went
    }

    fn learn(&mut self, signal: f64) {
        self.samples = self.samples.saturating_add(1);
        let weight = 1.0 / f64::from(self.samples).min(MEMORY_SAMPLES);
        self.deviation += weight * ((signal - self.level).abs() - self.deviation);
        self.level += weight * (signal - self.level);
    }

    /// What a fault makes of `signal`, if one goes on.
    fn fault(&mut self, at_ms: i64, signal: f64, level: f64, deviation: f64) -> Option<f64> {
        let plan = self.plan.as_mut().filter(|plan| at_ms >= plan.start_ms)?;
        if !plan.is_on {
            if self.samples <= KNOWN_SAMPLES {
                return None;
            }
            plan.is_on = true;
            plan.length_ms = plan.length_ms.max(SAMPLES_MIN * self.interval_ms);
            plan.start_ms = at_ms;
            self.windows.push((at_ms, at_ms));
        }
        if at_ms >= plan.start_ms.saturating_add(plan.length_ms) {
            self.plan = None;
            return None;
        }
        let least = level.abs() * DEVIATION_MIN;
        let deviation = deviation.max(least);
        let by = plan.deviations * if deviation > 0.0 { deviation } else { 1.0 };
        if let Some(window) = self.windows.last_mut() {
            window.1 = at_ms;
        }
        Some(match plan.kind {
            // What is never below 0 does not go there.
            Kind::Down if level >= 0.0 && signal - by < 0.0 && signal >= 0.0 => {
                if signal > least {
                    0.0
                } else {
                    signal + by
                }
            }
            Kind::Down => signal - by,
            Kind::Restless if self.samples.is_multiple_of(2) && level - by / 2.0 >= 0.0 => {
                signal - by / 2.0
            }
            Kind::Up | Kind::Restless => signal + by,
        })
    }
}

#[cfg(test)]
mod tests {
    use bellwether_series::Timestamp;

    use super::*;

    const MINUTE_MS: i64 = 60_000;
    /// A minute each, four days.
    const SAMPLES: i64 = 4 * 1440;

    fn blocks() -> Blocks {
        Blocks::behind(0, SAMPLES * MINUTE_MS).unwrap()
    }

    fn labels(metric: &str) -> LabelSet {
        LabelSet::from_pairs([("__name__", metric), ("instance", "a")]).unwrap()
    }

    /// The values that come of `values`, one a minute, and the windows.
    fn put(seed: u64, metric: &str, values: &dyn Fn(i64) -> f64) -> (Vec<f64>, Vec<(i64, i64)>) {
        let (series, mut faults) = ([labels(metric)], Faults::new(seed, blocks(), 1));
        let mut all = Vec::new();
        for minute in 0..SAMPLES {
            let at = Timestamp::from_ms(minute * MINUTE_MS);
            let mut rows = [NumberedSample { at, value: values(minute), series: 0 }];
            faults.put_into(&series, &mut rows);
            all.push(rows[0].value);
        }
        let windows = faults.windows().flat_map(|(_, windows)| windows.to_vec()).collect();
        (all, windows)
    }

    fn wave(minute: i64) -> f64 {
        100.0 + (minute % 7) as f64
    }

    #[test]
    fn only_what_is_in_a_window_is_changed_and_that_by_a_lot() {
        for seed in 0..20 {
            let (values, windows) = put(seed, "depth", &wave);
            assert_eq!(windows.len(), 4, "{windows:?}");
            for (minute, &value) in (0..).zip(&values) {
                let at_ms = minute * MINUTE_MS;
                let is_in = windows.iter().any(|&(start, end)| (start..=end).contains(&at_ms));
                let by = (value - wave(minute)).abs();
                assert!(if is_in { by >= 4.0 } else { by == 0.0 }, "{seed} {minute} {value}");
            }
            for (start, end) in windows {
                assert!((9 * MINUTE_MS..=121 * MINUTE_MS).contains(&(end - start)));
            }
        }
    }

    #[test]
    fn a_counter_keeps_rising_and_is_set_back_only_where_it_was() {
        for seed in 0..20 {
            let counter = |minute: i64| (minute % 3000 * 10 + minute % 7) as f64;
            let (values, windows) = put(seed, "requests_total", &counter);
            assert!(!windows.is_empty());
            for (minute, pair) in (1..).zip(values.windows(2)) {
                assert_eq!(pair[1] < pair[0], minute % 3000 == 0, "{seed} {minute} {pair:?}");
            }
        }
    }

    #[test]
    fn a_seed_decides_and_what_is_not_below_0_stays_there() {
        let small = |minute: i64| (minute % 3) as f64;
        assert_eq!(put(1, "depth", &small), put(1, "depth", &small));
        assert_ne!(put(1, "depth", &small).1, put(2, "depth", &small).1);
        for seed in 0..20 {
            assert!(put(seed, "depth", &small).0.iter().all(|&value| value >= 0.0));
        }
    }

    #[test]
    fn of_many_series_about_a_hundred_have_one_a_block() {
        let blocks = blocks();
        let key = |index: u32| Fingerprint::of_parts(&[&index.to_le_bytes()]);
        let planned = (0..10_000).filter(|&index| plan(1, 0.01, &blocks, key(index), 0).is_some());
        assert!((60..140).contains(&planned.count()));
    }
}
