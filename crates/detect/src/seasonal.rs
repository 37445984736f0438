//! Off-season values: departure from what this hour of the day and of the week usually brings.
//!
//! Method. Two profiles, over the 24 hours of the day and the 168 hours of the week, each piecewise linear
//! between the middles of the hours and learned by normalised least mean squares (Widrow & Hoff
//! 1960), so that a steep morning does not look like noise. What both miss alike, a drift or a new
//! level, is followed by an exponentially weighted mean of the remaining error over [`DRIFT_MS`].
//!
//! Which profile to believe takes weeks to know. For the first [`TRUST_WEEKS`] weeks a value is expected if
//! it lies between the two forecasts: a weekend is then explained by the one, the hour of last week's
//! incident by the other. After that the profile with the smaller squared error speaks alone.
//! Until an hour of the week has been seen once, nobody knows how it differs from the same hour of the
//! other days; a third of the daily profile's deviation is then added to the scale, so that the first
//! weekend does not ring.
//!
//! State: 500 bytes. Cost: tens of nanoseconds.
//! Blind spot: hours are hours of UTC; the first day or so is warm-up; a departure that comes back at
//! the same hour every day becomes the profile after about a week.

use bellwether_series::Timestamp;
use half::f16;
use serde::{Deserialize, Serialize};

use crate::params::{MinDeviation, WarmUpDays};
use crate::residual::{Residual, Scale};
use crate::tail::Tail;
use crate::verdict::{Detector, Expected, Observation, Verdict};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const WEEK_MS: i64 = 7 * DAY_MS;
const HOURS_A_DAY: usize = 24;
const HOURS_A_WEEK: usize = 168;

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
/// Largest share of a single sample's error that is taken; keeps least mean squares stable.
const SAMPLE_GAIN_MAX: f64 = 0.7;
/// Share of the daily profile's deviation by which an unseen hour of the week may differ.
const UNSEEN_SHARE: f64 = 0.35;

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
#[derive(Debug, Clone)]
pub(crate) struct Seasonal {
    pub(crate) params: Params,
    pub(crate) min_deviation: MinDeviation,
    pub(crate) tail: Tail,
}

/// What it remembers of a series. Profiles hold offsets from the first value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State {
    first_value: f64,
    first_ms: i64,
    /// Mean of the error that the profiles leave, in the unit of the signal.
    drift: f64,
    /// Mean squared error of the final forecast, of the daily and of the weekly profile.
    squared_error: f64,
    daily_squared_error: f64,
    weekly_squared_error: f64,
    /// What a half-precision 1.0 of the weekly profile stands for.
    weekly_unit: f64,
    samples: u32,
    /// Deviation of the daily profile, in the unit of the signal, and the hour in which it was computed.
    daily_deviation: f32,
    deviation_hour: i64,
    residual: Residual,
    daily: [f32; HOURS_A_DAY],
    weekly: [f16; HOURS_A_WEEK],
}

impl Default for State {
    fn default() -> Self {
        Self {
            first_value: 0.0,
            first_ms: 0,
            drift: 0.0,
            squared_error: 0.0,
            daily_squared_error: 0.0,
            weekly_squared_error: 0.0,
            weekly_unit: 0.0,
            samples: 0,
            daily_deviation: 0.0,
            deviation_hour: i64::MIN,
            residual: Residual::default(),
            daily: [0.0; HOURS_A_DAY],
            weekly: [f16::ZERO; HOURS_A_WEEK],
        }
    }
}

/// A time's place between the middles of two neighbouring hours.
#[derive(Debug, Clone, Copy)]
struct Knots {
    /// Hours since the epoch of the earlier middle.
    hour: i64,
    /// Weight of the later one: 0 to 1.
    later: f64,
}

impl Knots {
    fn at(timestamp: Timestamp) -> Self {
        let shifted = timestamp.as_ms().saturating_sub(HOUR_MS / 2);
        let later = shifted.rem_euclid(HOUR_MS) as f64 / HOUR_MS as f64;
        Self { hour: shifted.div_euclid(HOUR_MS), later }
    }

    /// Both places in a profile of `hours` hours with their weights.
    fn places(self, hours: usize) -> [(usize, f64); 2] {
        let early = self.hour.rem_euclid(hours as i64) as usize;
        [(early, 1.0 - self.later), ((early + 1) % hours, self.later)]
    }
}

/// The share of an error that one sample takes: `visit_gain` spread over the samples of an hour's visit.
fn sample_gain(visit_gain: f64, interval_ms: i64) -> f64 {
    (visit_gain * interval_ms as f64 / (1.5 * HOUR_MS as f64)).min(SAMPLE_GAIN_MAX)
}

fn squared(value: f64) -> f64 {
    value * value
}

impl State {
    fn daily_forecast(&self, knots: Knots) -> f64 {
        knots.places(HOURS_A_DAY).iter().map(|&(at, w)| w * f64::from(self.daily[at])).sum()
    }

    fn weekly_forecast(&self, knots: Knots) -> f64 {
        let places = knots.places(HOURS_A_WEEK);
        let sum: f64 = places.iter().map(|&(at, w)| w * f64::from(self.weekly[at])).sum();
        sum * self.weekly_unit
    }

    fn learn_daily(&mut self, knots: Knots, step: f64) {
        let places = knots.places(HOURS_A_DAY);
        let norm: f64 = places.iter().map(|(_, w)| w * w).sum();
        for (at, w) in places {
            self.daily[at] += (step * w / norm) as f32;
        }
    }

    fn learn_weekly(&mut self, knots: Knots, step: f64) {
        if self.weekly_unit <= 0.0 {
            if step == 0.0 {
                return;
            }
            self.weekly_unit = step.abs();
        }
        let places = knots.places(HOURS_A_WEEK);
        let norm: f64 = places.iter().map(|(_, w)| w * w).sum();
        for (at, w) in places {
            let value = f64::from(self.weekly[at]) + step * w / (norm * self.weekly_unit);
            if value.abs() > f64::from(f16::MAX) / 2.0 {
                self.coarsen_weekly();
                return;
            }
            self.weekly[at] = f16::from_f64(value);
        }
    }

    /// Makes room in the weekly profile for values a thousand times as large.
    fn coarsen_weekly(&mut self) {
        const FACTOR: f64 = 1024.0;
        self.weekly_unit *= FACTOR;
        for value in &mut self.weekly {
            *value = f16::from_f64(f64::from(*value) / FACTOR);
        }
    }

    /// Computes the deviation of the daily profile around its mean, once an hour.
    fn update_daily_deviation(&mut self, hour: i64) {
        if self.deviation_hour == hour {
            return;
        }
        let count = HOURS_A_DAY as f64;
        let mean = self.daily.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
        let squares = self.daily.iter().map(|&v| squared(f64::from(v) - mean)).sum::<f64>();
        self.deviation_hour = hour;
        self.daily_deviation = (squares / count).sqrt() as f32;
    }
}

impl Detector for Seasonal {
    type State = State;

    fn observe(&self, state: &mut State, observation: &Observation) -> Verdict {
        let Observation { timestamp, value, interval_ms, .. } = *observation;
        if state.samples == 0 {
            (state.first_value, state.first_ms) = (value, timestamp.as_ms());
        }
        state.samples = state.samples.saturating_add(1);
        let age_ms = timestamp.as_ms().saturating_sub(state.first_ms).max(0);
        let knots = Knots::at(timestamp);
        let offset = value - state.first_value;

        let daily = state.daily_forecast(knots);
        let weekly = state.weekly_forecast(knots);
        // The weekly profile knows this hour once a whole week lies behind.
        let week_known = self.params.hour_of_week && age_ms >= WEEK_MS + HOUR_MS;
        let weekly_is_better = state.weekly_squared_error < state.daily_squared_error;
        let trusted = age_ms >= TRUST_WEEKS * WEEK_MS;
        let (low, high) = if week_known && !trusted {
            (daily.min(weekly), daily.max(weekly))
        } else if week_known && weekly_is_better {
            (weekly, weekly)
        } else {
            (daily, daily)
        };
        let level = offset - state.drift;
        let difference = level - level.max(low).min(high);
        let center = value - difference;
        let error =
            if (level - low).abs() < (level - high).abs() { level - low } else { level - high };

        let mut width = state.squared_error.sqrt();
        if self.params.hour_of_week && !week_known {
            state.update_daily_deviation(knots.hour);
            let unseen = UNSEEN_SHARE * f64::from(state.daily_deviation);
            width = (squared(width) + squared(unseen)).sqrt();
        }
        let scale = Scale::at_least(width, observation.scale_floor, self.min_deviation, center);
        let warm = age_ms >= i64::from(self.params.warm_up_days.days()) * DAY_MS;
        let memory = (NEW_NORMAL_MS / interval_ms.max(1)).clamp(12, 100_000) as u32;

        let (verdict, weight, bound) = if warm {
            let judged = state.residual.judge(&self.tail, difference, scale);
            let weight = state.residual.learn(&judged, memory);
            let wide = scale.width * judged.widening;
            let expected =
                Expected { center, scale_below: wide, scale_above: wide, tail: judged.shape };
            let new_normal = state.residual.is_new_normal(memory);
            let huber = if new_normal { HUBER_NEW_NORMAL } else { HUBER };
            let verdict = Verdict::Scored { surprise: judged.surprise, expected };
            (verdict, weight, huber * scale.width)
        } else {
            (Verdict::WarmingUp, 1.0, f64::INFINITY)
        };

        let learn = Learn { knots, interval_ms, age_ms, weight, bound };
        self.learn(state, &learn, offset, [daily, weekly], error);
        verdict
    }
}

/// How one sample is learned.
struct Learn {
    knots: Knots,
    interval_ms: i64,
    age_ms: i64,
    weight: f64,
    /// Errors are learned as at most this.
    bound: f64,
}

impl Seasonal {
    fn learn(
        &self,
        state: &mut State,
        learn: &Learn,
        offset: f64,
        [daily, weekly]: [f64; 2],
        error: f64,
    ) {
        let Learn { knots, interval_ms, age_ms, weight, bound } = *learn;
        let days = age_ms as f64 / DAY_MS as f64;
        let weeks = (age_ms / WEEK_MS) as f64;
        let clip = |error: f64| error.clamp(-bound, bound);
        // A profile's own error may be far from zero while drift makes up for it: what is bounded is
        // the part of it that the drift does not explain.
        let daily_error = clip(offset - daily - state.drift) + state.drift;
        let weekly_error = clip(offset - weekly - state.drift) + state.drift;

        let daily_gain = sample_gain((2.0 / (days + 1.0)).max(DAILY_VISIT_GAIN_MIN), interval_ms);
        state.learn_daily(knots, weight * daily_gain * daily_error);
        if self.params.hour_of_week {
            let visit_gain =
                if weeks < 1.0 { 3.0 } else { (1.5 / (weeks + 1.0)).max(WEEKLY_VISIT_GAIN_MIN) };
            // The first visit has nothing to be protected, and the hour may well be unlike other days'.
            let (weekly_error, weight) =
                if weeks < 1.0 { (offset - weekly, 1.0) } else { (weekly_error, weight) };
            state.learn_weekly(knots, weight * sample_gain(visit_gain, interval_ms) * weekly_error);
        }

        let plain_mean = 1.0 / f64::from(state.samples);
        let gain = |memory_ms: f64| (interval_ms as f64 / memory_ms).max(plain_mean).min(0.5);
        let error = clip(error);
        state.squared_error += weight * gain(ERROR_MS) * (error * error - state.squared_error);
        // Both profiles bear the same incidents, so the comparison needs no protection from them.
        let most = bound / HUBER * COMPARED_ERROR_MAX;
        let compared = |forecast: f64| squared((offset - forecast).clamp(-most, most));
        let slow = gain(PROFILE_ERROR_MS);
        state.daily_squared_error += slow * (compared(daily) - state.daily_squared_error);
        if weeks < 1.0 {
            state.weekly_squared_error = state.daily_squared_error;
        } else {
            state.weekly_squared_error += slow * (compared(weekly) - state.weekly_squared_error);
        }
        state.drift += weight * gain(DRIFT_MS) * error;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Noise, run_every, surprise_at};

    const STEP_MS: i64 = 300_000;
    const DAY: usize = 288;

    fn seasonal() -> Seasonal {
        Seasonal {
            params: Params::default(),
            min_deviation: MinDeviation::default(),
            tail: Tail::new(),
        }
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
    fn knots_are_the_middles_of_hours() {
        let half_past = Knots::at(Timestamp::from_ms(HOUR_MS / 2));
        assert_eq!(half_past.places(24), [(0, 1.0), (1, 0.0)]);
        let on_the_hour = Knots::at(Timestamp::from_ms(0));
        assert_eq!(on_the_hour.places(24), [(23, 0.5), (0, 0.5)]);
        let before_the_epoch = Knots::at(Timestamp::from_ms(-HOUR_MS / 2));
        assert_eq!(before_the_epoch.places(168), [(167, 1.0), (0, 0.0)]);
    }

    #[test]
    fn extreme_values_and_times_are_ordinary_input() {
        let detector = seasonal();
        let mut state = State::default();
        for (index, value) in
            [0.0, 1e120, -1e120, 1e-300, 5.0, 5.0].iter().cycle().take(6000).enumerate()
        {
            let timestamp = Timestamp::from_ms(index as i64 * 600_000);
            let verdict = detector.observe(
                &mut state,
                &Observation { timestamp, value: *value, interval_ms: 600_000, scale_floor: 0.0 },
            );
            if let Verdict::Scored { surprise, .. } = verdict {
                assert!((0.0..=100.0).contains(&surprise));
            }
        }
    }
}
