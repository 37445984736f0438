//! Runs scenes: on one engine, and on shards as the runtime lays them out.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_detect::Tables;
use bellwether_engine::{
    AlertCap, Counts, Engine, Event, Gauge, Intake, NumberedSample, Outcome, Outputs, Record,
    RecordBody, Samples, Settings, Shard, Work,
};
use bellwether_series::Fingerprint;
use bellwether_wire::remote_write::RawSample;

use crate::scene::{Scene, Step};

/// What a run gave.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) events: Vec<Event>,
    pub(crate) gauges: Vec<Gauge>,
    pub(crate) counts: Counts,
    pub(crate) outcome: Outcome,
}

impl Told {
    /// The events as they would be written: one JSON text each.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.events
            .iter()
            .map(|event| serde_json::to_string(event).expect("an event is JSON"))
            .collect()
    }

    /// As [`Told::lines`], in the order of event time: which record an event belongs to does not matter.
    pub(crate) fn in_event_order(&self) -> Vec<String> {
        let mut events: Vec<_> = self.events.iter().collect();
        events.sort_by_key(|event| (event.at_ms, event.fingerprint, event.sequence));
        events.iter().map(|event| serde_json::to_string(event).expect("an event is JSON")).collect()
    }

    /// The gauges of each series, one text each, in which every bit of a number shows.
    pub(crate) fn gauges(&self) -> BTreeMap<Fingerprint, Vec<String>> {
        let mut by_series = BTreeMap::<_, Vec<String>>::new();
        for gauge in &self.gauges {
            by_series.entry(gauge.fingerprint).or_default().push(format!("{gauge:?}"));
        }
        by_series
    }

    pub(crate) fn add(&mut self, outcome: &Outcome, outputs: &mut Outputs) {
        self.outcome.accepted_samples += outcome.accepted_samples;
        for (sum, count) in self.outcome.rejected_samples.iter_mut().zip(outcome.rejected_samples) {
            *sum += count;
        }
        self.counts.add(&outputs.counts);
        self.gauges.append(&mut outputs.gauges);
        self.events.append(&mut outputs.events);
    }
}

/// Runs steps through one engine, one request each.
pub(crate) fn run(scene: &Scene, settings: &Arc<Settings>, steps: &[Step]) -> Told {
    let mut engine = Engine::new(settings, 1);
    let (mut outputs, mut told) = (Outputs::default(), Told::default());
    for step in steps {
        let request = scene.request(&step.samples);
        let body = RecordBody::request(&request);
        let outcome = engine.apply(&Record { received_at: step.received_at, body }, &mut outputs);
        told.add(&outcome, &mut outputs);
    }
    told
}

/// As [`run`], with samples whose series come by number.
pub(crate) fn run_numbered(scene: &Scene, settings: &Arc<Settings>, steps: &[Step]) -> Told {
    let series: Vec<_> = (0..scene.plans.len()).map(|number| scene.labels(number)).collect();
    let mut engine = Engine::new(settings, 1);
    let (mut outputs, mut told) = (Outputs::default(), Told::default());
    for step in steps {
        let numbered = |&(series, sample): &(usize, RawSample)| NumberedSample {
            at: sample.timestamp,
            value: sample.value,
            series: series as u32,
        };
        let rows: Vec<_> = step.samples.iter().map(numbered).collect();
        let body = RecordBody::Samples(Samples { series: &series, rows: &rows });
        let outcome = engine.apply(&Record { received_at: step.received_at, body }, &mut outputs);
        told.add(&outcome, &mut outputs);
    }
    told
}

/// Runs steps through one engine, each step as the given number of requests. The events of a step are
/// brought into log order, which is defined within a record only.
pub(crate) fn run_split(
    scene: &Scene,
    settings: &Arc<Settings>,
    steps: &[Step],
    mut cuts: impl FnMut(&Step) -> Vec<Step>,
) -> Told {
    let mut engine = Engine::new(settings, 1);
    let mut told = Told::default();
    for step in steps {
        let (mut outputs, mut whole) = (Outputs::default(), Outputs::default());
        for part in cuts(step) {
            let request = scene.request(&part.samples);
            let body = RecordBody::request(&request);
            let record = Record { received_at: part.received_at, body };
            let outcome = engine.apply(&record, &mut outputs);
            whole.events.append(&mut outputs.events);
            told.add(&outcome, &mut outputs);
        }
        whole.sort();
        told.events.append(&mut whole.events);
    }
    told
}

/// Runs steps through an intake, `count` shards and a cap, put together as the runtime does.
pub(crate) fn run_sharded(
    scene: &Scene,
    settings: &Arc<Settings>,
    steps: &[Step],
    count: usize,
) -> Told {
    let tables = Tables::default();
    let mut intake = Intake::new(Arc::clone(settings), 2);
    let mut shards: Vec<_> =
        (0..count).map(|index| Shard::new(settings, &tables, index, count)).collect();
    let mut cap = AlertCap::new(Arc::clone(settings));
    let mut told = Told::default();
    for step in steps {
        let request = scene.request(&step.samples);
        let body = RecordBody::request(&request);
        let record = Record { received_at: step.received_at, body };
        let mut work: Vec<_> = (0..count).map(|_| Work::default()).collect();
        let routed = intake.apply(&record, &mut work);
        let mut outputs = Outputs { counts: routed.counts, ..Outputs::default() };
        // Whichever shard is done last: their outputs come together in any order.
        for (shard, work) in shards.iter_mut().zip(&mut work).rev() {
            shard.apply(routed.elapsed_ms, work, &mut outputs);
        }
        outputs.sort();
        outputs.events = cap.apply(std::mem::take(&mut outputs.events), routed.elapsed_ms);
        told.add(&routed.outcome, &mut outputs);
    }
    told
}
