//! The engine of one partition of a topic, on one thread: its records are its only inputs.

use std::sync::Arc;

use bellwether_engine::{
    Counts, Engine, Event, Gauge, Outcome, Outputs, Record, RecordBody, SeriesView, Settings,
    StateError, Usage,
};
use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::WriteRequest;

use super::snapshot::Snapshot;
use crate::alerts::{AlertBook, AlertFigures};

/// The engine of a partition.
///
/// State and events are a function of the configuration and of the partition's records alone: `now` is the timestamp of the
/// record, or that of an earlier one where it goes back.
pub(super) struct Cell {
    settings: Arc<Settings>,
    engine: Engine,
    outputs: Outputs,
    book: AlertBook,
    alerts: AlertFigures,
    last_received: Timestamp,
    next: Option<i64>,
}

/// One record of the partition.
pub(super) struct CellRecord<'a> {
    /// Its offset.
    pub(super) offset: i64,
    /// Its timestamp.
    pub(super) received_at: Timestamp,
    /// Whose it is; empty where there are no tenants.
    pub(super) tenant: &'a str,
    /// What it brings.
    pub(super) write: &'a WriteRequest,
}

/// What a record brought.
pub(super) struct Applied {
    pub(super) outcome: Outcome,
    pub(super) counts: Counts,
    pub(super) events: Vec<Event>,
    pub(super) gauges: Vec<Gauge>,
}

impl Cell {
    /// A cell that has seen nothing. `hash_seed`: see [`bellwether_engine::Intake::new`].
    pub(super) fn new(settings: &Arc<Settings>, hash_seed: u64) -> Self {
        Self {
            settings: Arc::clone(settings),
            engine: Engine::new(settings, hash_seed),
            outputs: Outputs::default(),
            book: AlertBook::default(),
            alerts: AlertFigures::default(),
            last_received: Timestamp::MIN,
            next: None,
        }
    }

    /// The cell that `snapshot` is of, under the configuration that it had.
    pub(super) fn restore(snapshot: &Snapshot, hash_seed: u64) -> Result<Self, StateError> {
        let settings = &snapshot.settings;
        let mut alerts = AlertFigures::default();
        let book = AlertBook::of(snapshot.firing.clone(), &mut alerts);
        Ok(Self {
            settings: Arc::clone(settings),
            engine: Engine::restore(settings, hash_seed, &snapshot.engine)?,
            outputs: Outputs::default(),
            book,
            alerts,
            last_received: snapshot.last_received,
            next: Some(snapshot.next),
        })
    }

    /// The offset that comes next; `None` before the first record.
    pub(super) fn next(&self) -> Option<i64> {
        self.next
    }

    /// Series that it knows, and those of them that are judged.
    pub(super) fn series(&self) -> (usize, usize) {
        (self.engine.intake().series(), self.engine.intake().watched())
    }

    /// At most `limit` of its series for which `wanted` holds.
    pub(super) fn view(
        &mut self,
        wanted: &dyn Fn(&LabelSet) -> bool,
        limit: usize,
    ) -> Vec<SeriesView> {
        self.engine.view(wanted, limit)
    }

    /// What memory is used for, and which metrics have the most series.
    pub(super) fn usage(&self) -> Usage {
        self.engine.usage()
    }

    /// Its alerts, since it was opened.
    pub(super) fn alerts(&self) -> &AlertFigures {
        &self.alerts
    }

    /// The newest event of each alert that fires.
    pub(super) fn firing(&self) -> Vec<Event> {
        self.book.firing().cloned().collect()
    }

    /// Applies a record.
    pub(super) fn apply(&mut self, record: &CellRecord<'_>) -> Applied {
        self.last_received = self.last_received.max(record.received_at);
        self.next = Some(record.offset + 1);
        let (tenant, write) = (record.tenant, record.write);
        self.step(RecordBody::Request { tenant, write })
    }

    /// Goes on under `settings`, if they are others; what that brought.
    pub(super) fn configure(&mut self, settings: &Arc<Settings>) -> Option<Applied> {
        if self.settings == *settings {
            return None;
        }
        self.settings = Arc::clone(settings);
        Some(self.step(RecordBody::Configuration(Arc::clone(settings))))
    }

    fn step(&mut self, body: RecordBody<'_>) -> Applied {
        let record = Record { received_at: self.last_received, body };
        let outcome = self.engine.apply(&record, &mut self.outputs);
        let events = std::mem::take(&mut self.outputs.events);
        for event in &events {
            self.book.enter(event, &mut self.alerts);
        }
        let gauges = std::mem::take(&mut self.outputs.gauges);
        Applied { outcome, counts: self.outputs.counts, events, gauges }
    }

    /// Its state, when the sinks stood at `marks`; `None` before the first record.
    pub(super) fn save(&self, marks: String) -> Option<Snapshot> {
        Some(Snapshot {
            next: self.next?,
            last_received: self.last_received,
            settings: Arc::clone(&self.settings),
            engine: self.engine.save(),
            firing: self.firing(),
            marks,
            undelivered: Vec::new(),
        })
    }
}
