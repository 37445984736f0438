//! Series with a rhythm that no calendar has.

use proptest::prelude::*;

use super::*;
use crate::testing::{Noise, observation};

const MINUTE_MS: i64 = 60_000;
const DAY: usize = 1440;

/// Minutes of a server on which a job of two minutes comes whenever `is_job` says so.
fn server(minutes: usize, is_job: impl Fn(usize) -> bool) -> Vec<f64> {
    let mut noise = Noise::new(7);
    let value = |minute: usize| {
        let day = libm::sin(std::f64::consts::TAU * minute as f64 / DAY as f64);
        let job = if is_job(minute) { 60.0 } else { 0.0 };
        100.0 + 20.0 * day + job + noise.normal()
    };
    (0..minutes).map(value).collect()
}

fn every(period: usize) -> impl Fn(usize) -> bool {
    move |minute| minute % period < 2
}

fn run_on(state: &mut State, from: usize, values: &[f64]) -> Vec<f64> {
    let score = |(index, &value): (usize, &f64)| {
        let at_ms = (from + index) as i64 * MINUTE_MS;
        let observation = observation(at_ms, value, MINUTE_MS);
        SeasonalResidual.score(state, &observation, 1.0).unwrap_or(0.0)
    };
    values.iter().enumerate().map(score).collect()
}

fn run(values: &[f64]) -> Vec<f64> {
    run_on(&mut SeasonalResidual.begin(0), 0, values)
}

/// The same without rhythms.
fn run_blind(values: &[f64]) -> Vec<f64> {
    let mut state = State { rhythm: Rhythm::blind(), ..State::default() };
    run_on(&mut state, 0, values)
}

fn largest(scores: &[f64]) -> f64 {
    scores.iter().copied().fold(0.0, f64::max)
}

/// How much odder than the others the minutes of a job and the five after it are, of `scores` from the minute `from` on.
fn odder(period: usize, from: usize, scores: &[f64]) -> f64 {
    let mean = |wanted: &dyn Fn(usize) -> bool| {
        let minutes = (from..scores.len()).filter(|minute| wanted(minute % period));
        let (count, sum) = minutes.fold((0.0, 0.0), |(n, sum), m| (n + 1.0, sum + scores[m]));
        sum / count
    };
    mean(&|phase| (1..6).contains(&phase)) / mean(&|phase| phase > 7)
}

#[test]
fn a_job_is_ordinary_once_its_period_is_known_and_not_before() {
    let values = server(5 * DAY, every(37));
    let (ours, blind) =
        (odder(37, 3 * DAY, &run(&values)), odder(37, 3 * DAY, &run_blind(&values)));
    assert!(ours < 1.5 && blind > 4.0, "{ours} {blind}");
}

#[test]
fn a_job_that_is_missing_or_comes_at_another_time_is_odd() {
    let job = 5 * DAY / 37 * 37;
    let calm = server(5 * DAY + 60, every(37));
    let usual = largest(&run(&calm)[3 * DAY..]);
    let missing = server(5 * DAY + 60, |minute| every(37)(minute) && minute / 37 * 37 != job);
    let misplaced = server(5 * DAY + 60, |minute| every(37)(minute) || minute / 2 * 2 == job + 18);
    for values in [missing, misplaced] {
        let odd = largest(&run(&values)[job..job + 30]);
        assert!(odd > 1.5 * usual, "{odd} {usual}");
    }
}

#[test]
fn day_and_rhythm_are_told() {
    let mut state = SeasonalResidual.begin(0);
    run_on(&mut state, 0, &server(6 * DAY, every(37)));
    assert_eq!(SeasonalResidual.periods_ms(&state), [37 * MINUTE_MS, DAY_MS]);
    let bytes = SeasonalResidual.state_bytes(&state);
    assert!(bytes <= crate::DetectorSpec::SeasonalResidual.deep_bytes(), "{bytes}");
}

#[test]
fn a_series_whose_rhythm_changes_is_profiled_anew() {
    let changes = 5 * DAY;
    let mut state = SeasonalResidual.begin(0);
    let values = server(9 * DAY, |minute| every(if minute < changes { 37 } else { 50 })(minute));
    run_on(&mut state, 0, &values[..changes]);
    assert_eq!(state.rhythm.period(), Some(37));
    run_on(&mut state, changes, &values[changes..changes + 3000]);
    assert_eq!(state.rhythm.period(), Some(50));
    let scores = run(&values);
    let ours = odder(50, changes + 3000, &scores);
    assert!(ours < 1.3, "{ours}");
}

#[test]
fn without_a_rhythm_no_score_changes() {
    let mut noise = Noise::new(3);
    let wanders: Vec<f64> = (0..6 * DAY)
        .scan(0.0, |level, _| {
            *level = 0.95 * *level + noise.normal();
            Some(*level)
        })
        .collect();
    let step = |values: Vec<f64>| {
        let level = |(minute, value)| if minute > 5000 { value + 50.0 } else { value };
        values.into_iter().enumerate().map(level).collect()
    };
    for values in [server(6 * DAY, |_| false), wanders, step(server(6 * DAY, |_| false))] {
        assert_eq!(run(&values), run_blind(&values));
    }
}

#[test]
fn a_weak_rhythm_is_told_and_not_followed() {
    let mut noise = Noise::new(4);
    let weak =
        |minute: usize| libm::sin(std::f64::consts::TAU * minute as f64 / 50.0) + noise.normal();
    let values: Vec<f64> = (0..5 * DAY).map(weak).collect();
    let mut state = SeasonalResidual.begin(0);
    let scores = run_on(&mut state, 0, &values);
    assert_eq!(state.rhythm.periods_ms()[0], Some(50 * MINUTE_MS));
    assert_eq!(scores, run_blind(&values));
}

#[test]
fn an_incident_of_hours_does_not_become_the_rhythm() {
    let mut values = server(6 * DAY, every(37));
    let incident = 5 * DAY..5 * DAY + 700;
    values[incident.clone()].iter_mut().for_each(|value| *value += 300.0);
    let least = |scores: Vec<f64>| {
        scores[incident.clone()].iter().skip(10).copied().fold(f64::MAX, f64::min)
    };
    let (ours, blind) = (least(run(&values)), least(run_blind(&values)));
    assert!(ours > 0.9 * blind, "{ours} {blind}");
}

#[test]
fn a_copy_of_the_state_goes_on_as_the_original_would() {
    let values = server(4 * DAY, every(37));
    let straight = run(&values);
    for cut in [DAY, 2 * DAY, 3 * DAY + 7] {
        let mut state = SeasonalResidual.begin(0);
        let mut scores = run_on(&mut state, 0, &values[..cut]);
        scores.extend(run_on(&mut state.clone(), cut, &values[cut..]));
        assert_eq!(scores, straight);
    }
}

#[test]
fn a_clock_that_goes_back_behind_the_first_sample_leaves_no_period_without_a_length() {
    let mut state = SeasonalResidual.begin(9);
    run_on(&mut state, 0, &server(2 * DAY + 800, every(37)));
    assert!(!SeasonalResidual.periods_ms(&state).is_empty());
    let first_ms = (2 * DAY + 800) as i64 * MINUTE_MS;
    for back in 1..=4 {
        let observation = observation(first_ms - back * 44_900_010, 0.0, 60_518);
        SeasonalResidual.score(&mut state, &observation, 1.0);
        let periods = SeasonalResidual.periods_ms(&state);
        assert!(periods.iter().all(|&period| period > 0), "{periods:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn whatever_comes_into_a_rhythm_no_score_is_a_panic_or_not_a_number(
        bursts in proptest::collection::vec(
            (0..200_usize, prop_oneof![-1e30..1e30_f64, proptest::num::f64::ANY], -90_000_000..90_000_000_i64, 1..200_000_i64),
            1..30,
        ),
    ) {
        let mut state = SeasonalResidual.begin(9);
        run_on(&mut state, 0, &server(2 * DAY + 800, every(37)));
        let mut at_ms = (2 * DAY + 800) as i64 * MINUTE_MS;
        for (length, value, step_ms, interval_ms) in bursts {
            for turn in 0..length {
                at_ms = at_ms.wrapping_add(step_ms);
                let value = if turn % 7 == 0 { value } else { turn as f64 };
                let observation = observation(at_ms, value, interval_ms);
                let score = SeasonalResidual.score(&mut state, &observation, 1.0).unwrap_or(0.0);
                prop_assert!((0.0..=14.0).contains(&score), "{}", score);
            }
        }
        let periods = SeasonalResidual.periods_ms(&state);
        prop_assert!(periods.iter().all(|&period| period > 0), "{:?}", periods);
    }

    #[test]
    fn the_unit_does_not_matter_to_a_rhythm(scale in -30..30_i32) {
        let values = server(3 * DAY, every(37));
        let scaled: Vec<f64> = values.iter().map(|&value| libm::ldexp(value, scale)).collect();
        prop_assert_eq!(run(&values), run(&scaled));
    }
}
