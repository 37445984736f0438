//! Clocks that are changed, and holidays.

use bellwether_series::Timestamp;

use super::*;
use crate::predictor::AloneState;
use crate::testing::{AUTUMN_MS, Noise, SPRING_MS, alone, berlin, office};
use crate::verdict::{Detector, Verdict};

const STEP_MS: i64 = 300_000;

/// Runs an office over `times`, by its own clock and calendar, and returns time and surprise of each sample. The
/// detector is told what `clock` says.
fn run(
    times: std::ops::Range<i64>,
    truth: impl Fn(i64) -> LocalTime,
    clock: impl Fn(i64) -> LocalTime,
) -> Vec<(i64, f64)> {
    let detector = alone(Seasonal(Params::default()));
    let (mut state, mut noise) = (AloneState::default(), Noise::new(3));
    let observe = |at_ms: i64| {
        let observation = Observation {
            timestamp: Timestamp::from_ms(at_ms),
            local: clock(at_ms),
            value: office(truth(at_ms), &mut noise),
            interval_ms: STEP_MS,
            scale_floor: 0.0,
        };
        match detector.observe(&mut state, &observation) {
            Verdict::Scored { surprise, .. } => (at_ms, surprise),
            Verdict::WarmingUp | Verdict::NotApplicable => (at_ms, 0.0),
        }
    };
    times.step_by(STEP_MS as usize).map(observe).collect()
}

/// The largest surprise in the `days` after `from_ms`.
fn worst(scores: &[(i64, f64)], from_ms: i64, days: i64) -> f64 {
    let after = from_ms..from_ms + days * DAY_MS;
    let scores = scores.iter().filter(|(at, _)| after.contains(at));
    scores.map(|&(_, surprise)| surprise).fold(0.0, f64::max)
}

fn utc(at_ms: i64) -> LocalTime {
    LocalTime::utc(Timestamp::from_ms(at_ms))
}

#[test]
fn a_morning_that_moves_with_the_clocks_is_expected_in_local_time_and_not_in_utc() {
    for change in [SPRING_MS, AUTUMN_MS] {
        let times = change - 6 * WEEK_MS..change + 2 * WEEK_MS;
        let told = worst(&run(times.clone(), berlin, berlin), change, 14);
        assert!(told < 3.0, "{change} {told}");
        let untold = worst(&run(times, berlin, utc), change, 14);
        assert!(untold > 3.5, "{change} {untold}");
    }
}

#[test]
fn a_holiday_is_expected_to_be_a_sunday_and_leaves_its_weekday_as_it_was() {
    // Thursday, 2026-05-14.
    let midnight = 1_778_709_600_000;
    let holiday = |at_ms: i64| {
        let is_holiday = (midnight..midnight + DAY_MS).contains(&at_ms);
        LocalTime { is_holiday, ..berlin(at_ms) }
    };
    let times = midnight - 5 * WEEK_MS..midnight + 2 * WEEK_MS;
    let told = run(times.clone(), holiday, holiday);
    let (day, weeks) = (worst(&told, midnight, 1), worst(&told, midnight, 14));
    let ordinary = worst(&run(times.clone(), berlin, berlin), midnight, 14);
    assert!(day < 1.5 && weeks < ordinary + 0.2, "{day} {weeks} {ordinary}");
    let untold = run(times, holiday, berlin);
    assert!(worst(&untold, midnight, 1) > 2.5, "{}", worst(&untold, midnight, 1));
}
