//! The oracle: one engine that is handed the records that count, one after the other, and never ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_engine::{ChangeKind, Counts, Engine, Event, Outputs, Record, Settings};
use bellwether_runtime::stored;
use bellwether_runtime::testing::{SavedParts, ended_by_adoption};
use bellwether_series::{Fingerprint, put_varint};

use crate::adoption::Adoption;
use crate::truth::Truth;

/// An engine, and all that it said.
pub(crate) struct Model {
    engine: Engine,
    outputs: Outputs,
    /// Of everything so far.
    pub(crate) counts: Counts,
    /// Records with a lower sequence were applied.
    below: u64,
    /// By id: the record that it follows from, and the event.
    pub(crate) events: BTreeMap<String, (u64, String)>,
    /// The newest event of each alert that fires, by episode.
    pub(crate) firing: BTreeMap<Fingerprint, Event>,
}

impl Model {
    pub(crate) fn new(settings: &Arc<Settings>) -> Self {
        Self {
            engine: Engine::new(settings, 1),
            outputs: Outputs::default(),
            counts: Counts::default(),
            below: 0,
            events: BTreeMap::new(),
            firing: BTreeMap::new(),
        }
    }

    /// One under `settings` that is handed all of `truth`, and adopts `adoptions` where they come.
    pub(crate) fn of(
        settings: &Arc<Settings>,
        truth: &Truth,
        adoptions: &[Adoption],
    ) -> Result<Self, String> {
        let mut model = Self::new(settings);
        for adoption in adoptions {
            model.advance_to(truth, adoption.next)?;
            model.adopt(adoption)?;
        }
        model.advance(truth)?;
        Ok(model)
    }

    /// Applies the records that are new.
    pub(crate) fn advance(&mut self, truth: &Truth) -> Result<(), String> {
        self.advance_to(truth, u64::MAX)
    }

    /// Applies those of them that have a sequence below `end`.
    fn advance_to(&mut self, truth: &Truth, end: u64) -> Result<(), String> {
        for (&sequence, record) in truth.0.range(self.below.min(end)..end) {
            let (received_at, body) = stored::decode(record)
                .map_err(|error| format!("record {sequence} cannot be understood: {error}"))?;
            let record = Record { received_at, body: body.as_record_body() };
            self.engine.apply(&record, &mut self.outputs);
            self.counts.add(&self.outputs.counts);
            self.below = sequence + 1;
            for event in std::mem::take(&mut self.outputs.events) {
                self.enter(sequence, event);
            }
        }
        Ok(())
    }

    /// Goes on with what was learned elsewhere: alerts that stand end.
    fn adopt(&mut self, adoption: &Adoption) -> Result<(), String> {
        let (settings, learned) = adoption.learned()?;
        self.engine.adopt(&settings, learned.into_learned());
        for alert in std::mem::take(&mut self.firing).into_values() {
            self.enter(adoption.next, ended_by_adoption(&alert, adoption.at));
        }
        Ok(())
    }

    fn enter(&mut self, sequence: u64, event: Event) {
        self.events.insert(event.id.clone(), (sequence, format!("{event:?}")));
        match event.change {
            ChangeKind::Firing | ChangeKind::Escalated if event.alert => {
                self.firing.insert(event.episode_id, event);
            }
            ChangeKind::Resolved => _ = self.firing.remove(&event.episode_id),
            _ => {}
        }
    }

    /// Whether `saved` is the state of this engine, to the last bit.
    pub(crate) fn is_in(&self, saved: &SavedParts) -> bool {
        let mut tail = Vec::new();
        for part in [&saved.intake, &saved.cap].into_iter().chain(&saved.partitions) {
            put_varint(&mut tail, part.len() as u64);
            tail.extend_from_slice(part);
        }
        self.engine.save().ends_with(&tail)
    }
}
