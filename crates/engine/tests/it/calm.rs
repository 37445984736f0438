//! What is no fault raises no event: noise that is sampled at uneven times, with holes, and counters that begin anew.

use std::sync::Arc;

use bellwether_engine::Settings;

use crate::run::run;
use crate::scene::{Kind, Noise, Plan, Scene, settings};

/// Gauges and counters, some of which are silent for a while.
fn scene(seed: u64) -> Scene {
    let plan = |number: usize| Plan {
        kind: if number.is_multiple_of(2) { Kind::Gauge } else { Kind::Counter },
        level: 100.0 + 40.0 * number as f64,
        cadence: if number < 6 { 1 } else { 2 },
        late_start: 0,
        fault: None,
        gap: Some((130 + 10 * number, number)),
        stale_at: None,
    };
    Scene { plans: (0..8).map(plan).collect(), seed }
}

#[test]
fn uneven_sampling_holes_and_resets_of_counters_raise_no_event() {
    let sensitive = settings();
    // Nothing is in maintenance.
    let calendar = Settings::default().calendar;
    let settings = Arc::new(Settings { calendar, ..(*sensitive).clone() });
    for seed in 0..3 {
        let scene = scene(seed);
        let (mut noise, mut resets) = (Noise(seed), 0);
        let mut begins = vec![0.0; scene.plans.len()];
        let mut steps = scene.steps();
        for (index, step) in steps.iter_mut().enumerate() {
            // One in twelve is lost, and no two are a minute apart.
            step.samples.retain(|_| noise.below(12) > 0);
            for (series, sample) in &mut step.samples {
                let early_ms = noise.below(20_000) as i64;
                sample.timestamp = sample.timestamp.plus_ms(-early_ms);
                if scene.plans[*series].kind == Kind::Counter {
                    if index > 100 && noise.below(60) == 0 {
                        (begins[*series], resets) = (sample.value, resets + 1);
                    }
                    // It counts a minute's worth of what came since it began anew.
                    sample.value -= begins[*series] - 0.3 * scene.plans[*series].level;
                }
            }
        }
        let told = run(&scene, &settings, &steps);
        assert!(told.events.is_empty(), "{seed} {:?}", told.lines());
        assert!(told.counts.judged > 1000 && resets > 5, "{:?} {resets}", told.counts);
    }
}
