//! An engine that is saved and restored goes on as if nothing had happened, and nothing that is no state is taken for one.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use bellwether_detect::Tables;
use bellwether_engine::{
    AlertCap, CAP_RULE, ChangeKind, ColdMemory, ColdStore, Counts, DropReason, Engine, Intake,
    Outputs, PARTITIONS, Partition, Record, ResolveReason, Shard, Work,
};
use bellwether_series::Timestamp;
use proptest::prelude::*;

use crate::scene::Noise;
use crate::world::{News, World, catalogue};

/// Steps of a world: all that is to go wrong has gone wrong by then.
const STEPS: usize = 300;
const MINUTE_MS: i64 = 60_000;

/// An engine with what it has just told.
struct Run {
    engine: Engine,
    outputs: Outputs,
}

impl Run {
    fn new(engine: Engine) -> Self {
        let outputs =
            Outputs { scores: Some(vec![]), group_scores: Some(vec![]), ..Outputs::default() };
        Self { engine, outputs }
    }

    /// Everything that a record brings, as text in which every bit of a number shows.
    fn apply(&mut self, (received_at, news): &(Timestamp, News)) -> String {
        let record = Record { received_at: *received_at, body: news.body() };
        let outcome = self.engine.apply(&record, &mut self.outputs);
        let Outputs { events, gauges, counts, scores, group_scores, .. } = &self.outputs;
        let mut told = format!("{outcome:?} {events:?} {gauges:?} {counts:?} {group_scores:?}");
        for score in scores.iter().flatten() {
            _ = write!(told, "{} {:x} ", score.fingerprint, score.surprise.to_bits());
        }
        told
    }
}

/// What happened in a world, so that a test can say that it was not empty.
#[derive(Debug, Default)]
struct Seen {
    rules: BTreeSet<String>,
    /// Detectors that were heard in events, and metrics that were judged.
    detectors: BTreeSet<String>,
    metrics: BTreeSet<String>,
    changes: BTreeSet<ChangeKind>,
    reasons: Vec<ResolveReason>,
    counts: Counts,
    evicted: usize,
    restarts: usize,
}

/// Runs `world` on one engine and, record by record, on another one that is saved and restored after a record in so many.
/// Fails where the two do not say the same.
fn lives_through_restarts(world: World, records_between: usize, seen: &mut Seen) {
    let mut settings = world.settings(0);
    let mut noise = Noise(!world.seed);
    let [mut straight, mut restarted] = [1, 2].map(|seed| Run::new(Engine::new(&settings, seed)));
    let news = world.news();
    for (index, record) in news.iter().enumerate() {
        let before = straight.engine.intake().series();
        let told = straight.apply(record);
        assert_eq!(told, restarted.apply(record), "record {index} of {world:?}");
        seen.evicted += before.saturating_sub(straight.engine.intake().series());
        seen.counts.add(&straight.outputs.counts);
        for event in &straight.outputs.events {
            seen.rules.insert(event.rule.to_string());
            seen.changes.insert(event.change);
            seen.reasons.extend(event.reason);
            seen.detectors.extend(event.detectors.iter().map(|one| one.name.as_str().to_owned()));
        }
        for gauge in straight.outputs.gauges.iter().filter(|gauge| gauge.reading.is_some()) {
            seen.metrics.insert(gauge.labels.metric_name().to_owned());
        }
        if let (_, News::Settings(changed)) = record {
            settings = Arc::clone(changed);
        }
        if noise.below(records_between) == 0 || index + 1 == news.len() {
            let saved = straight.engine.save();
            assert!(saved == restarted.engine.save(), "record {index} of {world:?}");
            let engine = Engine::restore(&settings, noise.bits(), &saved);
            let engine = engine.unwrap_or_else(|error| panic!("record {index}: {error}"));
            restarted = Run { engine, ..Run::new(Engine::new(&settings, 1)) };
            assert!(saved == restarted.engine.save(), "record {index} of {world:?}");
            let views = [&mut straight, &mut restarted].map(|run| {
                let partitions = run.engine.partitions().iter_mut();
                let views = partitions.flat_map(|partition| partition.view(&|_| true, 1000));
                format!("{:?}", views.collect::<Vec<_>>())
            });
            assert_eq!(views[0], views[1]);
            seen.restarts += 1;
        }
    }
}

#[test]
fn a_restart_after_any_record_changes_nothing() {
    use ChangeKind::{Escalated, Firing, Noticed, Resolved};
    use ResolveReason::{Maintenance, Normal, SeriesEnded, Silent, Unwatched};
    let mut seen = Seen::default();
    for (seed, steps, step_ms, lateness_ms) in [
        (1, STEPS, MINUTE_MS, 0),
        (2, STEPS, MINUTE_MS, 150_000),
        // Some detectors need three days after their first 240 samples.
        (9, 370, 60 * MINUTE_MS, 0),
    ] {
        let world = World { seed, steps, step_ms, lateness_ms, deep_per_partition: 6 };
        lives_through_restarts(world, 40, &mut seen);
    }
    // All of it did happen.
    assert_eq!(seen.changes, BTreeSet::from([Noticed, Firing, Escalated, Resolved]));
    for rule in [CAP_RULE, "GroupAnomaly", "Unlike", "MetricAnomaly"] {
        assert!(seen.rules.contains(rule), "{rule} {:?}", seen.rules);
    }
    for (name, spec) in catalogue() {
        let judges = if spec.deep_bytes() > 0 { &seen.detectors } else { &seen.metrics };
        assert!(judges.contains(name), "{spec:?} {judges:?}");
    }
    for reason in [Maintenance, Normal, SeriesEnded, Silent, Unwatched] {
        assert!(seen.reasons.contains(&reason), "{reason:?}");
    }
    let Counts { stale, in_maintenance, deep_refused, group_refused, failovers, dropped, .. } =
        seen.counts;
    assert!(stale.min(in_maintenance).min(deep_refused).min(group_refused) > 0, "{seen:?}");
    assert!(seen.counts.cold_evicted > 3 && seen.counts.cold_reloaded > 0, "{seen:?}");
    assert!(dropped[DropReason::Replica.index()] > 1000 && failovers > 10, "{seen:?}");
    assert!(dropped[DropReason::Late.index()] > 0 && seen.evicted > 3, "{seen:?}");
    assert!(seen.restarts > 30, "{}", seen.restarts);
}

/// Runs `world` on an intake, shards and a cap, as the runtime does. After the records `saved_after`, in this order, the
/// intake, the partitions one after the other, and the cap are saved; at the end all that came after the intake is applied
/// again to what was saved, on another number of shards. Fails where that does not lead to where the first run is.
fn catches_up_from_states_of_different_times(world: World, first: usize, stride: usize) {
    let tables = Tables::default();
    let mut settings = world.settings(0);
    let news = world.news();
    let mut line = Line {
        intake: Intake::new(Arc::clone(&settings), 1),
        shards: vec![Shard::new(&settings, &tables, 0, 1)],
        cap: AlertCap::new(Arc::clone(&settings)),
    };
    let cap_after = first + PARTITIONS * stride;
    let shelves: Vec<Shelf> = (0..PARTITIONS).map(|_| Shelf::default()).collect();
    for (partition, shelf) in line.shards[0].partitions().iter_mut().zip(&shelves) {
        partition.keep_cold_in(Box::new(shelf.clone()));
    }
    let (mut intake, mut partitions, mut cap) = (None, Vec::new(), None);
    let mut told = Vec::new();
    for (index, record) in news.iter().enumerate() {
        let heard = line.apply(record, |_| false, false);
        if index > cap_after {
            told.push(heard);
        }
        if let (_, News::Settings(changed)) = record {
            settings = Arc::clone(changed);
        }
        if index == first {
            intake = Some((line.intake.save(), Arc::clone(&settings)));
        }
        while partitions.len() < PARTITIONS && first + partitions.len() * stride == index {
            let mut bytes = Vec::new();
            line.shards[0].partitions()[partitions.len()].save(&mut bytes);
            partitions.push((bytes, Arc::clone(&settings)));
            if stride > 0 {
                break;
            }
        }
        if index == cap_after {
            let mut bytes = Vec::new();
            line.cap.save(&mut bytes);
            cap = Some((bytes, Arc::clone(&settings)));
        }
    }
    let (intake, under) = intake.expect("it was saved");
    let intake = Intake::restore(under, 2, &intake.encode()).expect("a state");
    let read = partitions.iter().zip(&shelves).map(|((bytes, under), shelf)| {
        let partition = Partition::restore(Arc::clone(under), tables.clone(), bytes);
        let mut partition = partition.expect("a state");
        partition.keep_cold_in(Box::new(shelf.clone()));
        partition
    });
    let shards = Shard::deal(read.collect(), 3);
    let (cap, under) = cap.expect("it was saved");
    let cap = AlertCap::restore(under, &cap).expect("a state");
    let mut again = Line { intake, shards, cap };
    let mut told_again = Vec::new();
    for (index, record) in news.iter().enumerate().skip(first + 1) {
        let was_in = |partition: usize| index <= first + partition * stride;
        let heard = again.apply(record, was_in, index <= cap_after);
        if index > cap_after {
            told_again.push(heard);
        }
    }
    assert!(told == told_again, "{world:?} {first} {stride}");
    assert!(!told.concat().is_empty());
    assert!(line.saved() == again.saved(), "{world:?} {first} {stride}");
}

/// Where silent series are kept while partitions come and go. Nothing is ever removed, as long as a state that was saved
/// before may need it.
#[derive(Debug, Clone, Default)]
struct Shelf(Arc<Mutex<ColdMemory>>);

impl ColdStore for Shelf {
    fn put(&mut self, number: u64, state: Vec<u8>) {
        self.0.lock().expect("no panic").put(number, state);
    }

    fn get(&self, number: u64) -> Option<Vec<u8>> {
        self.0.lock().expect("no panic").get(number)
    }

    fn forget(&mut self, _: u64) {}

    fn memory_bytes(&self) -> usize {
        self.0.lock().expect("no panic").memory_bytes()
    }
}

/// The parts of an engine as the runtime lays them out.
struct Line {
    intake: Intake,
    shards: Vec<Shard>,
    cap: AlertCap,
}

impl Line {
    /// Applies a record, but for partitions that `had` it and for a cap that had it; what the cap lets pass, as text.
    fn apply(
        &mut self,
        (received_at, news): &(Timestamp, News),
        had: impl Fn(usize) -> bool,
        cap_had: bool,
    ) -> String {
        let mut work: Vec<Work> = self.shards.iter().map(|_| Work::default()).collect();
        let record = Record { received_at: *received_at, body: news.body() };
        let routed = self.intake.apply(&record, &mut work);
        let mut outputs = Outputs::default();
        for (shard, work) in self.shards.iter_mut().zip(&mut work) {
            (0..PARTITIONS).filter(|&one| had(one)).for_each(|one| work.leave_out(one as u8));
            shard.apply(routed.elapsed_ms, work, &mut outputs);
        }
        if cap_had {
            return String::new();
        }
        if let News::Settings(settings) = news {
            self.cap.configure(settings);
        }
        outputs.sort();
        let passed = self.cap.apply(outputs.events, routed.elapsed_ms);
        if passed.is_empty() { String::new() } else { format!("{passed:?}") }
    }

    fn saved(&mut self) -> BTreeSet<Vec<u8>> {
        let mut cap = Vec::new();
        self.cap.save(&mut cap);
        let partitions = self.shards.iter_mut().flat_map(Shard::partitions).map(|partition| {
            let mut bytes = Vec::new();
            partition.save(&mut bytes);
            bytes
        });
        partitions.chain([cap, self.intake.save().encode()]).collect()
    }
}

#[test]
fn states_of_different_times_catch_up_when_later_records_are_applied_again() {
    for (seed, first, stride) in [(1, 250, 0), (1, 180, 5), (2, 300, 3), (9, 120, 7)] {
        let world =
            World { seed, steps: STEPS, step_ms: MINUTE_MS, lateness_ms: 0, deep_per_partition: 2 };
        catches_up_from_states_of_different_times(world, first, stride);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn a_restart_changes_nothing_in_any_world(
        seed: u64,
        step_ms in prop_oneof![Just(15_000), Just(MINUTE_MS), 1000..3_600_000_i64],
        lateness_ms in prop_oneof![Just(0), 1000..600_000_i64],
        deep_per_partition in 0..8_usize,
        records_between in 1..100_usize,
    ) {
        let world = World { seed, steps: STEPS, step_ms, lateness_ms, deep_per_partition };
        lives_through_restarts(world, records_between, &mut Seen::default());
    }
}
