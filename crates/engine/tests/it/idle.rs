//! Series that leave memory while they are silent come back as if they had never been away.

use std::fmt::Write as _;
use std::sync::Arc;

use bellwether_detect::{DetectorSpec, threshold};
use bellwether_engine::{
    AlertCap, Counts, Engine, Intake, Outputs, Partition, Record, RecordBody, ResolveReason, Rule,
    Settings, Shard, Work,
};
use bellwether_series::{LabelSet, MatchOp, Matcher, Matchers, STALE_NAN_BITS, Timestamp};
use bellwether_wire::remote_write::{Limits, RawSample, WriteRequest, WriteRequestBuilder};
use proptest::prelude::*;

use crate::scene::Noise;

const START: Timestamp = Timestamp::from_ms(1_750_000_020_000);
const MINUTE_MS: i64 = 60_000;
const STEPS: usize = 260;

/// Instances with their groups, series by themselves, newcomers: each falls silent now and then, after a fault as a rule.
#[derive(Debug, Clone, Copy)]
struct Fleet {
    seed: u64,
    idle_minutes: i64,
    /// Silent for longer than this they are forgotten.
    live_minutes: i64,
    lateness_ms: i64,
    deep_per_partition: usize,
}

impl Fleet {
    fn settings(&self) -> Arc<Settings> {
        let raw = threshold::RawParams { above: Some(150.0), ..threshold::RawParams::default() };
        let threshold = threshold::Params::try_from(raw).expect("parameters");
        let name = Matcher::new("__name__", MatchOp::Equal, "level").expect("a matcher");
        let level = Rule {
            name: "Level".into(),
            matchers: Matchers::new(vec![name]),
            detectors: vec![DetectorSpec::Threshold(threshold)],
            ..Rule::default()
        };
        let mut settings = Settings { rules: vec![level, Rule::default()], ..Settings::default() };
        let deep_bytes: usize = DetectorSpec::defaults().iter().map(DetectorSpec::deep_bytes).sum();
        settings.deep.memory_bytes = 64 * deep_bytes * self.deep_per_partition;
        settings.ordering.lateness_ms = self.lateness_ms;
        settings.series.idle_after_ms = self.idle_minutes * MINUTE_MS;
        settings.series.time_to_live_ms = self.live_minutes * MINUTE_MS;
        settings.budget.per_day = 100.0;
        settings.budget.per_series_per_day = 20.0;
        Arc::new(settings)
    }

    /// The same where nobody leaves memory.
    fn settings_without(&self) -> Arc<Settings> {
        Self { idle_minutes: self.live_minutes, ..*self }.settings()
    }

    fn series() -> Vec<LabelSet> {
        let labels = |pairs: &[(&str, &str)]| {
            LabelSet::from_pairs(pairs.iter().copied()).expect("a label set")
        };
        let mut all = Vec::new();
        for instance in ["a", "b", "c"] {
            for metric in ["m0", "m1", "m2", "m3", "m4_total", "level"] {
                all.push(labels(&[("__name__", metric), ("instance", instance)]));
            }
        }
        for lone in ["x", "y", "z_total"] {
            all.push(labels(&[("__name__", lone)]));
        }
        all
    }

    /// What is received in each step: the series and their samples.
    fn steps(&self) -> Vec<Vec<(LabelSet, RawSample)>> {
        let mut noise = Noise(self.seed);
        let series = Self::series();
        // Until which step somebody is silent, and what is done to everybody of an instance.
        let mut silent = vec![0; series.len()];
        let mut counter = 0.0;
        (0..STEPS)
            .map(|step| {
                counter += 100.0;
                if step > 80 && noise.below(30) == 0 {
                    let instance = ["a", "b", "c"][noise.below(3)];
                    let until = step + 4 + noise.below(40);
                    for (labels, silent) in series.iter().zip(&mut silent) {
                        if labels.get("instance") == Some(instance) {
                            *silent = until;
                        }
                    }
                }
                let mut samples = Vec::new();
                for (labels, silent) in series.iter().zip(&mut silent) {
                    let begins = step > 60 && noise.below(60) == 0;
                    let value = match noise.below(25) {
                        0 if step > 70 => 400.0,
                        _ => 100.0 + noise.below(1000) as f64 / 250.0,
                    };
                    if *silent > step {
                        continue;
                    }
                    let is_total = labels.metric_name().ends_with("_total");
                    let mut value = if is_total { counter + value } else { value };
                    if begins {
                        *silent = step + 1 + noise.below(40);
                        value =
                            [400.0, 400.0, value, f64::from_bits(STALE_NAN_BITS)][noise.below(4)];
                    }
                    let late_ms = if noise.below(20) == 0 { MINUTE_MS } else { 0 };
                    let timestamp = START.plus_ms(step as i64 * MINUTE_MS - late_ms);
                    samples.push((labels.clone(), RawSample { timestamp, value }));
                }
                if step % 25 == 7 {
                    let name = format!("new_{step}");
                    let pairs = [("__name__", name.as_str()), ("instance", "a")];
                    let labels = LabelSet::from_pairs(pairs).expect("a label set");
                    let timestamp = START.plus_ms(step as i64 * MINUTE_MS);
                    samples.push((labels, RawSample { timestamp, value: 1.0 }));
                }
                samples
            })
            .collect()
    }
}

fn request(samples: &[(LabelSet, RawSample)]) -> WriteRequest {
    let mut builder = WriteRequestBuilder::default();
    for (labels, sample) in samples {
        builder.series(labels, &[*sample]);
    }
    WriteRequest::decode(builder.encode(), &Limits::default()).expect("a request")
}

fn received(step: usize) -> Timestamp {
    START.plus_ms(step as i64 * MINUTE_MS + 500)
}

/// What a run told, and what happened in it.
#[derive(Default)]
struct Told {
    /// Events, and judgements of series to the last bit, of each step.
    steps: Vec<String>,
    counts: Counts,
    silent: usize,
    /// Most series out of memory at a time.
    cold: usize,
}

impl Told {
    fn add(&mut self, outputs: &Outputs) {
        let mut text = String::new();
        for event in &outputs.events {
            _ = writeln!(text, "{}", serde_json::to_string(event).expect("an event is JSON"));
            self.silent += usize::from(event.reason == Some(ResolveReason::Silent));
        }
        let scores = outputs.scores.iter().flatten();
        let scores = scores.map(|score| (score.fingerprint, score.at, score.surprise.to_bits()));
        let mut scores: Vec<_> = scores.collect();
        scores.sort_unstable();
        _ = writeln!(text, "{scores:?} {:?}", outputs.group_scores);
        self.steps.push(text);
        self.counts.add(&outputs.counts);
    }
}

/// Runs a fleet on one engine, which is saved and restored after a step in so many; 0 for never.
fn run(fleet: &Fleet, settings: &Arc<Settings>, steps_between: usize) -> Told {
    let mut engine = Engine::new(settings, 1);
    let (mut outputs, mut told) = (outputs(), Told::default());
    for (step, samples) in fleet.steps().iter().enumerate() {
        let request = request(samples);
        let body = RecordBody::request(&request);
        engine.apply(&Record { received_at: received(step), body }, &mut outputs);
        told.add(&outputs);
        let cold: usize = engine.partitions().iter().map(Partition::cold_series).sum();
        told.cold = told.cold.max(cold);
        if steps_between > 0 && step % steps_between == 0 {
            let saved = engine.save();
            engine = Engine::restore(settings, step as u64, &saved).expect("a state");
            assert!(engine.save() == saved, "{fleet:?} {step}");
        }
    }
    told
}

/// Runs a fleet on `count` shards.
fn run_sharded(fleet: &Fleet, settings: &Arc<Settings>, count: usize) -> Told {
    let tables = bellwether_detect::Tables::default();
    let mut intake = Intake::new(Arc::clone(settings), 2);
    let mut shards: Vec<_> =
        (0..count).map(|index| Shard::new(settings, &tables, index, count)).collect();
    let mut cap = AlertCap::new(Arc::clone(settings));
    let mut told = Told::default();
    for (step, samples) in fleet.steps().iter().enumerate() {
        let request = request(samples);
        let record = Record { received_at: received(step), body: RecordBody::request(&request) };
        let mut work: Vec<_> = (0..count).map(|_| Work::default()).collect();
        let routed = intake.apply(&record, &mut work);
        let mut outputs = Outputs { counts: routed.counts, ..Outputs::default() };
        for (shard, work) in shards.iter_mut().zip(&mut work).rev() {
            shard.apply(routed.elapsed_ms, work, &mut outputs);
        }
        outputs.sort();
        outputs.events = cap.apply(std::mem::take(&mut outputs.events), routed.elapsed_ms);
        told.add(&outputs);
    }
    told
}

fn outputs() -> Outputs {
    Outputs { scores: Some(vec![]), group_scores: Some(vec![]), ..Outputs::default() }
}

fn events(told: &Told) -> Vec<&str> {
    let lines = told.steps.iter().flat_map(|step| step.lines());
    lines.filter(|line| line.starts_with('{')).collect()
}

/// Fails where leaving memory is heard; what happened.
fn nobody_hears_of_it(fleet: &Fleet) -> Told {
    let never = run(fleet, &fleet.settings_without(), 0);
    assert_eq!((never.counts.cold_evicted, never.cold), (0, 0));
    let told = run(fleet, &fleet.settings(), 0);
    for (step, (without, with)) in never.steps.iter().zip(&told.steps).enumerate() {
        assert_eq!(without, with, "step {step} of {fleet:?}");
    }
    assert_eq!(never.counts.judged, told.counts.judged);
    told
}

const FLEET: Fleet =
    Fleet { seed: 5, idle_minutes: 3, live_minutes: 30, lateness_ms: 0, deep_per_partition: 40 };

#[test]
fn series_that_leave_memory_and_come_back_are_as_if_they_had_never_left() {
    let (mut counts, mut silent, mut cold) = (Counts::default(), 0, 0);
    for fleet in [
        FLEET,
        Fleet { seed: 6, idle_minutes: 7, lateness_ms: 90_000, ..FLEET },
        // Members of groups are released late, at the same time.
        Fleet {
            seed: 2_581_729_201_170_332_748,
            idle_minutes: 1,
            live_minutes: 1000,
            lateness_ms: 27_749,
            deep_per_partition: 27,
        },
        // Not all find memory in the deep tier.
        Fleet { seed: 7, deep_per_partition: 4, ..FLEET },
        Fleet { seed: 8, live_minutes: 1000, deep_per_partition: 0, ..FLEET },
    ] {
        let told = nobody_hears_of_it(&fleet);
        counts.add(&told.counts);
        silent += told.silent;
        cold = cold.max(told.cold);
    }
    let Counts { cold_evicted, cold_reloaded, cold_forgotten, cold_lost, .. } = counts;
    assert!(cold_evicted > 100 && cold_reloaded > 60, "{counts:?}");
    assert_eq!((cold_forgotten, cold_lost), (0, 0));
    assert!(silent > 3 && cold >= 6, "{silent} {cold}");
}

#[test]
fn neither_shards_nor_restarts_make_a_difference_to_those_out_of_memory() {
    let settings = FLEET.settings();
    let told = run(&FLEET, &settings, 0);
    let (heard, reloaded) = (events(&told).len(), told.counts.cold_reloaded);
    assert!(heard > 5 && reloaded > 10, "{heard} {reloaded}");
    for count in [2, 16] {
        let sharded = run_sharded(&FLEET, &settings, count);
        assert_eq!(events(&told), events(&sharded));
        assert_eq!(told.counts, sharded.counts);
    }
    let restarted = run(&FLEET, &settings, 3);
    assert!(told.steps == restarted.steps);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn nobody_ever_hears_who_is_in_memory(
        seed: u64,
        idle_minutes in 1..20_i64,
        live_minutes in prop_oneof![20..60_i64, Just(1000)],
        lateness_ms in prop_oneof![Just(0), 1000..200_000_i64],
        deep_per_partition in 0..30_usize,
    ) {
        let fleet = Fleet { seed, idle_minutes, live_minutes, lateness_ms, deep_per_partition };
        nobody_hears_of_it(&fleet);
    }
}
