//! Clocks that are changed, and holidays.

use bellwether_series::Timestamp;

use super::*;
use crate::local_time::LocalTime;
use crate::testing::{AUTUMN_MS, Noise, SPRING_MS, berlin, office};

const STEP_MS: i64 = 300_000;
const HOUR_MS: i64 = 3_600_000;
const WEEK_MS: i64 = 7 * DAY_MS;

/// Runs an office over `times`, by its own clock and calendar; the detector is told what `clock` says.
fn run(
    times: std::ops::Range<i64>,
    truth: impl Fn(i64) -> LocalTime,
    clock: impl Fn(i64) -> LocalTime,
) -> Vec<(i64, f64)> {
    let (mut state, mut noise) = (SeasonalResidual.begin(0), Noise::new(3));
    let score = |at_ms: i64| {
        let observation = Observation {
            timestamp: Timestamp::from_ms(at_ms),
            local: clock(at_ms),
            value: office(truth(at_ms), &mut noise),
            interval_ms: STEP_MS,
            scale_floor: 0.0,
        };
        (at_ms, SeasonalResidual.score(&mut state, &observation, 1.0).unwrap_or(0.0))
    };
    times.step_by(STEP_MS as usize).map(score).collect()
}

/// The largest score in the `days` after `from_ms`.
fn worst(scores: &[(i64, f64)], from_ms: i64, days: i64) -> f64 {
    let after = from_ms..from_ms + days * DAY_MS;
    let scores = scores.iter().filter(|(at, _)| after.contains(at));
    scores.map(|&(_, score)| score).fold(0.0, f64::max)
}

fn utc(at_ms: i64) -> LocalTime {
    LocalTime::utc(Timestamp::from_ms(at_ms))
}

#[test]
fn a_morning_that_moves_with_the_clocks_is_expected_in_local_time_and_not_in_utc() {
    for change in [SPRING_MS, AUTUMN_MS] {
        let times = change - 6 * WEEK_MS..change + WEEK_MS;
        let told = run(times.clone(), berlin, berlin);
        let (told, untold) = (worst(&told, change, 7), worst(&run(times, berlin, utc), change, 7));
        assert!(told < 0.4, "{change} {told}");
        assert!(untold > 1.5, "{change} {untold}");
    }
}

#[test]
fn an_hour_that_occurs_twice_fills_its_bins_anew() {
    let mut state = SeasonalResidual.begin(0);
    let mut at = |at_ms: i64, value: f64| {
        let (timestamp, local) = (Timestamp::from_ms(at_ms), berlin(at_ms));
        let observation =
            Observation { timestamp, local, value, interval_ms: STEP_MS, scale_floor: 0.0 };
        SeasonalResidual.score(&mut state, &observation, 1.0);
        (state.calendar.bin, state.calendar.expected[0])
    };
    // The day before at two o'clock, the first two o'clock, the second one.
    let before = at(AUTUMN_MS - HOUR_MS - DAY_MS, 5.0);
    let first = at(AUTUMN_MS - HOUR_MS, 6.0);
    assert_eq!((first.0 - before.0, first.1), (288, Some(5.0)));
    at(AUTUMN_MS - STEP_MS, 6.0);
    assert_eq!(at(AUTUMN_MS, 7.0), first);
    // A day later it is the second one that counts.
    at(AUTUMN_MS + STEP_MS, 7.0);
    let next = at(AUTUMN_MS + DAY_MS, 8.0);
    assert_eq!((next.0 - first.0, next.1), (288, Some(7.0)));
}

#[test]
fn a_holiday_is_compared_with_sundays_and_no_weekday_with_a_holiday() {
    // Thursday, 2026-05-14.
    let midnight = 1_778_709_600_000;
    let holiday = |at_ms: i64| {
        let is_holiday = (midnight..midnight + DAY_MS).contains(&at_ms);
        LocalTime { is_holiday, ..berlin(at_ms) }
    };
    let times = midnight - 5 * WEEK_MS..midnight + 2 * WEEK_MS;
    let told = run(times.clone(), holiday, holiday);
    assert!(worst(&told, midnight, 14) < 0.25, "{}", worst(&told, midnight, 14));
    let untold = worst(&run(times, holiday, berlin), midnight, 1);
    assert!(untold > 1.5, "{untold}");
}
