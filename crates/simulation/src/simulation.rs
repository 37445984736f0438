//! A run: everything happens in an order that the seed decides, on one thread.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::Arc;

use bellwether_runtime::testing::{FaultyStorage, Line, Stepped};
use bellwether_runtime::{NoCheckpoint, SubmitError};
use parking_lot::Mutex;

use crate::clock::WallClock;
use crate::model::Model;
use crate::plan::Plan;
use crate::random::{Purpose, Random};
use crate::seen::Seen;
use crate::sender::{Answers, Sender};
use crate::sinks::Sinks;
use crate::trace::Trace;
use crate::truth::Truth;
use crate::world::{START, VERSIONS, World, settings};

/// Things that may happen until all is said and done; more means that it never gets there.
const ACTIONS_MAX: usize = 200_000;
/// Records that a void group may have had.
const GROUP_MESSAGES_MAX: u64 = 64;
/// Things that happen in a round, about.
const ACTIONS_PER_ROUND: i64 = 30;

/// Everything that there is.
pub(crate) struct Simulation {
    pub(crate) plan: Plan,
    pub(crate) random: Random,
    world: World,
    senders: Vec<Sender>,
    pub(crate) clock: Arc<WallClock>,
    pub(crate) storage: FaultyStorage,
    pub(crate) sinks: Arc<Mutex<Sinks>>,
    answers: Answers,
    pub(crate) truth: Truth,
    pub(crate) model: Model,
    pub(crate) process: Option<Stepped>,
    /// Monotonic time, and when the process was opened.
    pub(crate) now_ms: u64,
    pub(crate) opened_ms: u64,
    round: usize,
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
    in_checkpoint: bool,
    /// How fast time passes while a checkpoint is made, in percent.
    pace_percent: i64,
    is_calm: bool,
    pub(crate) trace: Trace,
    pub(crate) seen: Seen,
    fault: Option<String>,
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
            senders: (0..plan.senders).map(Sender::new).collect(),
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
        self.trace.note(first);
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
        self.trace.note(format!("checkpoint {made:?}"));
        // Before retention removes what it covers.
        if !self.storage.has_stopped() {
            self.learn(process.line());
        }
    }

    /// Takes in what the running process has written.
    pub(crate) fn learn(&mut self, line: &Line) {
        let found = Truth::read(&self.storage, line.committed_below());
        if let Err(fault) = found.and_then(|(found, _)| self.truth.learn(found)) {
            self.fault.get_or_insert(fault);
        }
    }

    /// Something happens to a process that runs.
    fn act(&mut self, line: &mut Line) {
        // While a checkpoint is made it goes on quickly, else it would take a whole run.
        if self.in_checkpoint && self.random.one_in(2) {
            if self.random.one_in(3) {
                self.record(line)
            } else {
                self.step(line)
            }
            return;
        }
        match self.random.below(100) {
            0..25 => self.pass_time(),
            25..45 => self.send(line),
            45..60 => self.record(line),
            60..93 => self.step(line),
            93..98 => self.sinks.lock().work(self.now_ms),
            _ => self.interfere(line),
        }
    }

    /// Some of the stages take some of their messages.
    fn step(&mut self, line: &mut Line) {
        if self.random.one_in(4) {
            return line.drain();
        }
        let stage = match self.random.below(4) {
            0 => 0,
            1 => 1,
            _ => 2 + self.random.below(line.stages() - 2),
        };
        for _ in 0..self.random.between(1, 6) {
            line.step(stage);
        }
    }

    fn pass_time(&mut self) {
        let usual_ms = 4 * self.plan.round_ms / ACTIONS_PER_ROUND * self.pace_percent / 100;
        let step_ms = self.random.between(1, 2 * usual_ms.max(1));
        self.now_ms += step_ms as u64;
        self.clock.advance(step_ms);
        while self.round < self.plan.rounds
            && self.round as i64 * self.plan.round_ms <= self.now_ms as i64
        {
            for (number, sender) in self.senders.iter_mut().enumerate() {
                sender.push(self.world.body(number, self.round));
            }
            self.round += 1;
        }
    }

    fn send(&mut self, line: &Line) {
        let sender = self.random.below(self.senders.len());
        let now = self.clock.get();
        let sender = &mut self.senders[sender];
        match sender.send(line.handle(), now, &self.answers, &mut self.random) {
            None => {}
            Some(Ok(id)) => self.trace.note(format!("sent {id} at {now}")),
            Some(Err(error)) => {
                self.seen.refused += 1;
                self.trace.note(format!("refused at the door: {error:?}"));
                if error == SubmitError::Recovering || error == SubmitError::Stopping {
                    self.fault.get_or_insert(format!("refused for no reason: {error}"));
                }
            }
        }
    }

    /// The recorder has a turn; then answers arrive, if the process still lives.
    fn record(&mut self, line: &mut Line) {
        let messages_max = self.random.choose(&[1, 2, 5, 64]);
        let before = line.committed_below();
        line.record(messages_max, self.now_ms - self.opened_ms);
        self.hear_answers();
        let figures = line.handle().stats().kept().journal;
        let (syncs, failures) = (self.syncs, self.failures);
        if figures.failures > failures {
            self.seen.journal_failures += figures.failures - failures;
            self.doubt(figures.committed_below);
        }
        let durable = &mut self.durable;
        if figures.syncs > syncs {
            durable.below = durable.below.max(before);
        }
        (self.syncs, self.failures) = (figures.syncs, figures.failures);
    }

    /// A sync failed of what is below `committed_below` and not known to be durable; and of a void group behind it: should
    /// the process end before it says that it is void, it is read and counts.
    pub(crate) fn doubt(&mut self, committed_below: u64) {
        let failed = (self.durable.below, committed_below + GROUP_MESSAGES_MAX);
        if self.durable.doubtful.last() != Some(&failed) {
            self.durable.doubtful.push(failed);
        }
    }

    fn hear_answers(&mut self) {
        let answers = std::mem::take(&mut *self.answers.lock());
        if self.storage.has_stopped() {
            return;
        }
        for answer in answers {
            let is_lost = self.random.one_in(30);
            self.trace.note(format!("answer to {}: {} {is_lost}", answer.id, answer.taken));
            if answer.taken {
                self.seen.acknowledged += 1;
                self.acknowledged.insert(answer.id.to_string());
            } else {
                self.seen.refused += 1;
            }
            if is_lost {
                self.senders[answer.sender].forget();
            } else {
                self.senders[answer.sender].hear(&answer);
            }
        }
    }

    /// Something unusual.
    fn interfere(&mut self, line: &Line) {
        if self.random.one_in(30) {
            let hours = self.random.choose(&[-24, -1, 1, 24]);
            self.clock.jump(hours * 3_600_000);
            self.seen.jumps += 1;
            self.trace.note(format!("clock jumps {hours} h"));
        }
        if self.random.one_in(80) {
            let version = self.random.below(VERSIONS);
            if line.configure(settings(&self.plan, version)) {
                self.version = version;
                self.seen.configurations += 1;
                self.trace.note(format!("configuration {version}"));
            }
        }
        if self.random.one_in(4) {
            self.heal();
        }
        if !self.is_calm && self.random.one_in(self.plan.fault_every / 50) {
            let operations_max = self.random.choose(&[5, 60, 400]);
            self.order_fault(operations_max);
        }
    }

    /// Something is going to fail.
    pub(crate) fn order_fault(&mut self, operations_max: usize) {
        let operations = self.random.below(operations_max) as u64;
        let kind = self.random.below(5);
        self.trace.note(format!("fault {kind} after {operations}"));
        match kind {
            0 => self.storage.fail_next(operations, ErrorKind::Other),
            1 => self.storage.fail_from(operations, ErrorKind::StorageFull),
            2 => {
                let room = self.random.below(20_000) as u64;
                self.storage.set_capacity(self.storage.used_bytes() + room);
            }
            _ => self.storage.stop_next(operations),
        }
    }

    pub(crate) fn heal(&mut self) {
        self.storage.heal();
        self.storage.set_capacity(1 << 40);
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
        self.seen.segments_removed +=
            process.line().handle().stats().kept().journal.segments_removed;
        drop(process);
        self.die();
        self.open()
    }

    /// What an end does to everything outside of the process.
    pub(crate) fn die(&mut self) {
        let with_machine = self.random.one_in(2);
        self.trace.note(if with_machine { "the machine stops" } else { "killed" }.to_owned());
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
        self.trace.note("stopped".to_owned());
        self.learn(process.line());
        process.stop(self.now_ms - self.opened_ms);
        self.seen.stops += 1;
        self.sinks.lock().flush();
        self.storage.kill();
        self.sinks.lock().end(false);
        self.leave();
        self.open()
    }
}
