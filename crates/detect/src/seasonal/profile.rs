//! Profiles over the hours of a day or a week, linear between the middles of the hours.
//!
//! A profile is learned by normalised least mean squares on its hat functions: an error moves both
//! neighbouring hours, each by its share in the forecast.

use half::f16;
use serde::{Deserialize, Serialize};

use super::HOUR_MS;
use super::half::{narrow, wide};
use crate::saved::halves;

pub(super) const HOURS_A_DAY: usize = 24;
pub(super) const HOURS_A_WEEK: usize = 168;

/// A time's place between the middles of two neighbouring hours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Knots {
    /// Hours since the epoch of the earlier middle.
    pub(super) hour: i64,
    /// Weight of the later one: 0 to 1.
    later: f64,
}

impl Knots {
    /// The place of a local time, in milliseconds since the epoch.
    pub(super) fn at(local_ms: i64) -> Self {
        let shifted = local_ms.saturating_sub(HOUR_MS / 2);
        let later = shifted.rem_euclid(HOUR_MS) as f64 / HOUR_MS as f64;
        Self { hour: shifted.div_euclid(HOUR_MS), later }
    }

    /// Where that is in a profile of `hours` hours.
    #[inline]
    fn place(self, hours: usize) -> Place {
        let early = self.hour.rem_euclid(hours as i64) as usize;
        let late = if early + 1 == hours { 0 } else { early + 1 };
        let weight = 1.0 - self.later;
        let norm = weight * weight + self.later * self.later;
        Place { hours: [(early, weight), (late, self.later)], norm }
    }

    /// Where that is in the profile of a day.
    #[inline]
    pub(super) fn in_day(self) -> Place {
        self.place(HOURS_A_DAY)
    }

    /// Where that is in the profile of a week.
    #[inline]
    pub(super) fn in_week(self) -> Place {
        self.place(HOURS_A_WEEK)
    }
}

/// Two neighbouring hours of a profile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Each with its weight.
    hours: [(usize, f64); 2],
    /// What least mean squares divides by: the sum of the squared weights.
    norm: f64,
}

/// Offsets by the hour of the day.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct DailyProfile([f32; HOURS_A_DAY]);

impl DailyProfile {
    #[inline]
    pub(super) fn forecast(&self, place: Place) -> f64 {
        place.hours.iter().map(|&(at, w)| w * f64::from(self.0[at])).sum()
    }

    /// Moves the forecast at `place` by `step`.
    #[inline]
    pub(super) fn learn(&mut self, place: Place, step: f64) {
        let step = step / place.norm;
        for (at, w) in place.hours {
            self.0[at] += (step * w) as f32;
        }
    }

    /// Deviation of the hours around their mean, in the unit of the signal.
    pub(super) fn deviation(&self) -> f64 {
        let count = HOURS_A_DAY as f64;
        let mean = self.0.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
        let from_mean = |&v: &f32| f64::from(v) - mean;
        (self.0.iter().map(|v| from_mean(v) * from_mean(v)).sum::<f64>() / count).sqrt()
    }
}

/// Offsets by the hour of the week, in half precision: 11 bits are finer than the noise of what is
/// learned, and a week of them has to fit into few cache lines.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct WeeklyProfile {
    /// What 1.0 stands for, in the unit of the signal; 0 while nothing was learned.
    unit: f64,
    #[serde(with = "halves")]
    hours: [f16; HOURS_A_WEEK],
}

impl Default for WeeklyProfile {
    fn default() -> Self {
        Self { unit: 0.0, hours: [f16::ZERO; HOURS_A_WEEK] }
    }
}

impl WeeklyProfile {
    /// Room that is made in one go when a value no longer fits.
    const COARSENING: f64 = 1024.0;

    #[inline]
    pub(super) fn forecast(&self, place: Place) -> f64 {
        let weighted = |&(at, w): &(usize, f64)| w * wide(self.hours[at]);
        place.hours.iter().map(weighted).sum::<f64>() * self.unit
    }

    /// Moves the forecast at `place` by `step`.
    #[inline]
    pub(super) fn learn(&mut self, place: Place, step: f64) {
        if step == 0.0 {
            return;
        }
        if self.unit <= 0.0 {
            self.unit = step.abs();
        }
        let step = step / (place.norm * self.unit);
        for (at, w) in place.hours {
            let value = wide(self.hours[at]) + step * w;
            if value.abs() > f64::from(f16::MAX) / 2.0 {
                self.coarsen();
                return;
            }
            self.hours[at] = narrow(value);
        }
    }

    /// Makes room for values a thousand times as large.
    fn coarsen(&mut self) {
        self.unit *= Self::COARSENING;
        for value in &mut self.hours {
            *value = narrow(wide(*value) / Self::COARSENING);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knots_are_the_middles_of_hours() {
        let half_past = Knots::at(HOUR_MS / 2).in_day();
        assert_eq!(half_past.hours, [(0, 1.0), (1, 0.0)]);
        let on_the_hour = Knots::at(0).in_day();
        assert_eq!(on_the_hour.hours, [(23, 0.5), (0, 0.5)]);
        let before_the_epoch = Knots::at(-HOUR_MS / 2).in_week();
        assert_eq!(before_the_epoch.hours, [(167, 1.0), (0, 0.0)]);
    }

    #[test]
    fn a_step_moves_the_forecast_by_as_much() {
        let knots = Knots::at(5 * HOUR_MS + 1_234_567);
        let (in_day, in_week) = (knots.in_day(), knots.in_week());
        let (mut daily, mut weekly) = (DailyProfile::default(), WeeklyProfile::default());
        for step in [10.0, -4.0] {
            let (day, week) = (daily.forecast(in_day), weekly.forecast(in_week));
            daily.learn(in_day, step);
            weekly.learn(in_week, step);
            assert!((daily.forecast(in_day) - day - step).abs() < 1e-4);
            assert!((weekly.forecast(in_week) - week - step).abs() < 1e-2);
        }
    }

    #[test]
    fn the_weekly_profile_makes_room_for_a_change_of_magnitude() {
        let place = Knots::at(0).in_week();
        let mut weekly = WeeklyProfile::default();
        weekly.learn(place, 1e-3);
        for _ in 0..20 {
            let error = 1e6 - weekly.forecast(place);
            weekly.learn(place, error);
        }
        assert!((weekly.forecast(place) - 1e6).abs() < 1e3);
    }
}
