//! An engine that writes down what it takes, and insists on order as the real one does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bellwether_engine::Outcome;
use bellwether_runtime::{
    Ingest, KafkaRecord, Offsets, Reply, Request, Source, SubmitError, TopicPartition,
};
use bellwether_wire::remote_write::Limits;
use parking_lot::Mutex;

/// A record that was taken.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Taken {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) is_empty: bool,
    pub(super) tenant: Option<Arc<str>>,
    /// The value of its first sample, or 0.
    pub(super) sample: i64,
}

#[derive(Default)]
pub(super) struct FakeEngine {
    is_full: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: BTreeMap<i32, i64>,
    taken: Vec<Taken>,
    refusals: VecDeque<(i64, SubmitError)>,
}

/// Offsets as a recovery gives them.
pub(super) fn offsets(next: &[(i32, i64)]) -> Offsets {
    let all = next
        .iter()
        .map(|&(partition, next)| (TopicPartition { topic: "metrics".into(), partition }, next));
    all.collect()
}

impl FakeEngine {
    pub(super) fn standing_at(next: &[(i32, i64)]) -> Arc<Self> {
        let engine = Self::default();
        engine.state.lock().next.extend(next.iter().copied());
        Arc::new(engine)
    }

    pub(super) fn set_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Relaxed);
    }

    /// Refuses the offsets, in this order, once each.
    pub(super) fn refuse(&self, refusals: impl IntoIterator<Item = (i64, SubmitError)>) {
        self.state.lock().refusals.extend(refusals);
    }

    pub(super) fn taken(&self) -> Vec<Taken> {
        self.state.lock().taken.clone()
    }

    /// The offsets of a partition in the order in which they were taken.
    pub(super) fn taken_of(&self, partition: i32) -> Vec<i64> {
        let taken = self.taken().into_iter().filter(|taken| taken.partition == partition);
        taken.map(|taken| taken.offset).collect()
    }
}

impl Ingest for FakeEngine {
    fn check(&self) -> Result<(), SubmitError> {
        if self.is_full.load(Ordering::Relaxed) { Err(SubmitError::Full) } else { Ok(()) }
    }

    fn submit(&self, request: Request, reply: Reply) -> Result<(), SubmitError> {
        self.check()?;
        let received = request.received.expect("for the journal");
        let Source::Kafka { record, expected } = received.source else { panic!("no record") };
        let KafkaRecord { at: TopicPartition { topic, partition }, offset } = record;
        assert_eq!(&*topic, "metrics");
        let decoded = received.format.decode(&received.body, &Limits::default()).unwrap();
        assert_eq!(decoded.sample_count(), request.write.sample_count());
        let result = {
            let mut state = self.state.lock();
            if state.next.get(&partition).copied() != expected {
                Err(SubmitError::OutOfTurn)
            } else if let Some((_, error)) =
                state.refusals.pop_front_if(|(refused, _)| *refused == offset)
            {
                Err(error)
            } else {
                state.next.insert(partition, offset + 1);
                let mut samples = request.write.series().flat_map(|series| series.samples);
                let sample = samples.next().map(|sample| sample.value as i64);
                let is_empty = sample.is_none();
                let sample = sample.unwrap_or_default();
                let tenant = request.tenant.clone();
                state.taken.push(Taken { partition, offset, is_empty, tenant, sample });
                let accepted_samples = request.write.sample_count() as u64;
                Ok(Outcome { accepted_samples, ..Outcome::default() })
            }
        };
        reply(result);
        Ok(())
    }
}
