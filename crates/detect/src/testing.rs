//! What the tests of all detectors share: noise, runs over lists of values, and the deep tier as a list.

mod subject;

use bellwether_series::Timestamp;

use crate::deep::{DeepDetector, GroupDetector};
use crate::local_time::LocalTime;
use crate::params::MinDeviation;
use crate::predictor::{Alone, Predictor};
use crate::tail::Tail;
use crate::verdict::{Detector, Observation, Verdict};

pub(crate) use subject::{Case, GROUP, Moment, deep_tier};

const MINUTE_MS: i64 = 60_000;

/// Seeded noise (`SplitMix64`; Steele, Lea & Flood 2014).
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A standard normal number (Box & Muller 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.uniform())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }
}

/// A predictor by itself, with defaults.
pub(crate) fn alone<P: Predictor>(predictor: P) -> Alone<P> {
    Alone::new(predictor, MinDeviation::default(), Tail::new())
}

/// Runs one sample a minute from a Monday's midnight on.
pub(crate) fn run<D: Detector>(detector: &D, values: &[f64]) -> Vec<Verdict> {
    run_every(detector, MINUTE_MS, values)
}

/// Runs one sample every `interval_ms` from a Monday's midnight on.
pub(crate) fn run_every<D: Detector>(
    detector: &D,
    interval_ms: i64,
    values: &[f64],
) -> Vec<Verdict> {
    let mut state = D::State::default();
    let start = Timestamp::from_ms(1_767_571_200_000);
    let observe = |(index, &value): (usize, &f64)| {
        let timestamp = start.plus_ms(index as i64 * interval_ms);
        detector.observe(&mut state, &observation(timestamp.as_ms(), value, interval_ms))
    };
    values.iter().enumerate().map(observe).collect()
}

/// An observation in UTC of a series that is sampled every `interval_ms` and of which nothing else is known.
pub(crate) fn observation(at_ms: i64, value: f64, interval_ms: i64) -> Observation {
    let timestamp = Timestamp::from_ms(at_ms);
    let local = LocalTime::utc(timestamp);
    Observation { timestamp, local, value, interval_ms, scale_floor: 0.0 }
}

/// The score of a value in the given minute.
pub(crate) fn score_at<D: DeepDetector>(
    detector: &D,
    state: &mut D::State,
    minute: i64,
    value: f64,
    weight: f64,
) -> Option<f64> {
    let at_ms = minute.saturating_mul(MINUTE_MS);
    detector.score(state, &observation(at_ms, value, MINUTE_MS), weight)
}

/// The scores of a deep detector, one sample a minute.
pub(crate) fn scores<D: DeepDetector>(detector: &D, seed: u64, values: &[f64]) -> Vec<Option<f64>> {
    let mut state = detector.begin(seed);
    let mut score = |(&value, minute)| score_at(detector, &mut state, minute, value, 1.0);
    values.iter().zip(0..).map(&mut score).collect()
}

/// The scores of a detector of groups.
pub(crate) fn row_scores<D: GroupDetector>(detector: &D, rows: &[Vec<f64>]) -> Vec<Option<f64>> {
    let mut state = detector.begin(rows[0].len(), 1);
    rows.iter().map(|row| detector.score(&mut state, row, 1.0)).collect()
}

/// The sum of the scores by the number of samples.
pub(crate) fn mean(scores: &[Option<f64>]) -> f64 {
    scores.iter().flatten().sum::<f64>() / scores.len() as f64
}

/// The largest score; 0 without any.
pub(crate) fn largest(scores: &[Option<f64>]) -> f64 {
    scores.iter().flatten().copied().fold(0.0, f64::max)
}

/// Samples until the first score.
pub(crate) fn silent(scores: &[Option<f64>]) -> usize {
    scores.iter().take_while(|score| score.is_none()).count()
}

/// Waves that take `period` samples for a radian and are 5 high, with noise.
pub(crate) fn waves(count: usize, period: f64, noise: f64, seed: u64) -> Vec<f64> {
    let mut normal = Noise::new(seed);
    let wave = |index: usize| 5.0 * libm::sin(index as f64 / period) + noise * normal.normal();
    (0..count).map(wave).collect()
}

/// Rows of signals that share one load, the last of them constant.
pub(crate) fn rows(width: usize, count: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut noise = Noise::new(seed);
    let mut row = || {
        let load = 3.0 * noise.normal();
        let signal = |index| if index + 1 == width { 7.0 } else { load + 0.3 * noise.normal() };
        (0..width).map(signal).collect::<Vec<f64>>()
    };
    (0..count).map(|_| row()).collect()
}

/// 2026-03-29 01:00 UTC: clocks in Berlin go from two o'clock to three.
pub(crate) const SPRING_MS: i64 = 1_774_746_000_000;
/// 2026-10-25 01:00 UTC: clocks in Berlin go from three o'clock back to two.
pub(crate) const AUTUMN_MS: i64 = 1_792_890_000_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// What the clocks of Berlin say in 2026, on days that are no holidays.
pub(crate) fn berlin(at_ms: i64) -> LocalTime {
    let is_summer = (SPRING_MS..AUTUMN_MS).contains(&at_ms);
    LocalTime { ms: at_ms + HOUR_MS * (1 + i64::from(is_summer)), is_holiday: false }
}

/// The load of an office: a ramp from seven to nine in the morning of workdays, gone by seven in the evening.
pub(crate) fn office(local: LocalTime, noise: &mut Noise) -> f64 {
    let hour = local.ms.rem_euclid(DAY_MS) as f64 / HOUR_MS as f64;
    let at_work = (0.5 * (hour - 7.0)).clamp(0.0, 1.0) * (0.5 * (19.0 - hour)).clamp(0.0, 1.0);
    let is_weekend = local.is_holiday || local.days_to_sunday() < 2;
    let load = if is_weekend { 0.1 * at_work } else { at_work };
    100.0 + 200.0 * load + 2.0 * noise.normal()
}

/// The surprise of verdict `index`; 0 where there is none.
pub(crate) fn surprise_at(verdicts: &[Verdict], index: usize) -> f64 {
    match verdicts[index] {
        Verdict::Scored { surprise, .. } => surprise,
        Verdict::WarmingUp | Verdict::NotApplicable => 0.0,
    }
}
