//! Off-season values: departure from what this hour of the day and of the week usually brings.
//!
//! Method. Two profiles, over the 24 hours of the day and the 168 hours of the week, each piecewise linear
//! between the middles of the hours and learned by normalised least mean squares (Widrow & Hoff
//! 1960), so that a steep morning does not look like noise. What both miss alike, a drift or a new
//! level, is followed by an exponentially weighted mean of the remaining error over two hours.
//!
//! Which profile to believe takes weeks to know. For the first three weeks a value is expected if
//! it lies between the two forecasts: a weekend is then explained by the one, the hour of last week's
//! incident by the other. After that the profile with the smaller squared error speaks alone.
//! Until an hour of the week has been seen once, nobody knows how it differs from the same hour of the
//! other days; a third of the daily profile's deviation is then added to the scale, so that the first
//! weekend does not ring.
//!
//! Hours are those of the observation's local time: a change to or from daylight saving time moves nothing, the hour
//! that occurs twice is learned twice and the one that is skipped not at all. A holiday is a Sunday to the weekly profile.
//!
//! Adoption: a new level is normal after two days, but hours of the week that have not come round since then remember the old
//! one: a level that moved by tens of deviations may be odd once more within ten days.
//!
//! Its periods are day and week. Which of them a series has, if any, follows from the squared errors of both profiles and of their mean,
//! which knows no hours. Those that a series has of its own are found by [`crate::seasonal_residual`], in the deep tier.
//!
//! State: 584 bytes.
//! Blind spot: the first days are warm-up, gaps not counted; a departure that comes back at the same hour every day
//! becomes the profile after about a week; signals that follow another clock than the configured one; a holiday that
//! is unlike a Sunday.

mod profile;

use std::mem::offset_of;

use serde::{Deserialize, Serialize};

use self::profile::{DailyProfile, Open, WeeklyProfile, Weights};
use crate::lanes::Lesson;
use crate::local_time::LocalTime;
use crate::number::{larger, smaller};
use crate::params::WarmUpDays;
use crate::predictor::{Outlook, Predictor, Silence};
use crate::verdict::Observation;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const WEEK_MS: i64 = 7 * DAY_MS;

/// Memory of the error that both profiles share.
const DRIFT_MS: f64 = 2.0 * HOUR_MS as f64;
/// Memory of the squared error of the final forecast.
const ERROR_MS: f64 = DAY_MS as f64;
/// Memory of the squared errors of the profiles: weekends must not be forgotten by Friday.
const PROFILE_ERROR_MS: f64 = 2.0 * WEEK_MS as f64;
/// Errors count as at most this many scales where profiles are compared.
const COMPARED_ERROR_MAX: f64 = 10.0;
/// Weeks until one profile is believed alone.
const TRUST_WEEKS: i64 = 3;
/// How long an excursion lasts before it is the new normal.
const NEW_NORMAL_MS: i64 = DAY_MS;
/// Errors are learned as at most this many scales.
const HUBER: f64 = 3.0;
/// The same for an excursion that has become the new normal.
const HUBER_NEW_NORMAL: f64 = 20.0;
/// Share of an error that a visit to an hour takes into the daily profile, in the long run.
const DAILY_VISIT_GAIN_MIN: f64 = 0.15;
/// The same for the weekly profile.
const WEEKLY_VISIT_GAIN_MIN: f64 = 0.3;
/// Share of an error that the very first visit takes into the weekly profile: nearly all of it.
const FIRST_VISIT_GAIN: f64 = 3.0;
/// Samples before the first verdict, however long they took: two for each hour of a day.
const WARM_UP_SAMPLES: u32 = 48;
/// Samples up to which the pace is worked out anew each time.
const YOUNG_SAMPLES: u32 = 128;
/// Largest share of a single sample's error that is taken; keeps least mean squares stable.
const SAMPLE_GAIN_MAX: f64 = 0.7;
/// Share of the daily profile's deviation by which an unseen hour of the week may differ.
const UNSEEN_SHARE: f64 = 0.35;
/// Share of the squared error of a forecast without them that hours save where they are a season.
const SEASON_SHARE: f64 = 0.2;

/// Parameters of the seasonal detector.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Days of data before the first verdict.
    pub warm_up_days: WarmUpDays,
    /// Learn a profile over the hours of the week besides the one over the hours of the day.
    pub hour_of_week: bool,
}

impl Default for Params {
    fn default() -> Self {
        Self { warm_up_days: WarmUpDays::default(), hour_of_week: true }
    }
}

/// The detector.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seasonal(pub(crate) Params);

/// What it remembers of a series. Profiles hold offsets from the first value. In this order: first what each sample needs.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[repr(C)]
pub(crate) struct State {
    first_value: f64,
    last_ms: i64,
    /// Time covered by samples, gaps left out.
    age_ms: i64,
    /// Mean of the error that the profiles leave, in the unit of the signal.
    drift: f64,
    /// Mean squared errors of the final forecast, of the daily and of the weekly profile, and of the mean of the former.
    squared_error: f64,
    daily_squared_error: f64,
    weekly_squared_error: f64,
    level_squared_error: f64,
    samples: u32,
    pace: Pace,
    /// The hours between which it is, without which the profiles below are as they were when it began to be so.
    open: Open,
    daily: DailyProfile,
    weekly: WeeklyProfile,
}

/// How fast a series learns at present, and what it knows. Changes slowly, so it is worked out once an hour.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Pace {
    /// Shares of a sample's error that the profiles, the squared errors and the drift take.
    daily: f32,
    weekly: f32,
    error: f32,
    profile_error: f32,
    drift: f32,
    /// Samples after which an excursion is the new normal.
    memory_samples: u32,
    /// Deviation that is added while nobody knows how an hour of the week differs from that of other days, in the unit of the
    /// signal.
    unseen_deviation: f32,
    /// Mean of the daily profile.
    level: f32,
    /// A longer step in time is a gap.
    step_max_ms: u32,
    /// Whether it has seen enough to say anything.
    is_warm: bool,
    belief: Belief,
}

/// Which profile is believed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Belief {
    /// That of the day, in the first week.
    #[default]
    First,
    /// That of the day, as the one of the week does not know the hour, or is not wanted.
    Daily,
    /// Whatever lies between both.
    Between,
    /// The better one.
    Better,
}

impl Belief {
    fn of(params: Params, age_ms: i64) -> Self {
        // The weekly profile knows this hour once a whole week lies behind.
        let is_known = params.hour_of_week && age_ms >= WEEK_MS + HOUR_MS;
        match age_ms {
            ..WEEK_MS => Self::First,
            _ if !is_known => Self::Daily,
            _ if age_ms < TRUST_WEEKS * WEEK_MS => Self::Between,
            _ => Self::Better,
        }
    }
}

impl Pace {
    fn of(params: Params, state: &State, interval_ms: i64) -> Self {
        let State { samples, age_ms, .. } = *state;
        let interval = interval_ms as f64;
        let plain_mean = 1.0 / f64::from(samples.max(1));
        let memory = |memory_ms: f64| (interval / memory_ms).max(plain_mean).min(0.5) as f32;
        // A visit to an hour is spread over the samples of that hour.
        let visit =
            |gain: f64| (gain * interval / (1.5 * HOUR_MS as f64)).min(SAMPLE_GAIN_MAX) as f32;
        let (days, weeks) = (age_ms as f64 / DAY_MS as f64, (age_ms / WEEK_MS) as f64);
        let weekly_gain = if weeks < 1.0 {
            FIRST_VISIT_GAIN
        } else {
            (1.5 / (weeks + 1.0)).max(WEEKLY_VISIT_GAIN_MIN)
        };
        let belief = Belief::of(params, age_ms);
        let is_unseen = params.hour_of_week && matches!(belief, Belief::First | Belief::Daily);
        let unseen = if is_unseen { UNSEEN_SHARE * state.daily.deviation() } else { 0.0 };
        Self {
            daily: visit((2.0 / (days + 1.0)).max(DAILY_VISIT_GAIN_MIN)),
            weekly: if params.hour_of_week { visit(weekly_gain) } else { 0.0 },
            error: memory(ERROR_MS),
            profile_error: memory(PROFILE_ERROR_MS),
            drift: memory(DRIFT_MS),
            memory_samples: (NEW_NORMAL_MS / interval_ms.max(1)).clamp(12, 100_000) as u32,
            unseen_deviation: unseen as f32,
            level: state.daily.mean() as f32,
            step_max_ms: interval_ms.saturating_mul(2).clamp(HOUR_MS, i64::from(u32::MAX)) as u32,
            is_warm: samples >= WARM_UP_SAMPLES
                && age_ms >= i64::from(params.warm_up_days.days()) * DAY_MS,
            belief,
        }
    }
}

fn squared(value: f64) -> f64 {
    value * value
}

impl State {
    /// The seasons of the series in milliseconds, ascending: the day if its hours explain some of the series, the week if its
    /// hours explain more than that. None before the profiles can judge; a week is known of after one.
    pub(crate) fn seasons_ms(&self) -> impl Iterator<Item = i64> + use<> {
        let Self { daily_squared_error, weekly_squared_error, level_squared_error, .. } = *self;
        let saves = |of: f64, than: f64| of < (1.0 - SEASON_SHARE) * than;
        let day = self.pace.is_warm && saves(daily_squared_error, level_squared_error);
        let without_week = if day { daily_squared_error } else { level_squared_error };
        let week = self.pace.is_warm
            && self.pace.belief != Belief::First
            && saves(weekly_squared_error, without_week);
        [(day, DAY_MS), (week, WEEK_MS)].into_iter().filter(|(is_one, _)| *is_one).map(|(_, ms)| ms)
    }

    /// Takes out the hours between which it is at `local`, and works out the pace.
    #[cold]
    #[inline(never)]
    fn turn_to(&mut self, local: LocalTime, interval_ms: i64, params: Params) -> Weights {
        if self.samples > 0 {
            self.open.close(&mut self.daily, &mut self.weekly);
        }
        self.open = Open::at(local, &self.daily, &self.weekly);
        self.pace = Pace::of(params, self, interval_ms);
        self.open.weights(local).unwrap_or_default()
    }
}

/// What a sample was compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draft {
    weights: Weights,
    /// What neither the profiles nor the drift explain, what either profile leaves of the value, and what their mean leaves of it.
    error: f64,
    daily_error: f64,
    weekly_error: f64,
    level_error: f64,
}

impl Predictor for Seasonal {
    type State = State;
    type Draft = Draft;
    const HOT_BYTES: usize = offset_of!(State, daily);

    #[expect(clippy::inline_always, reason = "a bank is the only caller, and goes on in registers")]
    #[inline(always)]
    fn look_ahead(
        &self,
        state: &mut State,
        observation: &Observation,
    ) -> (Result<Outlook, Silence>, Draft) {
        let Observation { timestamp, local, value, interval_ms, .. } = *observation;
        let now_ms = timestamp.as_ms();
        let weights = match state.open.weights(local) {
            Some(weights) if state.samples >= YOUNG_SAMPLES => weights,
            _ => {
                if state.samples == 0 {
                    (state.first_value, state.last_ms) = (value, now_ms);
                }
                state.turn_to(local, interval_ms, self.0)
            }
        };
        let pace = &state.pace;
        let step_ms = now_ms.saturating_sub(state.last_ms);
        let covered_ms = step_ms.clamp(0, i64::from(pace.step_max_ms));
        state.age_ms = state.age_ms.saturating_add(covered_ms);
        state.last_ms = now_ms;
        state.samples = state.samples.saturating_add(1);

        let offset = value - state.first_value;
        let [daily, weekly] = state.open.forecasts(weights);
        let weekly_is_better = state.weekly_squared_error < state.daily_squared_error;
        let (low, high) = match pace.belief {
            Belief::Between => (smaller(daily, weekly), larger(daily, weekly)),
            Belief::Better if weekly_is_better => (weekly, weekly),
            _ => (daily, daily),
        };
        let level = offset - state.drift;
        let (above_low, above_high) = (level - low, level - high);
        let error = if above_low.abs() < above_high.abs() { above_low } else { above_high };
        let (daily_error, weekly_error) = (offset - daily, offset - weekly);
        let level_error = offset - f64::from(pace.level);
        let draft = Draft { weights, error, daily_error, weekly_error, level_error };
        if !pace.is_warm {
            return (Err(Silence::WarmingUp), draft);
        }
        let center = value - (level - smaller(larger(level, low), high));
        let width = (state.squared_error + squared(f64::from(pace.unseen_deviation))).sqrt();
        let memory_samples = pace.memory_samples;
        (Ok(Outlook { center, below: width, above: width, memory_samples }), draft)
    }

    #[expect(clippy::inline_always, reason = "a bank is the only caller, and goes on in registers")]
    #[inline(always)]
    fn learn(&self, state: &mut State, _: &Observation, draft: Draft, lesson: &Lesson) {
        let Draft { weights, error, daily_error, weekly_error, level_error } = draft;
        let State { pace, drift, open, .. } = state;
        let huber = if lesson.is_new_normal { HUBER_NEW_NORMAL } else { HUBER };
        // Errors are learned as at most this.
        let bound = huber * lesson.width;
        let within = |error: f64, bound: f64| smaller(larger(error, -bound), bound);
        // A profile's own error may be far from zero while drift makes up for it: what is bounded is
        // the part of it that the drift does not explain.
        let bounded = |error: f64| (within(error - *drift, bound) + *drift) as f32;
        let weight = lesson.weight as f32;
        let daily_step = weight * pace.daily * bounded(daily_error);
        // The first visit has nothing to be protected, and the hour may well be unlike other days'.
        let weekly_step = if pace.belief == Belief::First {
            pace.weekly * weekly_error as f32
        } else {
            weight * pace.weekly * bounded(weekly_error)
        };
        open.learn(weights, [daily_step, weekly_step]);

        // Both profiles bear the same incidents, so the comparison needs no protection from them.
        let most = bound * (COMPARED_ERROR_MAX / HUBER);
        let slow = f64::from(pace.profile_error);
        // All four in one go: two are one instruction.
        let bounds = [bound, most, most, most];
        let gains = [f64::from(weight * pace.error), slow, slow, slow];
        let mut means = [
            state.squared_error,
            state.daily_squared_error,
            state.weekly_squared_error,
            state.level_squared_error,
        ];
        let errors = [error, daily_error, weekly_error, level_error];
        for (forecast, mean) in means.iter_mut().enumerate() {
            let error = within(errors[forecast], bounds[forecast]);
            *mean += gains[forecast] * (squared(error) - *mean);
        }
        [
            state.squared_error,
            state.daily_squared_error,
            state.weekly_squared_error,
            state.level_squared_error,
        ] = means;
        if pace.belief == Belief::First {
            state.weekly_squared_error = state.daily_squared_error;
        }
        *drift += f64::from(weight * pace.drift) * within(error, bound);
    }
}

#[cfg(test)]
mod daylight;

#[cfg(test)]
mod tests {
    use bellwether_series::Timestamp;

    use super::*;
    use crate::predictor::{Alone, AloneState};
    use crate::testing::{Noise, alone, run_every, surprise_at};
    use crate::verdict::{Detector, Verdict};

    const STEP_MS: i64 = 300_000;
    const DAY: usize = 288;

    fn seasonal() -> Alone<Seasonal> {
        alone(Seasonal(Params::default()))
    }

    /// A daily sine of 30 % with weekends a third lower.
    fn shop(index: usize, noise: &mut Noise) -> f64 {
        let days = index as f64 / DAY as f64;
        let weekend = if days % 7.0 >= 5.0 { 0.65 } else { 1.0 };
        100.0 * weekend * (1.0 + 0.3 * libm::sin(std::f64::consts::TAU * days))
            + 2.0 * noise.normal()
    }

    #[test]
    fn noon_at_midnight_is_a_surprise_and_the_season_itself_is_not() {
        let mut noise = Noise::new(7);
        let mut values: Vec<f64> = (0..21 * DAY).map(|index| shop(index, &mut noise)).collect();
        // 18:00 is the trough (70); on day 16 it is as busy as the morning peak (130).
        let fault = 16 * DAY + 3 * DAY / 4;
        for value in &mut values[fault..fault + 12] {
            *value += 60.0;
        }
        let verdicts = run_every(&seasonal(), STEP_MS, &values);
        assert!(surprise_at(&verdicts, fault) > 6.0, "{:?}", verdicts[fault]);
        assert!(surprise_at(&verdicts, fault + 11) > 4.0);
        let alarms: Vec<_> = (0..fault)
            .map(|i| (i / DAY, i % DAY, surprise_at(&verdicts, i)))
            .filter(|alarm| alarm.2 > 6.0)
            .collect();
        assert!(alarms.is_empty(), "{alarms:?}");
    }

    /// The seasons of `values` in hours.
    fn seasons_of(values: impl IntoIterator<Item = f64>) -> Vec<i64> {
        let (detector, mut state) = (seasonal(), AloneState::default());
        for (index, value) in values.into_iter().enumerate() {
            let timestamp = Timestamp::from_ms(index as i64 * STEP_MS);
            let local = LocalTime::utc(timestamp);
            let observation =
                Observation { timestamp, local, value, interval_ms: STEP_MS, scale_floor: 0.0 };
            detector.observe(&mut state, &observation);
        }
        state.predicted().seasons_ms().map(|ms| ms / HOUR_MS).collect()
    }

    #[test]
    fn the_seasons_that_there_are_are_told_and_no_others() {
        let shops = |days: usize| {
            let mut noise = Noise::new(9);
            (0..days * DAY).map(move |index| shop(index, &mut noise))
        };
        assert_eq!(seasons_of(shops(1)), []);
        assert_eq!(seasons_of(shops(6)), [24]);
        assert_eq!(seasons_of(shops(28)), [24, 168]);
        for seed in 0..20 {
            let mut noise = Noise::new(seed);
            let steady: Vec<f64> = (0..28 * DAY).map(|_| noise.normal()).collect();
            assert_eq!(seasons_of(steady.iter().copied()), [], "{seed}");
            let wanders = steady.iter().scan(0.0, |sum, step| {
                *sum += step;
                Some(*sum)
            });
            assert_eq!(seasons_of(wanders), [], "{seed}");
            let drifts =
                steady.iter().enumerate().map(|(index, value)| value + index as f64 * 1e-3);
            assert_eq!(seasons_of(drifts), [], "{seed}");
        }
    }

    #[test]
    fn the_second_weekend_is_expected() {
        let mut noise = Noise::new(8);
        let values: Vec<f64> = (0..21 * DAY).map(|index| shop(index, &mut noise)).collect();
        let verdicts = run_every(&seasonal(), STEP_MS, &values);
        let at = 19 * DAY + DAY / 4;
        let Verdict::Scored { expected, .. } = verdicts[at] else { panic!("{:?}", verdicts[at]) };
        assert!((expected.center - values[at]).abs() < 10.0, "{expected:?} {}", values[at]);
        assert!(expected.scale_above < 6.0, "{expected:?}");
    }

    #[test]
    fn extreme_values_and_times_are_ordinary_input() {
        let detector = seasonal();
        let mut state = AloneState::default();
        for (index, value) in
            [0.0, 1e120, -1e120, 1e-300, 5.0, 5.0].iter().cycle().take(6000).enumerate()
        {
            let timestamp = Timestamp::from_ms(index as i64 * 600_000);
            let verdict = detector.observe(
                &mut state,
                &Observation {
                    timestamp,
                    local: LocalTime::utc(timestamp),
                    value: *value,
                    interval_ms: 600_000,
                    scale_floor: 0.0,
                },
            );
            if let Verdict::Scored { surprise, .. } = verdict {
                assert!((0.0..=100.0).contains(&surprise));
            }
        }
    }

    #[test]
    fn a_band_is_finite_in_the_first_week_however_large_the_values_are() {
        let values: Vec<f64> =
            (0..100).map(|hour| if hour % 24 < 12 { 1e30 } else { -1e30 }).collect();
        let mut scored = 0;
        for verdict in run_every(&seasonal(), HOUR_MS, &values) {
            let Verdict::Scored { expected, .. } = verdict else { continue };
            assert!(expected.scale_below.is_finite() && expected.scale_above.is_finite());
            scored += 1;
        }
        assert!(scored > 30, "{scored}");
    }

    #[test]
    fn a_gap_is_no_data() {
        let detector = seasonal();
        let mut state = AloneState::default();
        for (index, days) in [-100_000_000_000, 0, 20_000, 20_001].into_iter().enumerate() {
            let timestamp = Timestamp::from_ms(days * DAY_MS);
            let value = index as f64;
            let observation = Observation {
                timestamp,
                local: LocalTime::utc(timestamp),
                value,
                interval_ms: 60_000,
                scale_floor: 0.0,
            };
            assert_eq!(detector.observe(&mut state, &observation), Verdict::WarmingUp);
        }
    }
}
