//! Properties that hold for any input.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bellwether_engine::{ChangeKind, RejectReason, Settings};
use bellwether_series::Fingerprint;
use bellwether_wire::remote_write::RawSample;
use proptest::prelude::*;

use crate::run::{Told, run, run_numbered, run_sharded, run_split};
use crate::scene::{Kind, Noise, Scene, Step, any_scene, config, eventful_scene, settings};

#[test]
fn an_eventful_scene_rings_for_every_fault_and_resolves() {
    let scene = eventful_scene();
    let told = run(&scene, &settings(), &scene.steps());
    for series in 0..scene.plans.len() {
        let labels = scene.labels(series);
        let changes: Vec<_> = told
            .events
            .iter()
            .filter(|event| event.labels == labels)
            .map(|event| event.change)
            .collect();
        assert!(changes.contains(&ChangeKind::Firing), "{labels} {changes:?}");
        assert_eq!(changes.last(), Some(&ChangeKind::Resolved), "{labels} {changes:?}");
    }
}

/// Events, and gauges by series.
type Heard = (Vec<String>, BTreeMap<Fingerprint, Vec<String>>);

/// Runs the steps whole and with the samples of series 0 in a request of their own, before the others or
/// after them, and returns what all three runs told.
fn apart(scene: &Scene, settings: &Arc<Settings>, steps: &[Step]) -> [Heard; 3] {
    let split = |is_first: bool| {
        run_split(scene, settings, steps, |step| {
            let (own, others) = step.samples.iter().partition(|(series, _)| *series == 0);
            let part = |samples| Step { samples, ..*step };
            if is_first { vec![part(own), part(others)] } else { vec![part(others), part(own)] }
        })
    };
    [run(scene, settings, steps), split(true), split(false)]
        .map(|told| (told.lines(), told.gauges()))
}

#[test]
fn a_fleet_that_grows_in_the_step_of_an_alert_may_be_cut_anyhow() {
    let mut scene = eventful_scene();
    // Series 0 breaks at 120; all others begin in the very step in which it fires.
    for plan in &mut scene.plans[1..] {
        plan.late_start = 121;
    }
    let [whole, first, last] = apart(&scene, &settings(), &scene.steps());
    assert!(!whole.0.is_empty() && !whole.1.is_empty());
    assert!(whole == first && whole == last);
}

#[test]
fn a_series_that_comes_back_in_the_step_in_which_it_is_given_up_may_be_cut_anyhow() {
    let mut scene = eventful_scene();
    for (silence, ttl_minutes) in [(4..9, 60), (1..40, 20)] {
        for steps in silence {
            scene.plans[0].gap = Some((125, steps));
            let mut settings = (*settings()).clone();
            settings.series.time_to_live_ms = ttl_minutes * 60_000;
            let [whole, first, last] = apart(&scene, &Arc::new(settings), &scene.steps());
            assert!(!whole.0.is_empty() && !whole.1.is_empty());
            assert!(whole == first && whole == last, "{steps} steps of silence");
        }
    }
}

/// Cuts a step into requests at random, its series in random order.
fn shred(step: &Step, noise: &mut Noise) -> Vec<Step> {
    let mut parts = vec![Step { samples: Vec::new(), ..*step }; 1 + noise.below(4)];
    for &sample in &step.samples {
        let part = noise.below(parts.len());
        let samples = &mut parts[part].samples;
        let place = noise.below(samples.len() + 1);
        samples.insert(place, sample);
    }
    parts
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn cutting_requests_changes_no_event_and_no_gauge(scene in any_scene(), cuts: u64) {
        let (steps, settings) = (scene.steps(), settings());
        let whole = run(&scene, &settings, &steps);
        let mut noise = Noise(cuts);
        let split = run_split(&scene, &settings, &steps, |step| shred(step, &mut noise));
        prop_assert_eq!(whole.lines(), split.lines());
        prop_assert_eq!(whole.gauges(), split.gauges());
        prop_assert_eq!(whole.counts, split.counts);
        prop_assert_eq!(whole.outcome, split.outcome);
    }

    #[test]
    fn numbered_samples_are_what_a_request_with_them_is(scene in any_scene()) {
        let (steps, settings) = (scene.steps(), settings());
        let (request, numbered) =
            (run(&scene, &settings, &steps), run_numbered(&scene, &settings, &steps));
        prop_assert_eq!(request.lines(), numbered.lines());
        prop_assert_eq!(request.gauges(), numbered.gauges());
        prop_assert_eq!(request.counts, numbered.counts);
        prop_assert_eq!(request.outcome.accepted_samples, numbered.outcome.accepted_samples);
    }

    #[test]
    fn the_number_of_shards_changes_no_event_and_no_gauge(scene in any_scene()) {
        let (steps, settings) = (scene.steps(), settings());
        let one = run(&scene, &settings, &steps);
        for count in [1, 2, 16, 64] {
            let sharded = run_sharded(&scene, &settings, &steps, count);
            prop_assert_eq!(one.lines(), sharded.lines(), "{} shards", count);
            prop_assert_eq!(one.counts, sharded.counts);
            // In the same order, too.
            prop_assert_eq!(&one.gauges, &sharded.gauges, "{} shards", count);
        }
    }

    #[test]
    fn episodes_begin_before_they_end_and_count_their_events(scene in any_scene()) {
        let told = run(&scene, &settings(), &scene.steps());
        let (mut next, mut open, mut ids) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        for event in &told.events {
            let sequence = next.entry(event.episode_id).or_insert(0);
            prop_assert_eq!(event.sequence, *sequence);
            *sequence += 1;
            prop_assert!(ids.insert(event.id.clone()), "{} twice", event.id);
            let begins = matches!(event.change, ChangeKind::Noticed | ChangeKind::Firing);
            prop_assert!(begins || event.sequence > 0, "{:?} begins an episode", event.change);
            if event.sequence == 0 {
                prop_assert!(open.insert(event.fingerprint, event.episode_id).is_none());
            }
            prop_assert_eq!(open.get(&event.fingerprint), Some(&event.episode_id));
            if event.change == ChangeKind::Resolved {
                open.remove(&event.fingerprint);
                prop_assert!(event.ends_at_ms.is_some_and(|end| end >= event.starts_at_ms));
                prop_assert!(event.reason.is_some());
            }
            prop_assert!(event.at_ms >= event.starts_at_ms);
            prop_assert!(event.peak_surprise >= event.surprise);
        }
    }

    #[test]
    fn exporting_gauges_changes_no_event(scene in any_scene()) {
        let (steps, exporting) = (scene.steps(), settings());
        let silent = Arc::new(Settings { gauges: Vec::new(), ..(*exporting).clone() });
        let (loud, quiet) = (run(&scene, &exporting, &steps), run(&scene, &silent, &steps));
        prop_assert_eq!(loud.lines(), quiet.lines());
        prop_assert_eq!(loud.counts, quiet.counts);
        prop_assert!(quiet.gauges.is_empty());
    }

    #[test]
    fn gauges_go_forward_in_time_and_end_only_after_a_reading(scene in any_scene()) {
        let told = run(&scene, &settings(), &scene.steps());
        let mut last = BTreeMap::new();
        for gauge in &told.gauges {
            let before = last.insert(gauge.fingerprint, gauge);
            prop_assert!(before.is_none_or(|before| before.at < gauge.at), "{gauge:?}");
            let shown = before.is_some_and(|before| before.reading.is_some());
            prop_assert!(gauge.reading.is_some() || shown, "{gauge:?}");
        }
        let exported = (0..scene.plans.len().min(4)).map(|series| scene.labels(series));
        let exported: BTreeSet<_> = exported.map(|labels| labels.fingerprint()).collect();
        prop_assert!(last.keys().all(|fingerprint| exported.contains(fingerprint)));
    }

    #[test]
    fn a_constant_series_never_makes_an_event(mut scene in any_scene()) {
        for plan in &mut scene.plans {
            plan.kind = Kind::Constant;
        }
        (scene.plans[0].cadence, scene.plans[0].late_start) = (1, 0);
        let told = run(&scene, &settings(), &scene.steps());
        prop_assert!(told.events.is_empty(), "{:?}", told.lines());
        prop_assert!(told.counts.judged > 0);
    }

    #[test]
    fn samples_with_mad_times_change_no_event_of_other_series(scene in any_scene(), seed: u64) {
        let (steps, settings) = (scene.steps(), settings());
        let others = |told: &Told| -> Vec<String> {
            let victim = scene.labels(0);
            let all = told.events.iter().zip(told.lines());
            all.filter(|(event, _)| event.labels != victim).map(|(_, line)| line).collect()
        };
        let mut noise = Noise(seed);
        let mut poisoned = steps.clone();
        let mut refused = 0;
        for step in &mut poisoned {
            if noise.below(10) == 0 {
                let hours = [1, 24, 24 * 365 * 10, -24 * 365 * 10][noise.below(4)];
                let timestamp = step.received_at.plus_ms(hours * 3_600_000);
                let place = noise.below(step.samples.len() + 1);
                step.samples.insert(place, (0, RawSample { timestamp, value: 1e9 }));
                refused += u64::from(hours > 0);
            }
        }
        let clean = run(&scene, &settings, &steps);
        let dirty = run(&scene, &settings, &poisoned);
        prop_assert_eq!(others(&clean), others(&dirty));
        prop_assert_eq!(dirty.outcome.rejected_samples[RejectReason::Future.index()], refused);
    }
}
