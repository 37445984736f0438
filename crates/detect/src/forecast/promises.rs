//! What [`Exhaustion`] promises, against what becomes of it: on random walks with a drift.

use bellwether_series::Timestamp;

use super::{Exhaustion, ExhaustionParams, ExhaustionState};
use crate::local_time::LocalTime;
use crate::params::MinDeviation;
use crate::tail::Tail;
use crate::testing::{Noise, surprise_at};
use crate::verdict::{Detector, Observation};

const DAY: usize = 1440;

#[test]
fn promises_are_kept_as_often_as_they_say() {
    let (params, deviation) = (ExhaustionParams::default(), MinDeviation::default());
    let detector = Exhaustion::new(params, deviation, Tail::new());
    let mut noise = Noise::new(3);
    // Alarms and those that did not come true; predictions and those whose bounds held.
    let (mut alarms, mut broken, mut predictions, mut held) = ([0; 2], [0; 2], 0, 0);
    for _ in 0..400 {
        let drift = -0.5 * noise.normal().abs();
        let start = 300.0 + 600.0 * noise.normal().abs();
        let step = |level: &mut f64, _| {
            *level += drift + noise.normal();
            Some(*level)
        };
        let values: Vec<f64> = (0..4 * DAY).scan(start, step).collect();
        let reached = values.iter().position(|&value| value <= 0.0).unwrap_or(usize::MAX);
        let mut state = ExhaustionState::default();
        for (minute, &value) in values.iter().enumerate().take(reached.min(3 * DAY)) {
            let timestamp = Timestamp::from_ms(minute as i64 * 60_000);
            let observation = Observation {
                timestamp,
                local: LocalTime::utc(timestamp),
                value,
                interval_ms: 60_000,
                scale_floor: 0.0,
            };
            let verdict = detector.observe(&mut state, &observation);
            if minute < 600 || minute % 120 != 0 {
                continue;
            }
            for (level, surprise) in [1.0, 2.0].into_iter().enumerate() {
                if surprise_at(&[verdict], 0) >= surprise {
                    alarms[level] += 1;
                    broken[level] += i32::from(reached > minute + 240);
                }
            }
            let Some(prediction) = detector.prediction(&state) else { continue };
            let reached_ms = reached.min(1 << 40) as i64 * 60_000;
            predictions += 1;
            let early = reached_ms >= prediction.earliest.as_ms();
            let late = prediction.latest.is_none_or(|latest| reached_ms <= latest.as_ms());
            held += i32::from(early && late);
        }
    }
    assert!(alarms[1] > 50);
    assert!(f64::from(broken[0]) <= 0.15 * f64::from(alarms[0]), "{broken:?} {alarms:?}");
    assert!(f64::from(broken[1]) <= 0.03 * f64::from(alarms[1]), "{broken:?} {alarms:?}");
    let share = f64::from(held) / f64::from(predictions);
    assert!((0.86..0.96).contains(&share), "{share}");
}
