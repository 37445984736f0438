//! When a level reaches its limit: a disk that is full, a pool without a free connection.
//!
//! Method: means of blocks of a sixteenth of the horizon (15 minutes of 4 hours), the last 32 of them. Whenever a block
//! ends, the slope is the median one of Theil (1950) and Sen (1968) through the last 16 or the last 8, whichever says
//! more, and the distance to the limit the median of the last three. From there on the level is a random walk with this
//! drift: after `t` blocks it is uncertain by `w² (t + t² / n)`, the second part for a drift learned from `n` steps.
//!
//! How much it wanders, `w`, is not believed but learned: from the steps between blocks at first, and then from what the
//! slope of 16 blocks has promised for a horizon later and what came true. A log that grows and is rotated, or a
//! daily wave, breaks such promises, so it takes more to predict anything of it.
//!
//! The surprise is −log10 of the probability that the limit is *not* reached within the horizon. It holds until the
//! next block. A level that is at its limit and stays there is no surprise: that is for `threshold`.
//!
//! First verdict after 8 blocks. State: 192 bytes. Cost: some 115 ns, ends of blocks included. Blind spot: what is
//! used up in less than a third of the horizon from a standing start; a slow fall under noise as large as what is left
//! at the horizon; a slope that only changes later.

use bellwether_series::Timestamp;
use serde::{Deserialize, Serialize};

use super::course::Course;
use super::limit::{Approach, ExhaustionParams};
use crate::params::MinDeviation;
use crate::residual::Scale;
use crate::saved::completed;
use crate::tail::{Tail, TailShape};
use crate::verdict::{Detector, Expected, Observation, Verdict};

/// How broken promises fall off.
const TAIL: TailShape = TailShape { frequency: 2e-3, index: 6.0 };
const BLOCKS: usize = 32;
/// A line is drawn through so many blocks, and through no fewer than these.
const FIT: usize = 16;
const FIT_MIN: usize = 8;
/// Steps that the prior of the wandering counts for, and how many blocks it remembers.
const PRIOR_STEPS: f64 = 8.0;
const MEMORY: f32 = 480.0;
/// A promise is learned as broken by at most so many deviations; at this weight while the limit is near, or when the
/// level came closer to it than promised.
const BROKEN_MAX: f64 = 5.0;
const EXCURSION_WEIGHT: f64 = 0.1;
const EXCURSION_SURPRISE: f32 = 3.0;
/// No slope is known better than this share of it.
const SLOPE_DOUBT: f64 = 0.02;
/// Distances beyond this are taken as this.
pub(super) const DISTANCE_MAX: f64 = 1e30;
/// What is further away than this many horizons is not in sight.
const SIGHT: f64 = 100.0;

/// The detector of levels that will soon reach their limit.
///
/// ```
/// use bellwether_detect::forecast::{Exhaustion, ExhaustionParams, ExhaustionState};
/// use bellwether_detect::tail::Tail;
/// use bellwether_detect::{Detector, LocalTime, MinDeviation, Observation};
/// use bellwether_series::Timestamp;
///
/// let params = ExhaustionParams::default();
/// let detector = Exhaustion::new(params, MinDeviation::default(), Tail::new());
/// let mut state = ExhaustionState::default();
/// for minute in 0..300 {
///     let timestamp = Timestamp::from_ms(minute * 60_000);
///     let value = 480.0 - minute as f64;
///     let local = LocalTime::utc(timestamp);
///     let observation =
///         Observation { timestamp, local, value, interval_ms: 60_000, scale_floor: 0.0 };
///     detector.observe(&mut state, &observation);
/// }
/// let prediction = detector.prediction(&state).expect("it falls");
/// assert!((prediction.at.as_ms() - 480 * 60_000).abs() < 5 * 60_000);
/// ```
#[derive(Debug, Clone)]
pub struct Exhaustion {
    params: ExhaustionParams,
    min_deviation: MinDeviation,
    tail: Tail,
}

/// When the limit is reached; `earliest` and `latest` hold nine times in ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prediction {
    /// If all goes on as it does.
    pub at: Timestamp,
    /// Not before.
    pub earliest: Timestamp,
    /// Not after; `None` when the level may as well never reach it.
    pub latest: Option<Timestamp>,
}

/// What it remembers of a series. Lengths are distances to the limit, positive where all is well; times are in blocks.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct ExhaustionState {
    /// Means of finished blocks, oldest first.
    blocks: [f32; BLOCKS],
    /// Mean of the present block, its samples and its end, in milliseconds since the epoch.
    mean: f64,
    end_ms: i64,
    block_ms: i64,
    samples: u32,
    finished: u32,
    /// How promises were broken: root mean square in a step, and how many there were.
    broken: f32,
    promises: f32,
    surprise: f32,
    distance: f32,
    wandering: f32,
    /// From the end of the last block on; infinite where there is none.
    earliest: f32,
    at: f32,
    latest: f32,
}

completed!(ExhaustionState);

impl Exhaustion {
    /// A detector; `min_deviation` bounds the band that it shows from below.
    pub fn new(params: ExhaustionParams, min_deviation: MinDeviation, tail: Tail) -> Self {
        Self { params, min_deviation, tail }
    }

    /// When the series will reach the limit, as of its last finished block; `None` while there is too little to go by,
    /// and while it does not approach the limit or takes over a hundred horizons to reach it.
    pub fn prediction(&self, state: &ExhaustionState) -> Option<Prediction> {
        let sight = SIGHT * self.ahead(state) as f64;
        let now_ms = state.end_ms.saturating_sub(state.block_ms);
        let time = |blocks: f32| {
            let in_sight = f64::from(blocks) <= sight;
            let ms = (f64::from(blocks) * state.block_ms as f64) as i64;
            in_sight.then(|| Timestamp::from_ms(now_ms.saturating_add(ms)))
        };
        if (state.finished as usize) < FIT_MIN {
            return None;
        }
        let (at, earliest) = (time(state.at)?, time(state.earliest)?);
        Some(Prediction { at, earliest, latest: time(state.latest) })
    }

    fn distance(&self, value: f64) -> f64 {
        let distance = match self.params.approach {
            Approach::Falling => value - self.params.limit.level(),
            Approach::Rising => self.params.limit.level() - value,
        };
        distance.clamp(-DISTANCE_MAX, DISTANCE_MAX)
    }

    /// The horizon in blocks.
    fn ahead(&self, state: &ExhaustionState) -> usize {
        (self.params.horizon_minutes.ms() / state.block_ms.max(1)).clamp(1, FIT as i64) as usize
    }

    /// Adds a sample to its block, after the ones before it have ended.
    fn arrive(&self, state: &mut ExhaustionState, observation: &Observation) {
        let time_ms = observation.timestamp.as_ms();
        if state.samples == 0 && state.finished == 0 {
            let block_ms = self.params.horizon_minutes.ms() / FIT as i64;
            state.block_ms = block_ms.max(observation.interval_ms);
            state.end_ms = time_ms.saturating_add(state.block_ms);
        }
        let late_ms = time_ms.saturating_sub(state.end_ms);
        if late_ms >= 0 {
            let ended = late_ms / state.block_ms;
            // After a gap of a quarter of the memory everything starts anew.
            if ended >= (BLOCKS / 4) as i64 {
                *state = ExhaustionState::default();
                return self.arrive(state, observation);
            }
            for _ in 0..=ended {
                state.push();
                self.judge(state);
            }
            (state.mean, state.samples) = (0.0, 0);
        }
        state.samples = state.samples.saturating_add(1);
        let distance = self.distance(observation.value);
        state.mean += (distance - state.mean) / f64::from(state.samples);
    }

    /// Judges the blocks that there are, then learns from the last.
    fn judge(&self, state: &mut ExhaustionState) {
        let finished = state.finished as usize;
        if finished < FIT_MIN {
            return;
        }
        let blocks = state.blocks.map(f64::from);
        let ahead = self.ahead(state);
        let horizon = ahead as f64;
        let course = Course::of(&blocks[finished.saturating_sub(FIT)..finished]);
        let recent = Course::of(&blocks[finished - FIT_MIN..finished]);
        let [ours, theirs] = [&course, &recent].map(|course| state.standard(course, horizon));
        let (course, standard) = if theirs > ours { (&recent, theirs) } else { (&course, ours) };
        // One side of two, but the better of two spans: what would halve the probability doubles it again.
        state.surprise = self.tail.surprise(standard.max(0.0), TAIL) as f32;
        let wandering = state.wandering(course);
        let times = course.times(wandering);
        [state.earliest, state.at, state.latest] = times.map(|time| time as f32);
        (state.distance, state.wandering) = (course.distance as f32, wandering as f32);
        if finished >= ahead + FIT {
            let from = finished - ahead;
            state.learn(&Course::of(&blocks[from - FIT..from]), horizon, blocks[finished - 1]);
        }
    }
}

impl Detector for Exhaustion {
    type State = ExhaustionState;

    fn observe(&self, state: &mut ExhaustionState, observation: &Observation) -> Verdict {
        if !observation.value.is_finite() {
            return Verdict::NotApplicable;
        }
        self.arrive(state, observation);
        if (state.finished as usize) < FIT_MIN {
            return Verdict::WarmingUp;
        }
        let distance = f64::from(state.distance);
        let center = match self.params.approach {
            Approach::Falling => self.params.limit.level() + distance,
            Approach::Rising => self.params.limit.level() - distance,
        };
        let (width, floor) = (f64::from(state.wandering), observation.scale_floor);
        let width = Scale::at_least(width, floor, self.min_deviation, center).width;
        let expected = Expected { center, scale_below: width, scale_above: width, tail: TAIL };
        Verdict::Scored { surprise: f64::from(state.surprise), expected }
    }
}

impl ExhaustionState {
    fn completed(self) -> Option<Self> {
        let is_new = self.samples == 0 && self.finished == 0;
        let has_blocks = self.block_ms > 0 && self.finished as usize <= BLOCKS;
        (is_new || has_blocks).then_some(self)
    }

    /// Ends the present block; one without a sample is like the one before.
    fn push(&mut self) {
        if self.finished as usize == BLOCKS {
            self.blocks.copy_within(1.., 0);
            self.finished -= 1;
        }
        self.blocks[self.finished as usize] = self.mean as f32;
        self.finished += 1;
        self.end_ms = self.end_ms.saturating_add(self.block_ms);
    }

    /// How far beyond the limit `course` leads within `horizon`, in standard deviations.
    fn standard(&self, course: &Course, horizon: f64) -> f64 {
        let (wandering, drift) = (self.wandering(course), course.speed * horizon);
        let doubt = SLOPE_DOUBT * drift;
        let variance = wandering * wandering * course.spread(horizon) + doubt * doubt;
        let beyond = drift - course.distance;
        if beyond == 0.0 { 0.0 } else { beyond / variance.sqrt() }
    }

    /// Standard deviation of a step around the drift.
    fn wandering(&self, course: &Course) -> f64 {
        let (promises, broken) = (f64::from(self.promises), f64::from(self.broken));
        let squares = PRIOR_STEPS * course.scatter * course.scatter + promises * broken * broken;
        (squares / (PRIOR_STEPS + promises)).sqrt()
    }

    /// Learns how well `course` has foretold the block `horizon` later.
    fn learn(&mut self, course: &Course, horizon: f64, came: f64) {
        let rest = came - (course.last - course.speed * horizon);
        let most = BROKEN_MAX * f64::from(self.wandering);
        let broken = (rest.abs() / course.spread(horizon).sqrt()).min(most);
        // A fall that nobody foresaw is what is looked for; one that was foreseen in vain is not.
        let counts = rest >= 0.0 && self.surprise < EXCURSION_SURPRISE;
        let weight = if counts { 1.0 } else { EXCURSION_WEIGHT };
        self.promises = (self.promises + weight as f32).min(MEMORY);
        let gain = weight / f64::from(self.promises).max(1.0);
        let before = f64::from(self.broken);
        self.broken = (before * before + gain * (broken * broken - before * before)).sqrt() as f32;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::limit::{Horizon, Limit};
    use super::*;
    use crate::local_time::LocalTime;
    use crate::tail::SURPRISE_MAX;
    use crate::testing::{Noise, run, surprise_at};

    const DAY: usize = 1440;

    fn exhaustion() -> Exhaustion {
        let deviation = MinDeviation::default();
        Exhaustion::new(ExhaustionParams::default(), deviation, Tail::new())
    }

    fn most(values: &[f64], from: usize) -> f64 {
        let verdicts = run(&exhaustion(), values);
        (from..values.len()).map(|index| surprise_at(&verdicts, index)).fold(0.0, f64::max)
    }

    /// A level with noise that falls by `speed` a minute after two days.
    fn filling(level: f64, speed: f64, minutes: usize) -> Vec<f64> {
        let mut noise = Noise::new(1);
        let value = |minute: usize| {
            let filled = speed * minute.saturating_sub(2 * DAY) as f64;
            (level - filled).max(0.0) + noise.normal()
        };
        (0..minutes).map(value).collect()
    }

    #[test]
    fn a_state_fits_its_budget() {
        assert!(size_of::<ExhaustionState>() <= 192, "{}", size_of::<ExhaustionState>());
    }

    #[test]
    fn a_disk_that_fills_is_reported_hours_ahead_but_not_days() {
        // Empty 600 minutes after the start of the fall.
        let verdicts = run(&exhaustion(), &filling(1e4, 10_000.0 / 600.0, 2 * DAY + 600));
        let left = |minutes: usize| surprise_at(&verdicts, 2 * DAY + 600 - minutes);
        assert!(left(450) < 0.5, "{}", left(450));
        assert!(left(120) > 5.0, "{}", left(120));
        assert!(left(60) > 7.0, "{}", left(60));
    }

    #[test]
    fn a_level_at_its_limit_is_no_surprise() {
        assert!(most(&filling(1e4, 1e4 / 600.0, 5 * DAY), 3 * DAY) < 1.5);
        assert!(most(&vec![0.0; 2_000], 0) < 1.0);
        assert!(most(&vec![-5.0; 2_000], 0) < 1.0);
    }

    #[test]
    fn a_log_that_is_rotated_is_found_out_within_days() {
        let mut noise = Noise::new(2);
        let value = |minute: usize| 120.0 + 1e3 - (minute % DAY) as f64 / 1.44 + noise.normal();
        let values: Vec<f64> = (0..8 * DAY).map(value).collect();
        assert!(most(&values, 3 * DAY) < 3.0, "{}", most(&values, 3 * DAY));
    }

    #[test]
    fn a_daily_wave_that_comes_close_is_no_exhaustion() {
        let mut noise = Noise::new(4);
        let wave = |minute: usize| libm::sin(std::f64::consts::TAU * minute as f64 / DAY as f64);
        let values: Vec<f64> =
            (0..9 * DAY).map(|minute| 110.0 + 100.0 * wave(minute) + noise.normal()).collect();
        assert!(most(&values, 4 * DAY) < 3.0, "{}", most(&values, 4 * DAY));
    }

    #[test]
    fn both_sides_are_mirror_images() {
        let rising = ExhaustionParams {
            limit: Limit::try_from(1e4).expect("it is finite"),
            approach: Approach::Rising,
            horizon_minutes: Horizon::default(),
        };
        let deviation = MinDeviation::new(0.0, 0.0).expect("both are 0");
        let rising = Exhaustion::new(rising, deviation, Tail::new());
        let falls = filling(1e4, 1e4 / 600.0, 2 * DAY + 500);
        let rises: Vec<f64> = falls.iter().map(|value| 1e4 - value).collect();
        let (ours, theirs) = (run(&exhaustion(), &falls), run(&rising, &rises));
        for index in 0..falls.len() {
            let apart = surprise_at(&ours, index) - surprise_at(&theirs, index);
            assert!(apart.abs() < 1e-3, "{index}: {apart}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_input_gives_a_finite_verdict(
            samples in prop::collection::vec(
                (prop_oneof![any::<f64>(), -1e120..1e120_f64, -1e-300..1e-300_f64, Just(1.0)], any::<i64>(), 0..400_u32),
                100..800,
            ),
            floor in prop_oneof![Just(0.0), 0.0..1e120_f64],
            interval_ms in prop_oneof![Just(600_000), any::<i64>()],
        ) {
            let (detector, mut state) = (exhaustion(), ExhaustionState::default());
            for (index, &(value, time, kind)) in samples.iter().enumerate() {
                let time = if kind == 0 { time } else { index as i64 * 600_000 };
                let timestamp = Timestamp::from_ms(time);
                let observation = Observation { timestamp, local: LocalTime::utc(timestamp), value, interval_ms, scale_floor: floor };
                if let Verdict::Scored { surprise, expected } = detector.observe(&mut state, &observation) {
                    prop_assert!((0.0..=SURPRISE_MAX).contains(&surprise));
                    prop_assert!(expected.center.is_finite());
                    prop_assert!(expected.scale_above > 0.0 && expected.scale_above.is_finite());
                }
                if let Some(prediction) = detector.prediction(&state) {
                    prop_assert!(prediction.earliest <= prediction.at);
                    prop_assert!(prediction.latest.is_none_or(|latest| latest >= prediction.at));
                }
            }
        }

        #[test]
        fn the_unit_does_not_matter(seed in any::<u64>(), unit in -20_i32..20) {
            let mut noise = Noise::new(seed);
            let values: Vec<f64> = (0..900).map(|i| 1e3 - f64::from(i) + 9.0 * noise.normal()).collect();
            let unit = libm::ldexp(1.0, unit);
            let scaled: Vec<f64> = values.iter().map(|value| value * unit).collect();
            let (ours, theirs) = (run(&exhaustion(), &values), run(&exhaustion(), &scaled));
            for index in 0..values.len() {
                let (ours, theirs) = (surprise_at(&ours, index), surprise_at(&theirs, index));
                prop_assert!((ours - theirs).abs() < 1e-3, "{} {} {}", index, ours, theirs);
            }
        }
    }
}
