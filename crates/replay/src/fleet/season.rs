//! How busy a shop is over the week.

use std::f64::consts::TAU;

use bellwether_series::Timestamp;

pub(super) const MINUTE_MS: i64 = 60_000;
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;
/// The first Monday of the Unix epoch, 1970-01-05.
const MONDAY_MS: i64 = 4 * DAY_MS;
/// Over how many hours a weekday turns into a weekend day and back, centred on midnight.
const TURN_HOURS: f64 = 6.0;

/// The shape of a week: two humps a day over a night level, lower and later on weekends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Season {
    /// Load at night as a share of the daily peak.
    pub(super) night: f64,
    /// Hour of the day of the first and of the second hump.
    pub(super) peak_hours: (f64, f64),
    /// Height of the second hump as a share of the first.
    pub(super) evening: f64,
    /// Load on weekends as a share of that on weekdays.
    pub(super) weekend: f64,
}

impl Season {
    /// The load at a time, 1 at about the peak of a weekday.
    pub(super) fn at(&self, at: Timestamp) -> f64 {
        let hours = hour_of_week(at);
        let weekend = weekendness(hours);
        let shape = self.hump(hours % 24.0 - 1.2 * weekend);
        (self.night + (1.0 - self.night) * shape) * (1.0 - (1.0 - self.weekend) * weekend)
    }

    fn hump(&self, hour: f64) -> f64 {
        let bump = |peak: f64, sharpness: f64| {
            libm::exp(sharpness * (libm::cos(TAU * (hour - peak) / 24.0) - 1.0))
        };
        let (first, second) = self.peak_hours;
        (bump(first, 2.2) + self.evening * bump(second, 5.0)) / (1.0 + 0.35 * self.evening)
    }
}

/// Hours since Monday 00:00 UTC, `0 <= hours < 168`.
pub(super) fn hour_of_week(at: Timestamp) -> f64 {
    (at.as_ms() - MONDAY_MS).rem_euclid(7 * DAY_MS) as f64 / HOUR_MS as f64
}

/// 0 on weekdays, 1 on weekends, and in between around the midnights that part them.
fn weekendness(hours: f64) -> f64 {
    let half = TURN_HOURS / 2.0;
    let turn = |since: f64| smooth((since + half) / TURN_HOURS);
    if hours < half {
        1.0 - turn(hours)
    } else if hours < 144.0 {
        turn(hours - 120.0)
    } else {
        1.0 - turn(hours - 168.0)
    }
}

/// Rises from 0 to 1 without a corner while `x` goes from 0 to 1.
fn smooth(x: f64) -> f64 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: Season =
        Season { night: 0.2, peak_hours: (12.0, 20.0), evening: 0.8, weekend: 0.6 };

    /// Wednesday 2026-01-07T00:00:00Z.
    const WEDNESDAY_MS: i64 = 1_767_744_000_000;

    fn load(day: i64, hour: f64) -> f64 {
        let at = WEDNESDAY_MS + day * DAY_MS + (hour * HOUR_MS as f64) as i64;
        SHOP.at(Timestamp::from_ms(at))
    }

    #[test]
    fn the_day_is_busier_than_the_night_and_the_weekday_than_the_weekend() {
        assert!(load(0, 12.5) > 3.0 * load(0, 3.0));
        assert!((load(3, 13.2) / load(0, 12.0) - 0.6).abs() < 0.03);
        assert!((load(7, 12.0) - load(0, 12.0)).abs() < 1e-12);
    }

    #[test]
    fn no_minute_of_the_week_steps() {
        for minute in 0..7 * 24 * 60 {
            let at = f64::from(minute) / 60.0;
            let step = load(0, at + 1.0 / 60.0) - load(0, at);
            assert!(step.abs() < 0.006, "{minute}: {step}");
        }
    }

    #[test]
    fn the_load_stays_between_the_night_and_about_one() {
        for minute in 0..7 * 24 * 60 {
            let load = load(0, f64::from(minute) / 60.0);
            assert!((0.1..1.1).contains(&load), "{minute}: {load}");
        }
    }
}
