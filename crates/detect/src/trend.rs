//! Leaks and drifts: a slope that lasts for days.
//!
//! Method: blocks of at first 90 minutes are averaged; when there are 32, neighbours are merged and blocks last twice
//! as long, up to a day, of which the last 32 are kept. Whenever a block ends, Kendall's test for a trend (Mann
//! 1945, Kendall 1975) asks whether blocks rise or fall more often than chance, with its variance corrected for the
//! correlation of neighbours around Theil's (1950) and Sen's (1968) median slope, as in Hamed & Rao (1998), "A
//! modified Mann-Kendall trend test for autocorrelated data". A season makes neighbours alike, and thereby
//! the test deaf, until blocks are whole days. The surprise holds until the next block.
//!
//! First verdict after two days and 16 blocks. Adoption: a series that has trended for [`ADOPTION_DAYS`] is one that
//! trends, and silent until it stops.
//!
//! State: 312 bytes. Cost: some 10 ns, with what the end of a block costs. Blind spot: leaks of hours (`changepoint`,
//! `forecast`); weekly patterns in the first two weeks.

use std::f64::consts::SQRT_2;

use serde::{Deserialize, Serialize};

use crate::params::MinDeviation;
use crate::residual::Scale;
use crate::saved::completed;
use crate::tail::{SURPRISE_MAX, TailShape};
use crate::verdict::{Detector, Expected, Observation, Verdict};

/// A trend that is this old is how the series is.
pub const ADOPTION_DAYS: f64 = 14.0;
/// Surprise from which a series is taken to trend.
const TREND_SURPRISE: f64 = 3.0;
const BLOCKS: usize = 32;
const BLOCKS_MIN: usize = 16;
const DAY_MS: i64 = 86_400_000;
/// The first blocks; doubled up to a day.
const FIRST_BLOCK_MS: i64 = DAY_MS / 16;
/// Median absolute deviation of a standard normal.
const NORMAL_MAD: f64 = 0.674_489_750_196_082;

/// The detector. It has no parameters but what counts as a departure.
#[derive(Debug, Clone)]
pub struct Trend {
    min_deviation: MinDeviation,
}

impl Trend {
    /// A detector; `min_deviation` bounds the band that it shows from below.
    pub fn new(min_deviation: MinDeviation) -> Self {
        Self { min_deviation }
    }
}

/// What it remembers of a series.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct State {
    /// Means of finished blocks, oldest first.
    blocks: [f64; BLOCKS],
    /// Mean of the present block.
    mean: f64,
    /// Where the trend started, and the scatter around it.
    origin: f64,
    scatter: f64,
    /// When the present block ends, in milliseconds since the epoch, and its length in minutes.
    end_ms: i64,
    block_minutes: u32,
    samples: u32,
    finished: u32,
    surprise: f32,
    /// For how long the series has trended.
    trending_days: f32,
}

completed!(State);

impl Detector for Trend {
    type State = State;

    fn observe(&self, state: &mut State, observation: &Observation) -> Verdict {
        state.arrive(observation);
        if !state.is_warm() {
            return Verdict::WarmingUp;
        }
        let center = state.origin;
        let floor = observation.scale_floor;
        let scale = Scale::at_least(state.scatter, floor, self.min_deviation, center).width;
        let adopted = f64::from(state.trending_days) > ADOPTION_DAYS;
        let surprise = if adopted { 0.0 } else { f64::from(state.surprise) };
        let tail = TailShape { frequency: 2e-3, index: 4.0 };
        let expected = Expected { center, scale_below: scale, scale_above: scale, tail };
        Verdict::Scored { surprise, expected }
    }
}

impl State {
    fn completed(self) -> Option<Self> {
        let is_new = self.samples == 0 && self.finished == 0;
        let has_blocks = self.block_minutes > 0 && self.finished as usize <= BLOCKS;
        (is_new || has_blocks).then_some(self)
    }

    fn block_ms(&self) -> i64 {
        i64::from(self.block_minutes) * 60_000
    }

    fn finished(&self) -> &[f64] {
        &self.blocks[..self.finished as usize]
    }

    fn is_warm(&self) -> bool {
        let span = self.block_ms() * i64::from(self.finished);
        self.finished as usize >= BLOCKS_MIN && span >= 2 * DAY_MS
    }

    /// Adds a sample to its block, after the ones before it have ended.
    fn arrive(&mut self, observation: &Observation) {
        let time_ms = observation.timestamp.as_ms();
        if self.samples == 0 && self.finished == 0 {
            self.block_minutes = first_block_minutes(observation.interval_ms);
            self.end_ms = time_ms.saturating_add(self.block_ms());
        }
        let late_ms = time_ms.saturating_sub(self.end_ms);
        if late_ms >= 0 {
            self.end_blocks(1 + late_ms / self.block_ms());
            if self.finished == 0 {
                return self.arrive(observation);
            }
        }
        self.samples = self.samples.saturating_add(1);
        self.mean += (observation.value - self.mean) / f64::from(self.samples);
    }

    /// Ends the present block and the empty ones after it, which are taken to be like it; `count` in all. After a gap
    /// of a quarter of the memory everything starts anew.
    fn end_blocks(&mut self, count: i64) {
        if count > (BLOCKS / 4) as i64 {
            *self = Self::default();
            return;
        }
        let passed_ms = count * self.block_ms();
        for _ in 0..count {
            self.push(self.mean);
        }
        (self.mean, self.samples) = (0.0, 0);
        // Merging has made the next block longer than those that have ended.
        let begin_ms = self.end_ms.saturating_add(passed_ms - passed_ms / count);
        self.end_ms = begin_ms.saturating_add(self.block_ms());
        self.judge(passed_ms as f64 / DAY_MS as f64);
    }

    fn push(&mut self, mean: f64) {
        if self.finished as usize == BLOCKS {
            self.blocks.copy_within(1.., 0);
            self.finished -= 1;
        }
        self.blocks[self.finished as usize] = mean;
        self.finished += 1;
        if self.finished as usize == BLOCKS && self.block_ms() < DAY_MS {
            self.merge();
        }
    }

    /// Makes one block of two.
    fn merge(&mut self) {
        for index in 0..BLOCKS / 2 {
            self.blocks[index] = f64::midpoint(self.blocks[2 * index], self.blocks[2 * index + 1]);
        }
        self.finished = (BLOCKS / 2) as u32;
        self.block_minutes *= 2;
    }

    fn judge(&mut self, passed_days: f64) {
        if !self.is_warm() {
            return;
        }
        let line = Line::through(self.finished());
        self.surprise = line.surprise as f32;
        (self.origin, self.scatter) = (line.origin, line.scatter);
        self.trending_days = if line.surprise >= TREND_SURPRISE {
            self.trending_days + passed_days as f32
        } else {
            0.0
        };
    }
}

/// The first length of a block, in minutes: a day's sixteenth, doubled until it holds an interval.
fn first_block_minutes(interval_ms: i64) -> u32 {
    let mut block_ms = FIRST_BLOCK_MS;
    while block_ms < interval_ms && block_ms < DAY_MS {
        block_ms *= 2;
    }
    let block_ms = if interval_ms > DAY_MS { interval_ms } else { block_ms };
    (block_ms / 60_000).clamp(1, i64::from(u32::MAX / 64)) as u32
}

/// A robust line through equally spaced values, and how surprising its slope is.
#[derive(Debug)]
struct Line {
    /// Its first value.
    origin: f64,
    /// Deviation of the values around it.
    scatter: f64,
    surprise: f64,
}

impl Line {
    /// At least three and at most [`BLOCKS`] values.
    fn through(values: &[f64]) -> Self {
        let n = values.len();
        let mut kendall = 0_i32;
        for (later, &value) in values.iter().enumerate() {
            for &before in &values[..later] {
                kendall += i32::from(value > before) - i32::from(value < before);
            }
        }
        let slope = median_slope(values);
        let mut rest = [0.0; BLOCKS];
        let rest = &mut rest[..n];
        for (index, left) in rest.iter_mut().enumerate() {
            *left = values[index] - slope * index as f64;
        }
        let correlation = rank_correlation(rest);
        let origin = median(rest);
        for left in &mut *rest {
            *left = (*left - origin).abs();
        }
        let scatter = median(rest) / NORMAL_MAD;
        Self { origin, scatter, surprise: kendall_surprise(kendall, n as f64, correlation) }
    }
}

/// The median of the slopes between all pairs of two to [`BLOCKS`] equally spaced values (Theil 1950, Sen 1968).
pub(crate) fn median_slope(values: &[f64]) -> f64 {
    let mut slopes = [0.0; BLOCKS * (BLOCKS - 1) / 2];
    let mut pairs = 0;
    for (later, &value) in values.iter().enumerate() {
        for (earlier, &before) in values[..later].iter().enumerate() {
            slopes[pairs] = (value - before) / (later - earlier) as f64;
            pairs += 1;
        }
    }
    median(&mut slopes[..pairs])
}

/// Surprise of Kendall's sum over `n` values whose neighbours correlate: as if there were fewer of them.
fn kendall_surprise(kendall: i32, n: f64, correlation: f64) -> f64 {
    let inflation = (1.0 + correlation) / (1.0 - correlation);
    let variance = n * (n - 1.0) * (2.0 * n + 5.0) / 18.0 * inflation;
    let z = (f64::from(kendall.abs()) - 1.0).max(0.0) / variance.sqrt();
    (-libm::log10(libm::erfc(z / SQRT_2))).clamp(0.0, SURPRISE_MAX)
}

/// Correlation of the ranks of neighbours, from 0 to 0.95; biased upwards by what so few values leave unknown.
fn rank_correlation(values: &[f64]) -> f64 {
    let n = values.len();
    let middle = (n as f64 - 1.0) / 2.0;
    let rank = |value: f64| {
        let below = values.iter().filter(|&&other| other < value).count() as f64;
        let equal = values.iter().filter(|&&other| other <= value).count() as f64 - below;
        below + (equal - 1.0) / 2.0 - middle
    };
    let (mut product, mut square, mut before) = (0.0, 0.0, 0.0);
    for &value in values {
        let rank = rank(value);
        product += rank * before;
        square += rank * rank;
        before = rank;
    }
    if square <= 0.0 {
        return 0.0;
    }
    (product / square + 1.0 / (n as f64).sqrt()).clamp(0.0, 0.95)
}

fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local_time::LocalTime;
    use crate::testing::{Noise, run_every, surprise_at};

    /// A sample every five minutes for `days` with a daily season and a slope a day.
    fn days(days: usize, season: f64, slope: impl Fn(f64) -> f64) -> Vec<f64> {
        let mut noise = Noise::new(6);
        let value = |index: usize| {
            let day = index as f64 / 288.0;
            100.0 + season * libm::sin(std::f64::consts::TAU * day) + slope(day) + noise.normal()
        };
        (0..days * 288).map(value).collect()
    }

    fn most(season: f64, slope: impl Fn(f64) -> f64, until: usize) -> f64 {
        let values = days(until, season, slope);
        let verdicts = run_every(&Trend::new(MinDeviation::default()), 300_000, &values);
        (0..values.len()).map(|index| surprise_at(&verdicts, index)).fold(0.0, f64::max)
    }

    #[test]
    fn a_state_fits_its_budget() {
        assert!(size_of::<State>() <= 320, "{}", size_of::<State>());
    }

    #[test]
    fn a_leak_is_found_within_days() {
        assert!(most(0.0, |day| 0.5 * day, 4) > 5.0);
        assert!(most(0.0, |day| -0.5 * day, 4) > 5.0);
        assert!(most(5.0, |day| 3.0 * day, 16) > 4.0, "{}", most(5.0, |day| 3.0 * day, 16));
    }

    #[test]
    fn a_season_and_a_burst_are_no_trend() {
        assert!(most(5.0, |_| 0.0, 40) < 3.0);
        assert!(most(0.0, |day| if (7.0..7.2).contains(&day) { 1e6 } else { 0.0 }, 20) < 4.0);
    }

    #[test]
    fn a_trend_of_weeks_is_how_the_series_is() {
        let values = days(30, 0.0, |day| 2.0 * day);
        let verdicts = run_every(&Trend::new(MinDeviation::default()), 300_000, &values);
        assert!(surprise_at(&verdicts, 10 * 288) > 6.0);
        assert!(surprise_at(&verdicts, 25 * 288) < 1.0);
    }

    #[test]
    fn nothing_is_said_before_two_days_or_after_a_gap() {
        let values = days(2, 0.0, |day| 10.0 * day);
        let detector = Trend::new(MinDeviation::default());
        let verdicts = run_every(&detector, 300_000, &values);
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::WarmingUp));
        let mut state = State::default();
        for (index, &value) in days(4, 0.0, |day| 10.0 * day).iter().enumerate() {
            let gap_ms = if index > 1000 { 3 * DAY_MS } else { 0 };
            let timestamp = bellwether_series::Timestamp::from_ms(index as i64 * 300_000 + gap_ms);
            let interval_ms = 300_000;
            let verdict = detector.observe(
                &mut state,
                &Observation {
                    timestamp,
                    local: LocalTime::utc(timestamp),
                    value,
                    interval_ms,
                    scale_floor: 0.0,
                },
            );
            assert!(index <= 1000 || verdict == Verdict::WarmingUp);
        }
    }

    #[test]
    fn the_line_is_that_of_theil_and_sen() {
        // Slopes of 1, 3, 4, 4, 100: the pairs' median is 1; the last value is not believed.
        let line = Line::through(&[1.0, 3.0, 4.0, 4.0, 100.0]);
        let slope = 2.0; // of 2, 1.5, 1, 24.75, 1, 0.5, 32.33, 0, 48, 96: sorted, the sixth is 2.
        let mut rest: Vec<f64> =
            (0..5).map(|i| [1.0, 3.0, 4.0, 4.0, 100.0][i] - slope * i as f64).collect();
        rest.sort_by(f64::total_cmp);
        assert!((line.origin - rest[2]).abs() < 1e-12);
    }

    #[test]
    fn kendalls_test_agrees_with_a_hand_worked_value() {
        // Ten values that only rise: S = 45, variance 125, z = 44 / sqrt(125) = 3.935, p = 8.3e-5.
        assert!((kendall_surprise(45, 10.0, 0.0) - 4.081).abs() < 0.01);
        assert!(kendall_surprise(45, 10.0, 0.5) < 2.0);
    }
}
