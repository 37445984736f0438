//! Profiles over the hours of a day or a week, linear between the middles of the hours.
//!
//! A profile is learned by normalised least mean squares on its hat functions: an error moves both
//! neighbouring hours, each by its share in the forecast.

use ::half::f16;
use serde::{Deserialize, Serialize};

use super::HOUR_MS;
use super::half::{self, narrow, wide};
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

    /// As [`Knots::at`], without a division where it is the same `hour` as that of the time before.
    #[inline]
    pub(super) fn near(local_ms: i64, hour: i64) -> Self {
        let since = hour
            .checked_mul(HOUR_MS)
            .and_then(|begin_ms| local_ms.checked_sub(HOUR_MS / 2)?.checked_sub(begin_ms));
        match since {
            Some(since @ 0..HOUR_MS) => Self { hour, later: since as f64 / HOUR_MS as f64 },
            _ => Self::at(local_ms),
        }
    }

    /// Where that is in the profiles of a day and of a week, if in the latter it is `hour_of_week`, in hours since the epoch.
    #[inline]
    pub(super) fn places(self, hour_of_week: i64) -> [Place; 2] {
        let (early, late) = (1.0 - self.later, self.later);
        let weights = Weights { early, late, norm: early * early + late * late };
        let in_week = hour_of_week.rem_euclid(HOURS_A_WEEK as i64) as u32;
        let in_day = if hour_of_week == self.hour {
            in_week % HOURS_A_DAY as u32
        } else {
            self.hour.rem_euclid(HOURS_A_DAY as i64) as u32
        };
        let place = |early: u32, hours: usize| {
            let early = early as usize;
            Place { hours: [early, if early + 1 == hours { 0 } else { early + 1 }], weights }
        };
        [place(in_day, HOURS_A_DAY), place(in_week, HOURS_A_WEEK)]
    }
}

/// Two neighbouring hours of a profile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    hours: [usize; 2],
    weights: Weights,
}

/// How much either of two hours counts.
#[derive(Debug, Clone, Copy)]
struct Weights {
    early: f64,
    late: f64,
    /// What least mean squares divides by: the sum of their squares.
    norm: f64,
}

impl Weights {
    #[inline]
    fn of(self, [early, late]: [f64; 2]) -> f64 {
        self.early * early + self.late * late
    }
}

/// Offsets by the hour of the day.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct DailyProfile([f32; HOURS_A_DAY]);

impl DailyProfile {
    #[inline]
    pub(super) fn forecast(&self, place: Place) -> f64 {
        place.weights.of(place.hours.map(|at| f64::from(self.0[at])))
    }

    /// Moves the forecast at `place` by `step`.
    #[inline]
    pub(super) fn learn(&mut self, place: Place, step: f64) {
        let Place { hours: [early, late], weights } = place;
        let step = step / weights.norm;
        self.0[early] += (step * weights.early) as f32;
        self.0[late] += (step * weights.late) as f32;
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

    /// The forecast at `place`, and what it is made of, for [`WeeklyProfile::learn`].
    #[inline]
    pub(super) fn forecast(&self, place: Place) -> (f64, [f64; 2]) {
        let values = place.hours.map(|at| wide(self.hours[at]));
        (place.weights.of(values) * self.unit, values)
    }

    /// Moves the forecast at `place`, which is made of `values`, by `step`.
    #[inline]
    pub(super) fn learn(&mut self, place: Place, values: [f64; 2], step: f64) {
        if step == 0.0 {
            return;
        }
        if self.unit <= 0.0 {
            self.unit = step.abs();
        }
        let Place { hours, weights } = place;
        let step = step / (weights.norm * self.unit);
        let moved = [values[0] + step * weights.early, values[1] + step * weights.late];
        for (at, value) in hours.into_iter().zip(moved) {
            if value.abs() > half::MAX / 2.0 {
                self.coarsen();
                return;
            }
            self.hours[at] = narrow(value);
        }
    }

    /// Makes room for values a thousand times as large.
    #[cold]
    fn coarsen(&mut self) {
        self.unit *= Self::COARSENING;
        for value in &mut self.hours {
            *value = narrow(wide(*value) / Self::COARSENING);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The hours at a time in the profiles of a day and of a week, and the weight of the later one.
    fn at(local_ms: i64) -> ([usize; 2], [usize; 2], f64) {
        let knots = Knots::at(local_ms);
        let [day, week] = knots.places(knots.hour);
        (day.hours, week.hours, day.weights.late)
    }

    #[test]
    fn knots_are_the_middles_of_hours() {
        assert_eq!(at(HOUR_MS / 2), ([0, 1], [0, 1], 0.0));
        assert_eq!(at(0), ([23, 0], [167, 0], 0.5));
        assert_eq!(at(-HOUR_MS / 2), ([23, 0], [167, 0], 0.0));
    }

    proptest! {
        #[test]
        fn an_hour_that_is_known_shortens_the_way_and_changes_nothing(
            local_ms in prop_oneof![any::<i64>(), -1_000_000_000..1_000_000_000_i64],
            hour in prop_oneof![any::<i64>(), -300..300_i64],
            days in -9..9_i64,
        ) {
            let knots = Knots::at(local_ms);
            let near = [Knots::near(local_ms, hour), Knots::near(local_ms, knots.hour)];
            let text = format!("{knots:?}");
            for near in near {
                prop_assert_eq!(format!("{:?}", near), text.clone());
            }
            let hour_of_week = knots.hour + 24 * days;
            let [day, week] = knots.places(hour_of_week);
            prop_assert_eq!(day.hours[0] as i64, knots.hour.rem_euclid(24));
            prop_assert_eq!(week.hours[0] as i64, hour_of_week.rem_euclid(168));
            prop_assert_eq!((day.hours[0] + 1) % 24, day.hours[1]);
            prop_assert_eq!((week.hours[0] + 1) % 168, week.hours[1]);
        }
    }

    #[test]
    fn a_step_moves_the_forecast_by_as_much() {
        let knots = Knots::at(5 * HOUR_MS + 1_234_567);
        let [in_day, in_week] = knots.places(knots.hour);
        let (mut daily, mut weekly) = (DailyProfile::default(), WeeklyProfile::default());
        for step in [10.0, -4.0] {
            let (day, (week, values)) = (daily.forecast(in_day), weekly.forecast(in_week));
            daily.learn(in_day, step);
            weekly.learn(in_week, values, step);
            assert!((daily.forecast(in_day) - day - step).abs() < 1e-4);
            assert!((weekly.forecast(in_week).0 - week - step).abs() < 1e-2);
        }
    }

    #[test]
    fn the_weekly_profile_makes_room_for_a_change_of_magnitude() {
        let [_, place] = Knots::at(0).places(-1);
        let mut weekly = WeeklyProfile::default();
        weekly.learn(place, [0.0; 2], 1e-3);
        for _ in 0..20 {
            let (forecast, values) = weekly.forecast(place);
            weekly.learn(place, values, 1e6 - forecast);
        }
        assert!((weekly.forecast(place).0 - 1e6).abs() < 1e3);
    }
}
