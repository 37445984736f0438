//! A pair of senders tells what one sender tells.

use std::sync::Arc;

use bellwether_engine::{DropReason, Engine, Outputs, Record, RecordBody, Settings};
use bellwether_series::LabelSet;
use bellwether_wire::remote_write::{Limits, RawSample, WriteRequest, WriteRequestBuilder};
use proptest::prelude::*;

use crate::order::{LATENESS_STEPS, delay, late_settings, quiet, repeat};
use crate::run::{Told, run};
use crate::scene::{
    Noise, STEP_MS, Scene, Step, any_scene, config, eventful_scene, gapless_scene, settings,
};

/// What one replica sends at a time.
struct Sent<'s> {
    replica: usize,
    samples: &'s [(usize, RawSample)],
    step: &'s Step,
}

/// The series as a replica writes it.
fn written(labels: &LabelSet, replica: usize) -> LabelSet {
    let name = ["a", "b"][replica];
    let label = ["__replica__", "prometheus_replica"][replica];
    LabelSet::from_pairs(labels.iter().chain([(label, name)])).expect("a label set")
}

fn request(scene: &Scene, parts: &[Sent<'_>]) -> WriteRequest {
    let mut builder = WriteRequestBuilder::default();
    for part in parts {
        for &(series, sample) in part.samples {
            builder.series(&written(&scene.labels(series), part.replica), &[sample]);
        }
    }
    WriteRequest::decode(builder.encode(), &Limits::default()).expect("a request")
}

/// Runs what replicas sent, each part a request, or all of a step together in one. Restarts after some of them.
fn run_pair(
    scene: &Scene,
    settings: &Arc<Settings>,
    sent: &[Sent<'_>],
    together: bool,
    mut restarts: Option<Noise>,
) -> Told {
    let mut engine = Engine::new(settings, 1);
    let (mut outputs, mut told) = (Outputs::default(), Told::default());
    let same_step = |a: &Sent<'_>, b: &Sent<'_>| together && std::ptr::eq(a.step, b.step);
    for parts in sent.chunk_by(same_step) {
        let request = request(scene, parts);
        let record =
            Record { received_at: parts[0].step.received_at, body: RecordBody::request(&request) };
        let outcome = engine.apply(&record, &mut outputs);
        told.add(&outcome, &mut outputs);
        if restarts.as_mut().is_some_and(|noise| noise.below(40) == 0) {
            engine = Engine::restore(settings, 2, &engine.save()).expect("a state");
        }
    }
    told
}

fn dropped(told: &Told, reason: DropReason) -> u64 {
    told.counts.dropped[reason.index()]
}

/// What the other one of a pair saw: the same series, a little later and with other values.
fn seen_by_another(steps: &[Step], noise: &mut Noise) -> Vec<Step> {
    let mut seen = steps.to_vec();
    for (_, sample) in seen.iter_mut().flat_map(|step| &mut step.samples) {
        sample.timestamp = sample.timestamp.plus_ms(noise.below(5000) as i64);
        sample.value *= 1.0 + noise.below(100) as f64;
    }
    seen
}

/// Where each of the pair is silent for a while, in its turn: what is sent, and the number of samples of whoever is not elected.
/// Both send the same samples, the elected one first, so it is one sender who tells as much.
fn take_turns<'s>(steps: &'s [Step], noise: &mut Noise) -> (Vec<Sent<'s>>, u64, u64) {
    let (mut sent, mut left_out, mut failovers) = (Vec::new(), 0, 0);
    let (mut elected, mut lone_steps) = (0, 0);
    let mut was_heard = false;
    for step in steps {
        let samples = &step.samples[..];
        let part = |replica| Sent { replica, samples, step };
        if lone_steps == 0 && noise.below(20) == 0 && was_heard && !samples.is_empty() {
            // The elected one falls silent, and a step is longer than it may be.
            (elected, lone_steps) = (1 - elected, 1 + noise.below(20));
            failovers += 1;
        }
        sent.push(part(elected));
        was_heard |= !samples.is_empty();
        if lone_steps > 0 {
            lone_steps -= 1;
        } else {
            sent.push(part(1 - elected));
            left_out += samples.len() as u64;
        }
    }
    (sent, left_out, failovers)
}

#[test]
fn an_eventful_scene_tells_the_same_from_a_pair() {
    let (scene, settings) = (eventful_scene(), settings());
    let steps = scene.steps();
    let one = run(&scene, &settings, &steps);
    let (sent, left_out, failovers) = take_turns(&steps, &mut Noise(5));
    let pair = run_pair(&scene, &settings, &sent, false, None);
    assert_eq!(one.lines(), pair.lines());
    assert!(one.events.len() > 10 && left_out > 100 && failovers > 5);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn replicas_that_take_over_from_each_other_tell_what_one_sender_tells(
        scene in any_scene(),
        seed: u64,
        together: bool,
        restarts in proptest::option::of(any::<u64>()),
    ) {
        let (steps, settings) = (scene.steps(), settings());
        let mut noise = Noise(seed);
        let one = run(&scene, &settings, &steps);
        let (sent, left_out, failovers) = take_turns(&steps, &mut noise);
        let pair = run_pair(&scene, &settings, &sent, together, restarts.map(Noise));
        prop_assert_eq!(one.in_event_order(), pair.in_event_order());
        prop_assert_eq!(one.gauges(), pair.gauges());
        prop_assert_eq!(dropped(&pair, DropReason::Replica), left_out);
        prop_assert_eq!(pair.counts.failovers, failovers);
        prop_assert_eq!(pair.counts.judged, one.counts.judged);
        prop_assert_eq!(pair.outcome.accepted_samples, one.outcome.accepted_samples + left_out);
    }

    #[test]
    fn batches_of_a_pair_that_come_repeatedly_and_late_tell_what_one_sender_tells(
        scene in gapless_scene(),
        seed: u64,
        together: bool,
    ) {
        let mut settings = (*late_settings()).clone();
        settings.ha.failover_ms = 2 * LATENESS_STEPS as i64 * STEP_MS;
        let settings = Arc::new(settings);
        let mut noise = Noise(seed);
        let mut steps = scene.steps();
        let mut heard = delay(&steps, &mut noise);
        let repeated = repeat(&mut heard, &mut noise);
        let mut others = delay(&seen_by_another(&steps, &mut noise), &mut noise);
        repeat(&mut others, &mut noise);
        // Whoever is heard first is elected.
        let first = heard.iter().position(|step| !step.samples.is_empty()).unwrap_or(heard.len());
        others.iter_mut().take(first).for_each(|step| step.samples.clear());
        steps.extend(quiet(&steps, 3 * LATENESS_STEPS));
        heard.extend(quiet(&heard, 2 * LATENESS_STEPS));
        let mut sent = Vec::new();
        for (number, step) in heard.iter().enumerate() {
            let others = others.get(number).map_or(&[][..], |step| &step.samples);
            let mut parts = [(0, &step.samples[..]), (1, others)];
            if number > first && noise.below(2) == 0 {
                parts.reverse();
            }
            sent.extend(parts.map(|(replica, samples)| Sent { replica, samples, step }));
        }
        let one = run(&scene, &settings, &steps);
        let pair = run_pair(&scene, &settings, &sent, together, None);
        let left_out: usize = others.iter().map(|step| step.samples.len()).sum();
        prop_assert_eq!(dropped(&pair, DropReason::Replica), left_out as u64);
        prop_assert_eq!(dropped(&pair, DropReason::Duplicate), repeated);
        prop_assert_eq!(pair.counts.dropped.iter().sum::<u64>(), repeated + left_out as u64);
        prop_assert_eq!(pair.counts.judged, one.counts.judged);
        prop_assert_eq!(one.in_event_order(), pair.in_event_order());
        prop_assert_eq!(one.gauges(), pair.gauges());
    }
}
