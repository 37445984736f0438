//! Disorder and repetition within bounds change nothing.

use std::sync::Arc;

use bellwether_engine::{DropReason, Settings};
use proptest::prelude::*;

use crate::run::run;
use crate::scene::{Noise, STEP_MS, STEPS, Step, any_scene, config, gapless_scene, settings};

pub(crate) const LATENESS_STEPS: usize = 5;

pub(crate) fn late_settings() -> Arc<Settings> {
    let mut settings = (*settings()).clone();
    settings.ordering.lateness_ms = LATENESS_STEPS as i64 * STEP_MS;
    Arc::new(settings)
}

/// Every sample one to three times within its own request; returns how many were added.
pub(crate) fn repeat(steps: &mut [Step], noise: &mut Noise) -> u64 {
    let mut added = 0;
    for step in steps {
        for &sample in &step.samples.clone() {
            let times = noise.below(3);
            step.samples.extend(std::iter::repeat_n(sample, times));
            added += times as u64;
        }
    }
    added
}

/// Every sample up to [`LATENESS_STEPS`] later than it should be, the order within a request at random.
pub(crate) fn delay(steps: &[Step], noise: &mut Noise) -> Vec<Step> {
    let mut delayed: Vec<Step> = (0..STEPS + LATENESS_STEPS)
        .map(|step| {
            let received_at = steps[0].received_at.plus_ms(step as i64 * STEP_MS);
            Step { received_at, samples: Vec::new() }
        })
        .collect();
    for (number, step) in steps.iter().enumerate() {
        for &sample in &step.samples {
            let samples = &mut delayed[number + noise.below(LATENESS_STEPS + 1)].samples;
            let place = noise.below(samples.len() + 1);
            samples.insert(place, sample);
        }
    }
    delayed
}

/// Steps in which nothing is received, so that what is held back comes out.
pub(crate) fn quiet(after: &[Step], count: usize) -> Vec<Step> {
    let last = after[after.len() - 1].received_at;
    let step = |number: usize| Step {
        received_at: last.plus_ms((number as i64 + 1) * STEP_MS),
        samples: Vec::new(),
    };
    (0..count).map(step).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn repeated_samples_change_no_event_and_no_gauge_and_are_counted(scene in any_scene(), seed: u64) {
        let (steps, settings) = (scene.steps(), settings());
        let once = run(&scene, &settings, &steps);
        let mut again = steps.clone();
        let added = repeat(&mut again, &mut Noise(seed));
        let often = run(&scene, &settings, &again);
        prop_assert_eq!(once.lines(), often.lines());
        prop_assert_eq!(once.gauges(), often.gauges());
        prop_assert_eq!(often.counts.dropped[DropReason::Duplicate.index()], added);
        prop_assert_eq!(often.counts.judged, once.counts.judged);
    }

    #[test]
    fn whole_requests_sent_again_change_no_event(scene in any_scene(), seed: u64) {
        let (steps, settings) = (scene.steps(), settings());
        let once = run(&scene, &settings, &steps);
        let mut noise = Noise(seed);
        let again: Vec<_> = steps
            .iter()
            .flat_map(|step| vec![step.clone(); 1 + noise.below(3)])
            .collect();
        let often = run(&scene, &settings, &again);
        prop_assert_eq!(once.lines(), often.lines());
    }

    #[test]
    fn disorder_within_the_lateness_changes_no_event_and_no_gauge(scene in gapless_scene(), seed: u64) {
        let settings = late_settings();
        let mut noise = Noise(seed);
        let mut steps = scene.steps();
        let mut shuffled = delay(&steps, &mut noise);
        let repeated = repeat(&mut shuffled, &mut noise);
        // Both end at the same time, with nothing held back any more.
        steps.extend(quiet(&steps, 3 * LATENESS_STEPS));
        shuffled.extend(quiet(&shuffled, 2 * LATENESS_STEPS));
        let sorted = run(&scene, &settings, &steps);
        let shuffled = run(&scene, &settings, &shuffled);
        let dropped: u64 = shuffled.counts.dropped.iter().sum();
        prop_assert_eq!(dropped, repeated, "{:?}", shuffled.counts);
        prop_assert_eq!(sorted.counts.judged, shuffled.counts.judged);
        prop_assert_eq!(sorted.in_event_order(), shuffled.in_event_order());
        prop_assert_eq!(sorted.gauges(), shuffled.gauges());
    }
}
