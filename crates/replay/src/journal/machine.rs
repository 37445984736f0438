//! The engine, laid out in ways that must not matter.

use std::collections::BTreeSet;
use std::sync::Arc;

use bellwether_detect::Tables;
use bellwether_engine::{
    AlertCap, Engine, Event, Intake, Outcome, Outputs, Record, RecordBody, Settings, Shard, Work,
};
use bellwether_runtime::stored::StoredBody;

use super::cut::Cutter;
use super::error::JournalReplayError;
use super::tape::Played;

/// What takes the records of a journal.
pub(super) trait Machine {
    /// Applies a record under `settings`, those in force from it on; its events, in log order, go to `events`. Says
    /// how many records the engine made of it.
    fn apply(
        &mut self,
        played: &Played,
        settings: &Arc<Settings>,
        events: &mut Vec<Event>,
    ) -> Result<u64, JournalReplayError>;
}

fn record<'a>(played: &Played, body: RecordBody<'a>) -> Record<'a> {
    Record { received_at: played.received_at, body }
}

/// The engine on one thread.
pub(super) struct Whole {
    pub(super) engine: Engine,
    pub(super) outputs: Outputs,
}

impl Whole {
    pub(super) fn new(settings: &Arc<Settings>) -> Self {
        Self { engine: Engine::new(settings, 1), outputs: Outputs::default() }
    }

    /// Applies the record; what comes out is in `outputs`.
    pub(super) fn step(&mut self, played: &Played) -> Outcome {
        self.engine.apply(&record(played, played.body.as_record_body()), &mut self.outputs)
    }
}

impl Machine for Whole {
    fn apply(
        &mut self,
        played: &Played,
        _: &Arc<Settings>,
        events: &mut Vec<Event>,
    ) -> Result<u64, JournalReplayError> {
        self.step(played);
        events.append(&mut self.outputs.events);
        Ok(1)
    }
}

/// Partitions dealt to shards, their outputs put together as the runtime does.
pub(super) struct Sharded {
    intake: Intake,
    shards: Vec<Shard>,
    cap: AlertCap,
    work: Vec<Work>,
}

impl Sharded {
    pub(super) fn new(settings: &Arc<Settings>, count: usize) -> Self {
        let tables = Tables::default();
        let shard = |index| Shard::new(settings, &tables, index, count);
        Self {
            intake: Intake::new(Arc::clone(settings), 2),
            shards: (0..count).map(shard).collect(),
            cap: AlertCap::new(Arc::clone(settings)),
            work: (0..count).map(|_| Work::default()).collect(),
        }
    }
}

impl Machine for Sharded {
    fn apply(
        &mut self,
        played: &Played,
        _: &Arc<Settings>,
        events: &mut Vec<Event>,
    ) -> Result<u64, JournalReplayError> {
        if let StoredBody::Configuration(settings) = &played.body {
            self.cap.configure(settings);
        }
        let record = record(played, played.body.as_record_body());
        let routed = self.intake.apply(&record, &mut self.work);
        let mut outputs = Outputs::default();
        // Whichever shard is done last: their outputs come together in any order.
        for (shard, work) in self.shards.iter_mut().zip(&mut self.work).rev() {
            shard.apply(routed.elapsed_ms, work, &mut outputs);
        }
        outputs.sort();
        events.append(&mut self.cap.apply(outputs.events, routed.elapsed_ms));
        Ok(1)
    }
}

/// The engine on one thread, each request cut into smaller ones.
pub(super) struct Cut {
    whole: Whole,
    cutter: Cutter,
}

impl Cut {
    pub(super) fn new(settings: &Arc<Settings>, seed: u64) -> Self {
        Self { whole: Whole::new(settings), cutter: Cutter::new(seed) }
    }
}

impl Machine for Cut {
    fn apply(
        &mut self,
        played: &Played,
        settings: &Arc<Settings>,
        events: &mut Vec<Event>,
    ) -> Result<u64, JournalReplayError> {
        let StoredBody::Request { tenant, write, .. } = &played.body else {
            return self.whole.apply(played, settings, events);
        };
        let parts = self.cutter.cut(write)?;
        if parts.is_empty() {
            return self.whole.apply(played, settings, events);
        }
        let Whole { engine, outputs } = &mut self.whole;
        for part in &parts {
            let body = RecordBody::Request { tenant, write: part };
            engine.apply(&record(played, body), outputs);
            events.append(&mut outputs.events);
        }
        Ok(parts.len() as u64)
    }
}

/// The engine on one thread, saved and restored after some records.
pub(super) struct Restored {
    whole: Whole,
    /// After how many records.
    after: BTreeSet<u64>,
    records: u64,
}

impl Restored {
    pub(super) fn new(settings: &Arc<Settings>, after: BTreeSet<u64>) -> Self {
        Self { whole: Whole::new(settings), after, records: 0 }
    }
}

impl Machine for Restored {
    fn apply(
        &mut self,
        played: &Played,
        settings: &Arc<Settings>,
        events: &mut Vec<Event>,
    ) -> Result<u64, JournalReplayError> {
        self.whole.apply(played, settings, events)?;
        self.records += 1;
        if self.after.contains(&self.records) {
            let state = self.whole.engine.save();
            let sequence = played.sequence;
            self.whole.engine = Engine::restore(settings, self.records, &state)
                .map_err(|source| JournalReplayError::State { sequence, source })?;
        }
        Ok(1)
    }
}
