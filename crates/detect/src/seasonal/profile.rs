//! Profiles over the hours of a day or a week, linear between the middles of the hours.
//!
//! A profile is learned by normalised least mean squares on its hat functions: an error moves both
//! neighbouring hours, each by its share in the forecast. The two hours between which it is at present are taken out
//! and lie [`Open`], in single precision, until the next hour comes.

#![expect(
    clippy::inline_always,
    reason = "one way through all of it, in registers; what is called saves and loads them"
)]

use half::f16;
use serde::{Deserialize, Serialize};

use super::HOUR_MS;
use crate::local_time::LocalTime;
use crate::saved::halves;

pub(super) const HOURS_A_DAY: usize = 24;
pub(super) const HOURS_A_WEEK: usize = 168;

/// The numbers of two neighbouring hours.
type Hours = [usize; 2];

/// Offsets by the hour of the day.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct DailyProfile([f32; HOURS_A_DAY]);

impl DailyProfile {
    fn at(&self, hours: Hours) -> [f32; 2] {
        hours.map(|hour| self.0[hour])
    }

    fn put(&mut self, hours: Hours, offsets: [f32; 2]) {
        for (hour, offset) in hours.into_iter().zip(offsets) {
            self.0[hour] = offset;
        }
    }

    /// Mean of the hours, in the unit of the signal.
    pub(super) fn mean(&self) -> f64 {
        self.0.iter().map(|&v| f64::from(v)).sum::<f64>() / HOURS_A_DAY as f64
    }

    /// Deviation of the hours around their mean, in the unit of the signal.
    pub(super) fn deviation(&self) -> f64 {
        let (count, mean) = (HOURS_A_DAY as f64, self.mean());
        let from_mean = |&v: &f32| f64::from(v) - mean;
        (self.0.iter().map(|v| from_mean(v) * from_mean(v)).sum::<f64>() / count).sqrt()
    }
}

/// Offsets by the hour of the week, in half precision: 11 bits are finer than the noise of what is
/// learned, and a week of them has to fit into few cache lines.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct WeeklyProfile {
    /// What 1.0 stands for, in the unit of the signal; 0 while nothing was learned.
    unit: f32,
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
    const COARSENING: f32 = 1024.0;
    /// The largest value in units that still has some room above it.
    const UNITS_MAX: f32 = 32_000.0;

    fn at(&self, hours: Hours) -> [f32; 2] {
        hours.map(|hour| self.hours[hour].to_f32() * self.unit)
    }

    fn put(&mut self, hours: Hours, offsets: [f32; 2]) {
        let largest = offsets[0].abs().max(offsets[1].abs());
        if !largest.is_finite() || (largest == 0.0 && self.unit == 0.0) {
            return;
        }
        if self.unit <= 0.0 {
            self.unit = largest;
        }
        while largest > Self::UNITS_MAX * self.unit {
            self.coarsen();
        }
        for (hour, offset) in hours.into_iter().zip(offsets) {
            self.hours[hour] = f16::from_f32(offset / self.unit);
        }
    }

    /// Makes room for values a thousand times as large.
    fn coarsen(&mut self) {
        self.unit *= Self::COARSENING;
        for value in &mut self.hours {
            *value = f16::from_f32(value.to_f32() / Self::COARSENING);
        }
    }
}

/// The hours between whose middles it is at present, taken out of both profiles.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Open {
    /// Local time of the earlier middle, in milliseconds since the epoch.
    from_ms: i64,
    /// Whether it is a day on which the hours of a Sunday count, and which hour of the week is the earlier one then.
    is_holiday: bool,
    hour_of_week: u8,
    /// Offsets of the earlier and the later hour.
    daily: [f32; 2],
    weekly: [f32; 2],
}

/// How much either of two hours counts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weights {
    early: f32,
    late: f32,
}

impl Open {
    /// Takes the hours out of the profiles between which it is at `local`.
    pub(super) fn at(local: LocalTime, daily: &DailyProfile, weekly: &WeeklyProfile) -> Self {
        let middle = |ms: i64| ms.saturating_sub(HOUR_MS / 2).div_euclid(HOUR_MS);
        let hour_of_week = middle(local.in_week_ms()).rem_euclid(HOURS_A_WEEK as i64);
        let mut open = Self {
            from_ms: middle(local.ms).saturating_mul(HOUR_MS).saturating_add(HOUR_MS / 2),
            is_holiday: local.is_holiday,
            hour_of_week: hour_of_week as u8,
            ..Self::default()
        };
        (open.daily, open.weekly) = (daily.at(open.in_day()), weekly.at(open.in_week()));
        open
    }

    /// Puts them back.
    pub(super) fn close(&self, daily: &mut DailyProfile, weekly: &mut WeeklyProfile) {
        daily.put(self.in_day(), self.daily);
        weekly.put(self.in_week(), self.weekly);
    }

    /// How much either counts at `local`; `None` if others lie next to it.
    #[inline(always)]
    pub(super) fn weights(&self, local: LocalTime) -> Option<Weights> {
        let since_ms = local.ms.wrapping_sub(self.from_ms);
        // Before it is as if it were long after.
        if since_ms as u64 >= HOUR_MS as u64 || local.is_holiday != self.is_holiday {
            return None;
        }
        let late = since_ms as i32 as f32 * (1.0 / HOUR_MS as f32);
        Some(Weights { early: 1.0 - late, late })
    }

    /// What the profiles of the day and of the week say.
    #[inline(always)]
    pub(super) fn forecasts(&self, weights: Weights) -> [f64; 2] {
        [self.daily, self.weekly].map(|offsets| f64::from(weights.of(offsets)))
    }

    /// Moves both forecasts by so much.
    #[inline(always)]
    pub(super) fn learn(&mut self, weights: Weights, [daily, weekly]: [f32; 2]) {
        let Weights { early, late } = weights;
        let per_norm = 1.0 / (early * early + late * late);
        for (offsets, step) in [(&mut self.daily, daily), (&mut self.weekly, weekly)] {
            let step = step * per_norm;
            offsets[0] += step * early;
            offsets[1] += step * late;
        }
    }

    fn in_day(&self) -> Hours {
        let early = self.from_ms.div_euclid(HOUR_MS).rem_euclid(HOURS_A_DAY as i64) as usize;
        [early, (early + 1) % HOURS_A_DAY]
    }

    fn in_week(&self) -> Hours {
        let early = usize::from(self.hour_of_week) % HOURS_A_WEEK;
        [early, (early + 1) % HOURS_A_WEEK]
    }
}

impl Weights {
    #[inline(always)]
    fn of(self, [early, late]: [f32; 2]) -> f32 {
        self.early * early + self.late * late
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn local(ms: i64) -> LocalTime {
        LocalTime { ms, is_holiday: false }
    }

    fn open(ms: i64) -> Open {
        Open::at(local(ms), &DailyProfile::default(), &WeeklyProfile::default())
    }

    #[test]
    fn hours_are_told_by_their_middles() {
        for (ms, day, week, late) in [
            (HOUR_MS / 2, [0, 1], [0, 1], 0.0),
            (0, [23, 0], [167, 0], 0.5),
            (-HOUR_MS / 2, [23, 0], [167, 0], 0.0),
        ] {
            let open = open(ms);
            assert_eq!((open.in_day(), open.in_week()), (day, week));
            let weights = open.weights(local(ms)).expect("it is between them");
            assert!((weights.late - late).abs() < 1e-6, "{weights:?}");
        }
    }

    #[test]
    fn others_lie_next_to_what_is_an_hour_away_or_another_kind_of_day() {
        let open = open(5 * HOUR_MS);
        let after = open.from_ms + HOUR_MS;
        assert!(open.weights(local(after - 1)).is_some() && open.weights(local(after)).is_none());
        assert!(open.weights(local(open.from_ms - 1)).is_none());
        assert!(open.weights(LocalTime { ms: after - 1, is_holiday: true }).is_none());
    }

    #[test]
    fn a_step_moves_the_forecast_by_as_much_and_what_is_put_back_is_there_again() {
        let at = local(5 * HOUR_MS + 1_234_567);
        let (mut daily, mut weekly) = (DailyProfile::default(), WeeklyProfile::default());
        let mut open = Open::at(at, &daily, &weekly);
        let weights = open.weights(at).expect("it is between them");
        for step in [10.0, -4.0] {
            let [day, week] = open.forecasts(weights);
            open.learn(weights, [step, 0.5 * step]);
            let [day_after, week_after] = open.forecasts(weights);
            assert!((day_after - day - f64::from(step)).abs() < 1e-5);
            assert!((week_after - week - 0.5 * f64::from(step)).abs() < 1e-5);
        }
        open.close(&mut daily, &mut weekly);
        let again = Open::at(at, &daily, &weekly).forecasts(weights);
        assert!((again[0] - 6.0).abs() < 1e-5 && (again[1] - 3.0).abs() < 3e-3, "{again:?}");
    }

    #[test]
    fn the_weekly_profile_makes_room_for_a_change_of_magnitude() {
        let mut weekly = WeeklyProfile::default();
        weekly.put([3, 4], [1e-3, 0.0]);
        weekly.put([4, 5], [1e6, -1e9]);
        let [before, large] = weekly.at([3, 5]);
        assert!(before.abs() < 1e-2 && (large + 1e9).abs() < 1e6, "{before} {large}");
        weekly.put([5, 6], [f32::INFINITY, f32::NAN]);
        assert!((weekly.at([5, 6])[0] + 1e9).abs() < 1e6);
    }

    proptest! {
        #[test]
        fn any_time_is_between_two_hours_that_are_neighbours(ms in any::<i64>(), is_holiday in any::<bool>()) {
            let at = LocalTime { ms, is_holiday };
            let open = Open::at(at, &DailyProfile::default(), &WeeklyProfile::default());
            let (day, week) = (open.in_day(), open.in_week());
            prop_assert!(day[1] == (day[0] + 1) % HOURS_A_DAY && week[1] == (week[0] + 1) % HOURS_A_WEEK);
            prop_assert_eq!(week[0] % HOURS_A_DAY, day[0]);
            if ms.checked_sub(HOUR_MS).is_some() {
                let weights = open.weights(at).expect("it is between them");
                prop_assert!((0.0..=1.0).contains(&weights.late));
            }
        }
    }
}
