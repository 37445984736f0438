//! How a process starts, and what must hold once it has: it is where the model is.

use std::sync::Arc;

use bellwether_engine::RecordKind;
use bellwether_runtime::storage::ReserveOptions;
use bellwether_runtime::testing::Stepped;
use bellwether_runtime::{
    Durability, HEARTBEAT, Options, Recovery, RecoveryError, TENANT_UNDER_WAY,
};
use std::time::Duration;

use crate::model::Model;
use crate::simulation::{Durable, Simulation};
use crate::sinks::Outlets;
use crate::truth::{Truth, source};
use crate::world::{VERSIONS, settings};

/// Starts that may go wrong, one after the other.
const ATTEMPTS: usize = 4;
/// Of so many starts one is from a state that was learned elsewhere.
const ADOPTION_EVERY: usize = 8;
const CONFIGURATION: u8 = RecordKind::Configuration as u8;

impl Simulation {
    /// Starts a process, which may take several attempts, and looks whether it is where it must be.
    pub(crate) fn open(&mut self) -> Result<(), String> {
        let shards = self.random.choose(&[1, 1, 2, 3, 5, 16, 64]);
        self.seen.reshards += u64::from(shards != self.shards);
        self.shards = shards;
        if self.random.one_in(5) {
            self.version = self.random.below(VERSIONS);
        }
        self.damage()?;
        let mut is_adopting = self.of_adoption.one_in(ADOPTION_EVERY);
        for attempt in 0.. {
            if attempt + 1 >= ATTEMPTS {
                self.heal();
            } else if self.plan.fault_every > 0 && self.random.one_in(6) {
                self.order_fault(6);
            }
            (self.syncs, self.failures) = (0, 0);
            match self.start() {
                Ok((mut process, found)) => {
                    self.check_start(&mut process, &found)?;
                    if !self.storage.has_stopped() {
                        if !std::mem::take(&mut is_adopting) || self.is_headless(&found) {
                            self.process = Some(process);
                            return Ok(());
                        }
                        let next = process.line().committed_below();
                        drop(process);
                        self.adopt(next)?;
                        continue;
                    }
                    self.seen.ends_in_recovery += 1;
                }
                Err(error) if attempt + 1 < ATTEMPTS => {
                    self.seen.ends_in_recovery += u64::from(self.storage.has_stopped());
                    self.trace.note(&format!("does not start: {error}"));
                    // A sync may have failed of what it found.
                    let end = self.truth.0.last_key_value().map_or(0, |(&last, _)| last + 1);
                    self.doubt(end);
                }
                Err(error) => return Err(format!("does not start: {error}")),
            }
            self.die();
        }
        Ok(())
    }

    /// What a process keeps, and where.
    pub(crate) fn durability(&mut self) -> Durability {
        Durability {
            storage: Arc::new(self.storage.clone()),
            journal: self.plan.journal.clone(),
            checkpoints: self.plan.checkpoints.clone(),
            cold: self.plan.cold.clone(),
            checkpoint_every: Duration::from_mins(1),
            reserve: ReserveOptions { bytes_max: 5_000, volume_percent_max: 5 },
            deliveries: Arc::new(Outlets(Arc::clone(&self.sinks))),
            id_seed: self.random.bits(),
        }
    }

    fn start(&mut self) -> Result<(Stepped, Recovery), RecoveryError> {
        let sinks = Arc::clone(&self.sinks);
        let on_news = Box::new(move |news| sinks.lock().hear(news));
        let durability = self.durability();
        let options = Options {
            shards: self.shards,
            queue_requests_max: self.plan.queue_requests_max,
            tenant_under_way_max: TENANT_UNDER_WAY,
            heartbeat: HEARTBEAT,
            hash_seed: self.random.bits(),
        };
        self.opened_ms = self.now_ms;
        let settings = settings(&self.plan, self.version);
        Stepped::open(&settings, options, Arc::clone(&self.clock) as _, on_news, durability)
    }

    /// Whether what comes first was recorded under a configuration that is lost: then it is judged by that of whoever reads it,
    /// and where something is adopted that is the adopted one.
    fn is_headless(&self, found: &Recovery) -> bool {
        let first = self.truth.0.first_key_value();
        found.generation.is_none() && first.is_none_or(|(_, record)| record.kind != CONFIGURATION)
    }

    /// What was found is what there was; what is known by now is what the model knows.
    fn check_start(&mut self, process: &mut Stepped, found: &Recovery) -> Result<(), String> {
        let line = process.line();
        line.drain();
        self.trace.note(&format!(
            "started: {:?} {} {} {}",
            found.generation,
            found.covered_below,
            found.records,
            line.committed_below()
        ));
        self.seen.restored += u64::from(found.generation.is_some());
        self.seen.fallbacks += u64::from(!found.rejected.is_empty());
        self.seen.replayed += found.records;
        if !found.unreadable.is_empty() {
            return Err(format!("cannot be understood: {:?}", found.unreadable));
        }
        let (journal, gaps) = Truth::read(&self.storage, line.committed_below())?;
        // Where a crash took the end of what an adopted state covers, the gap shows with the next segment.
        let is_explained = self.crashed || self.seen.adoptions > 0;
        if gaps > 0 && !is_explained && self.seen.gaps == 0 && self.seen.damages == 0 {
            return Err(format!("{gaps} gaps in the journal: {found:?}"));
        }
        let is_damaged = self.crashed
            || self.seen.gaps + gaps + self.seen.damages > 0
            || !found.rejected.is_empty();
        if !found.gaps.is_empty() && !is_damaged {
            return Err(format!("told of damage that there is not: {found:?}"));
        }
        self.seen.gaps += gaps;
        let hidden_below = self.settle_adoptions(found)?;
        self.settle_truth(journal, found, hidden_below)?;
        let firing = self.advance_at_start()?;
        if !self.model.is_in(&line.save()) {
            return Err("the state after a start is not that of the model".to_owned());
        }
        let standing = std::mem::take(&mut self.sinks.lock().standing);
        let standing = format!("{:?}", standing.iter().collect::<Vec<_>>());
        if !firing.contains(&standing) {
            return Err(format!("told that these stand:\n{standing}\nbut firing are:\n{firing:?}"));
        }
        // What was found is durable, unless a sync had failed before; the configuration may have been recorded since.
        self.durable.below = line.committed_below().saturating_sub(1);
        self.crashed = false;
        Ok(())
    }

    /// What counts from now on: what the checkpoint covers, and what the journal has behind it.
    fn settle_truth(
        &mut self,
        mut journal: Truth,
        found: &Recovery,
        hidden_below: u64,
    ) -> Result<(), String> {
        let covered_below = found.covered_below;
        let behind = journal.0.split_off(&covered_below);
        let before = self.truth.0.split_off(&covered_below);
        let lost: Vec<u64> = before
            .iter()
            .filter(|(sequence, record)| behind.get(sequence) != Some(record))
            .map(|(sequence, _)| *sequence)
            .collect();
        // What a crash of before has taken may have been in a checkpoint that is damaged now. What is restated stands for it.
        let is_begun_anew = found.generation.is_none() && !found.rejected.is_empty();
        let first = behind.first_key_value().map_or(u64::MAX, |(&first, _)| first);
        let explained = |sequence: u64| {
            self.gone.contains(&sequence)
                || is_begun_anew && !self.gone.is_empty() && sequence <= first
                || !self.durable.has(sequence)
                    && (self.crashed
                        || sequence < self.durable.below.max(hidden_below) && self.seen.crashes > 0)
        };
        if !lost.iter().all(|&sequence| explained(sequence)) {
            let (Durable { below, doubtful }, crashed) = (&self.durable, self.crashed);
            return Err(format!(
                "records are lost: {lost:?}, durable below {below} but for {doubtful:?}, crashed: {crashed}"
            ));
        }
        if lost.iter().any(|sequence| self.gone.contains(sequence)) {
            self.seen.damage_losses += 1;
            let Recovery { gaps, torn_tail, rejected, .. } = found;
            if gaps.is_empty() && torn_tail.is_none() && rejected.is_empty() {
                return Err(format!("nobody was told that these are damaged: {lost:?}"));
            }
        }
        // Where the first configuration is lost, what comes behind it is judged by that of the day.
        let first =
            if covered_below > 1 { before.first_key_value() } else { behind.first_key_value() };
        let is_headless = first.is_none_or(|(_, record)| record.kind != CONFIGURATION);
        let is_judged_anew =
            covered_below == 1 && is_headless && self.version != self.first_version;
        if !lost.is_empty() || is_judged_anew {
            self.seen.losses += u64::from(!lost.is_empty());
            self.trace.note(&format!("lost {lost:?}"));
            let from = if is_judged_anew { 0 } else { lost[0] };
            let mut old = self.truth.clone();
            old.0.extend(before.clone());
            self.excuse(&old, from)?;
            // Where each commit is made durable, that may happen only to what nobody was promised.
            for sequence in &lost {
                if (!self.plan.is_safe() || self.gone.contains(sequence) || is_begun_anew)
                    && let Some(source) = source(&before[sequence])
                {
                    self.acknowledged.remove(&source);
                }
            }
            if covered_below == 1 {
                self.first_version = self.version;
            }
            self.model = self.model_of(&self.truth)?;
        }
        self.truth.0.extend(behind);
        self.check_acknowledged()
    }

    /// The model of what counts.
    pub(crate) fn model_of(&self, truth: &Truth) -> Result<Model, String> {
        Model::of(&settings(&self.plan, self.first_version), truth, &self.adoptions)
    }

    /// Events of records from `from` on may be told otherwise the next time, because some of these are lost.
    pub(crate) fn excuse(&mut self, old: &Truth, from: u64) -> Result<(), String> {
        let model = self.model_of(old)?;
        let told = model.events.into_iter().filter(|(_, (sequence, _))| *sequence >= from);
        self.sinks.lock().excused.extend(told.map(|(id, _)| id));
        Ok(())
    }

    pub(crate) fn check_acknowledged(&self) -> Result<(), String> {
        let sources = self.truth.sources();
        match self.acknowledged.iter().find(|&id| !sources.contains(id)) {
            Some(id) => Err(format!("request {id} was acknowledged and is lost")),
            None => Ok(()),
        }
    }

    /// Brings the model to where the process is. Says what fires then, and what fired before the last record if that is
    /// the configuration: it may have been recorded after those were told who are told what stands.
    fn advance_at_start(&mut self) -> Result<Vec<String>, String> {
        let told = |model: &Model| format!("{:?}", model.firing.values().collect::<Vec<_>>());
        let mut firing = Vec::new();
        if let Some(last) =
            self.truth.0.last_entry().filter(|last| last.get().kind == CONFIGURATION)
        {
            let (sequence, last) = last.remove_entry();
            self.model.advance(&self.truth)?;
            firing.push(told(&self.model));
            self.truth.0.insert(sequence, last);
        }
        self.model.advance(&self.truth)?;
        firing.push(told(&self.model));
        Ok(firing)
    }
}
