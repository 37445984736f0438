//! A rhythm of people through a change of clocks, from samples to surprise.

use bellwether_detect::{DetectorSpec, seasonal};

use super::*;
use crate::record::RecordBody;
use crate::settings::{Rule, Settings};
use crate::testing::{Rig, calm, request, series};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const STEP_MS: i64 = 300_000;

/// The load of an office in Berlin: a ramp from seven to nine in the morning of workdays, gone by seven in the evening.
fn office(at_ms: i64) -> f64 {
    let local = Zone::named("Europe/Berlin").unwrap().stretch(at_ms).clocks(at_ms);
    let hour = f64::from(local.hour()) + f64::from(local.minute()) / 60.0;
    let at_work = (0.5 * (hour - 7.0)).clamp(0.0, 1.0) * (0.5 * (19.0 - hour)).clamp(0.0, 1.0);
    let is_weekend = local.weekday().to_monday_zero_offset() > 4;
    200.0 * at_work * if is_weekend { 0.1 } else { 1.0 } + calm(at_ms / STEP_MS)
}

/// The largest surprise of an office in the week after `change`, on which clocks change, when the engine has learned
/// for six weeks.
fn worst(zone: &str, change: &str) -> f64 {
    let seasonal = DetectorSpec::Seasonal(seasonal::Params::default());
    let settings = Settings {
        rules: vec![Rule { detectors: vec![seasonal], ..Rule::default() }],
        calendar: Calendar { zone: Zone::named(zone).unwrap(), ..Calendar::default() },
        ..Settings::default()
    };
    let (mut rig, labels) = (Rig::new(settings), series("load", "a"));
    let change_ms = instant(change).unwrap().as_ms();
    let mut worst = 0.0_f64;
    for day in -42..7 {
        let midnight_ms = change_ms + day * DAY_MS;
        let times = (0..DAY_MS / STEP_MS).map(|step| midnight_ms + step * STEP_MS);
        let samples: Vec<_> = times.map(|at_ms| (at_ms, office(at_ms))).collect();
        let body = request(&[(&labels, &samples)]);
        rig.record(midnight_ms + DAY_MS, RecordBody::request(&body));
        if day >= 0 {
            let scores = rig.outputs.scores.iter().flatten();
            worst = scores.map(|score| score.surprise).fold(worst, f64::max);
        }
    }
    worst
}

#[test]
fn a_morning_that_moves_with_the_clocks_surprises_in_utc_only() {
    for change in ["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"] {
        let (told, untold) = (worst("Europe/Berlin", change), worst("UTC", change));
        // Surprises are calibrated by ten thousand samples, a few dozen of which an odd morning has.
        assert!(told < 2.5 && untold > told + 0.8, "{change} {told} {untold}");
    }
}
