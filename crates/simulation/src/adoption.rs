//! Adoption: while nothing runs, what was learned elsewhere becomes the state that the next process goes on with.

use std::ops::Range;
use std::sync::Arc;

use bellwether_engine::{Engine, Outputs, Partition, Record, Settings};
use bellwether_runtime::storage::Storage as _;
use bellwether_runtime::stored::{self, StoredBody};
use bellwether_runtime::{Adopted, Learned, Recovery, adopt};
use bellwether_series::Timestamp;

use crate::simulation::Simulation;
use crate::truth::Truth;
use crate::world::{VERSIONS, settings};

/// What was learned elsewhere, and where it came.
#[derive(Clone)]
pub(crate) struct Adoption {
    /// The configuration that it was learned under, unless a record of it says otherwise.
    settings: Arc<Settings>,
    /// The records that it was learned from.
    truth: Truth,
    /// The generation of its checkpoint.
    generation: u64,
    /// The process goes on with this record.
    pub(crate) next: u64,
    /// When it was adopted.
    pub(crate) at: Timestamp,
    /// Whether a process has gone on from it.
    is_in_force: bool,
    /// Whether nothing but damage may undo it.
    is_durable: bool,
}

impl Adoption {
    /// An engine that has learned it, and the configuration that is in force in it.
    pub(crate) fn learned(&self) -> Result<(Arc<Settings>, Engine), String> {
        let mut settings = Arc::clone(&self.settings);
        let (mut engine, mut outputs) = (Engine::new(&settings, 1), Outputs::default());
        for (sequence, record) in &self.truth.0 {
            let (received_at, body) = stored::decode(record)
                .map_err(|error| format!("record {sequence} cannot be understood: {error}"))?;
            engine.apply(&Record { received_at, body: body.as_record_body() }, &mut outputs);
            if let StoredBody::Configuration(newer) = body {
                settings = newer;
            }
        }
        Ok((settings, engine))
    }
}

impl Simulation {
    /// Something is learned from a part of the records, and adopted, as far as it gets. Nothing runs, and the model is where
    /// the last process was; that would have gone on with the record `next`.
    pub(crate) fn adopt(&mut self, next: u64) -> Result<(), String> {
        self.storage.kill();
        self.sinks.lock().end(false);
        let adoption = self.learn_elsewhere(next);
        let (settings, mut engine) = adoption.learned()?;
        let cold: usize = engine.partitions().iter().map(Partition::cold_series).sum();
        let (intake, partitions) = engine.into_learned();
        let learned = Learned { settings, intake, partitions };
        if !self.is_calm && self.of_adoption.one_in(2) {
            self.order_fault(400);
        }
        let durability = self.durability();
        let adopted = adopt(learned, &durability, adoption.at);
        self.trace.note(&format!("adopts {cold} silent series: {adopted:?}"));
        let ends = self.model.firing.len() as u64;
        let generation = adoption.generation;
        let is_durable = match &adopted {
            Ok(adopted) if *adopted == (Adopted { generation, next, ended_alerts: ends }) => true,
            Ok(adopted) => {
                return Err(format!("adopted {adopted:?}, not {generation} {next} {ends}"));
            }
            Err(error) if self.plan.fault_every == 0 => {
                return Err(format!("cannot be adopted: {error}"));
            }
            Err(_) => false,
        };
        self.seen.no_adoptions += u64::from(!is_durable);
        self.seen.adopted_cold += cold as u64 * u64::from(is_durable);
        self.seen.adopted_ends += ends * u64::from(is_durable);
        self.adoptions.push(Adoption { is_durable, ..adoption });
        let with_machine = !self.is_calm && self.random.one_in(2);
        self.die_with(with_machine);
        Ok(())
    }

    /// What another engine learns from the records, but for some of them.
    fn learn_elsewhere(&mut self, next: u64) -> Adoption {
        let random = &mut self.of_adoption;
        let settings = settings(&self.plan, random.below(VERSIONS));
        let mut truth = self.truth.clone();
        let from = random.below(next as usize) as u64;
        let left_out: Range<u64> = from..from + random.below(next as usize) as u64 / 2;
        truth.0.retain(|sequence, _| !left_out.contains(sequence));
        let generation = self.newest_generation() + 1;
        let at = self.clock.get();
        let (is_in_force, is_durable) = (false, false);
        Adoption { settings, truth, generation, next, at, is_in_force, is_durable }
    }

    /// That of the newest checkpoint, valid or not; 0 if there is none.
    fn newest_generation(&self) -> u64 {
        let files = self.storage.list("checkpoint").unwrap_or_default();
        let number = |name: &str| name.strip_suffix(".checkpoint")?.parse().ok();
        files.iter().filter_map(|file| number(&file.name)).max().unwrap_or(0)
    }

    /// A process has found `found`: which states that were adopted count. Returns below which record those that count no more have
    /// stood for all: what a crash had taken of these shows only now.
    pub(crate) fn settle_adoptions(&mut self, found: &Recovery) -> Result<u64, String> {
        let newest = found.generation.unwrap_or(0);
        let count = self.adoptions.partition_point(|adoption| adoption.generation <= newest);
        let undone = &self.adoptions[count..];
        if undone.iter().any(|adoption| adoption.is_durable) && found.rejected.is_empty() {
            return Err("what was adopted is gone, although nothing is damaged".to_owned());
        }
        let hidden_below = undone.iter().map(|undone| undone.next).max().unwrap_or(0);
        let first = undone.iter().find(|adoption| adoption.is_in_force).map(|first| first.next);
        self.seen.adoptions_undone +=
            undone.iter().filter(|undone| undone.is_in_force).count() as u64;
        if let Some(first) = first {
            let truth = self.truth.clone();
            self.excuse(&truth, first)?;
        }
        self.adoptions.truncate(count);
        let is_new = self.adoptions.last().is_some_and(|newest| !newest.is_in_force);
        if let Some(newest) = self.adoptions.last_mut() {
            newest.is_in_force = true;
        }
        self.seen.adoptions += u64::from(is_new);
        if is_new || first.is_some() {
            self.model = self.model_of(&self.truth)?;
        }
        if is_new {
            // An alert that begins with a sample that was judged before and is judged again has the id of the one of before, and its
            // end that of the end of before: a sample that waited for its turn in what was learned, or one that was left out and is
            // sent again.
            self.sinks.lock().excused.extend(self.model.events.keys().cloned());
        }
        Ok(hidden_below)
    }
}
