//! A run: everything happens in an order that the seed decides, on one thread.

use std::collections::BTreeSet;
use std::sync::Arc;

use bellwether_runtime::NoCheckpoint;
use bellwether_runtime::testing::{FaultyStorage, Line, Stepped};
use parking_lot::Mutex;

use crate::adoption::Adoption;
use crate::clock::WallClock;
use crate::model::Model;
use crate::plan::Plan;
use crate::random::{Purpose, Random};
use crate::seen::Seen;
use crate::sender::{Answers, Sender};
use crate::sinks::Sinks;
use crate::trace::Trace;
use crate::truth::Truth;
use crate::world::{START, World, settings};

/// Things that may happen until all is said and done; more means that it never gets there.
const ACTIONS_MAX: usize = 200_000;

/// Everything that there is.
pub(crate) struct Simulation {
    pub(crate) plan: Plan,
    pub(crate) random: Random,
    pub(crate) world: World,
    pub(crate) senders: Vec<Sender>,
    pub(crate) clock: Arc<WallClock>,
    pub(crate) storage: FaultyStorage,
    pub(crate) sinks: Arc<Mutex<Sinks>>,
    pub(crate) answers: Answers,
    pub(crate) truth: Truth,
    pub(crate) model: Model,
    pub(crate) process: Option<Stepped>,
    /// Monotonic time, and when the process was opened.
    pub(crate) now_ms: u64,
    pub(crate) opened_ms: u64,
    pub(crate) round: usize,
    pub(crate) version: usize,
    /// The configuration that the model began with.
    pub(crate) first_version: usize,
    pub(crate) shards: usize,
    /// Sources of requests that were acknowledged.
    pub(crate) acknowledged: BTreeSet<String>,
    /// What is known to be on the disk for good.
    pub(crate) durable: Durable,
    /// Of the journal of this process, as they were last.
    pub(crate) syncs: u64,
    pub(crate) failures: u64,
    pub(crate) crashed: bool,
    /// Checkpoints of which a bit has flipped.
    pub(crate) damaged: BTreeSet<String>,
    /// Records that were in a segment of the journal which is damaged.
    pub(crate) gone: BTreeSet<u64>,
    /// Decides about that.
    pub(crate) of_damage: Random,
    /// States that were adopted, oldest first, and still count; the last may be one of which nobody knows yet whether it does.
    pub(crate) adoptions: Vec<Adoption>,
    /// Decides about that.
    pub(crate) of_adoption: Random,
    pub(crate) in_checkpoint: bool,
    /// How fast time passes while a checkpoint is made, in percent.
    pub(crate) pace_percent: i64,
    pub(crate) is_calm: bool,
    pub(crate) trace: Trace,
    pub(crate) seen: Seen,
    pub(crate) fault: Option<String>,
}

/// Which records survive whatever happens, where not each commit is made durable.
#[derive(Debug, Default)]
pub(crate) struct Durable {
    /// Records with a lower sequence do, but for `doubtful`.
    pub(crate) below: u64,
    /// From and to: a sync that was to write them failed.
    pub(crate) doubtful: Vec<(u64, u64)>,
}

impl Durable {
    pub(crate) fn has(&self, sequence: u64) -> bool {
        let is_doubtful = |&(from, to): &(u64, u64)| (from..to).contains(&sequence);
        sequence < self.below && !self.doubtful.iter().any(is_doubtful)
    }
}

impl Simulation {
    pub(crate) fn new(seed: u64) -> Self {
        let plan = Plan::new(seed);
        let first = settings(&plan, 0);
        Self {
            random: Random::new(seed, Purpose::Events),
            world: World::new(&plan),
            senders: (0..plan.senders)
                .map(|number| Sender::new(number, plan.overtake_every))
                .collect(),
            clock: Arc::new(WallClock::new(START)),
            storage: FaultyStorage::new(seed),
            sinks: Arc::new(Mutex::new(Sinks::new(seed))),
            answers: Answers::default(),
            truth: Truth::default(),
            model: Model::new(&first),
            process: None,
            now_ms: 0,
            opened_ms: 0,
            round: 0,
            version: 0,
            first_version: 0,
            shards: 1,
            acknowledged: BTreeSet::new(),
            durable: Durable::default(),
            syncs: 0,
            failures: 0,
            crashed: false,
            damaged: BTreeSet::new(),
            gone: BTreeSet::new(),
            of_damage: Random::new(seed, Purpose::Damage),
            adoptions: Vec::new(),
            of_adoption: Random::new(seed, Purpose::Adoption),
            in_checkpoint: false,
            pace_percent: 100,
            is_calm: plan.fault_every == 0,
            trace: Trace::default(),
            seen: Seen::default(),
            fault: None,
            plan,
        }
    }

    /// Lives until all rounds are over and everything that was sent was taken, and looks whether all is as it must be.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        let first = format!("{:?}", self.plan);
        self.trace.note(&first);
        self.open()?;
        let mut actions = 0;
        while self.round < self.plan.rounds || !self.senders.iter().all(Sender::is_done) {
            actions += 1;
            if actions > ACTIONS_MAX {
                return Err("it does not get going again".to_owned());
            }
            if self.round >= self.plan.rounds && !self.is_calm {
                self.is_calm = true;
                self.heal();
            }
            self.happen()?;
        }
        self.finish()
    }

    /// One thing happens.
    fn happen(&mut self) -> Result<(), String> {
        let Some(mut process) = self.process.take() else {
            return self.open();
        };
        if self.random.one_in(200) {
            self.checkpoint(&mut process);
        } else {
            self.act(process.line());
        }
        if let Some(fault) = self.fault.take().or_else(|| self.sinks.lock().fault()) {
            return Err(fault);
        }
        if self.storage.has_stopped() {
            self.seen.ends_in_operations += 1;
            self.seen.ends_in_checkpoints += u64::from(std::mem::take(&mut self.in_checkpoint));
            return self.end(process);
        }
        self.in_checkpoint = false;
        if !self.is_calm && self.random.one_in(self.plan.fault_every * 20) {
            return self.end(process);
        }
        if self.random.one_in(8000) {
            return self.stop(process);
        }
        self.process = Some(process);
        Ok(())
    }

    fn checkpoint(&mut self, process: &mut Stepped) {
        self.pace_percent = self.random.choose(&[1, 10, 100]);
        self.in_checkpoint = true;
        let cold = process.line().handle().stats().kept().cold;
        let made = process.checkpoint(&mut |line| {
            self.act(line);
            !self.storage.has_stopped() && self.fault.is_none()
        });
        self.pace_percent = 100;
        match &made {
            Ok(_) => self.seen.checkpoints += 1,
            Err(error) => {
                self.seen.no_checkpoints += 1;
                self.seen.reconfigured += u64::from(matches!(error, NoCheckpoint::Reconfigured));
                self.seen.unsettled += u64::from(matches!(error, NoCheckpoint::Unsettled));
            }
        }
        self.trace.note(&format!("checkpoint {made:?}"));
        let now = process.line().handle().stats().kept().cold;
        self.seen.cold_failures += now.failures - cold.failures;
        self.seen.cold_segments_removed += now.segments_removed - cold.segments_removed;
        if now.lost > 0 {
            self.fault = Some(format!("states of silent series are lost: {now:?}"));
        }
        // Before retention removes what it covers.
        if !self.storage.has_stopped() {
            self.learn(process.line());
        }
    }

    /// Takes in what the running process has written.
    pub(crate) fn learn(&mut self, line: &Line) {
        let adopted_below = self.adoptions.last().map_or(0, |adoption| adoption.next);
        let found = Truth::read(&self.storage, line.committed_below());
        if let Err(fault) = found.and_then(|(found, _)| self.truth.learn(found, adopted_below)) {
            self.fault.get_or_insert(fault);
        }
    }

    /// Counts what became of the journal's segments in a process that ends.
    pub(crate) fn count_segments(&mut self, line: &Line) {
        let journal = line.handle().stats().kept().journal;
        self.seen.segments_removed += journal.segments_removed;
        self.seen.segments_given_up += journal.segments_given_up;
    }

    /// The process ends, and whoever sent something hears no more of it.
    fn end(&mut self, mut process: Stepped) -> Result<(), String> {
        self.learn(process.line());
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        // Sometimes it gets to the end of what it had committed.
        if self.random.one_in(3) {
            process.line().drain();
            self.model.advance(&self.truth)?;
            if !self.model.is_in(&process.line().save()) {
                return Err("the state at an end is not that of the model".to_owned());
            }
        }
        self.count_segments(process.line());
        drop(process);
        self.die();
        self.open()
    }

    /// What an end does to everything outside of the process.
    pub(crate) fn die(&mut self) {
        let with_machine = self.random.one_in(2);
        self.die_with(with_machine);
    }

    /// The process ends, with the machine or without.
    pub(crate) fn die_with(&mut self, with_machine: bool) {
        self.trace.note(if with_machine { "the machine stops" } else { "killed" });
        if with_machine {
            self.storage.crash();
            self.crashed = true;
            self.seen.crashes += 1;
        } else {
            self.storage.kill();
            self.seen.kills += 1;
        }
        self.sinks.lock().end(with_machine);
        self.leave();
    }

    fn leave(&mut self) {
        self.answers.lock().clear();
        self.senders.iter_mut().for_each(Sender::forget);
        if self.random.one_in(2) {
            self.heal();
        }
        let away_ms = self.random.between(0, 60_000);
        self.now_ms += away_ms as u64;
        self.clock.advance(away_ms);
    }

    /// An operator stops it.
    pub(crate) fn stop(&mut self, mut process: Stepped) -> Result<(), String> {
        self.trace.note("stopped");
        self.learn(process.line());
        // Nobody sees whether the sync fails with which it ends.
        let end = process.line().committed_below();
        self.doubt(end);
        process.stop(self.now_ms - self.opened_ms);
        self.seen.stops += 1;
        self.sinks.lock().flush();
        self.storage.kill();
        self.sinks.lock().end(false);
        self.leave();
        self.open()
    }
}
