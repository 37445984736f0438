//! What happens to a process that runs, one thing at a time.

use std::io::ErrorKind;

use bellwether_runtime::SubmitError;
use bellwether_runtime::testing::Line;

use crate::simulation::Simulation;
use crate::world::{VERSIONS, settings};

/// Records that a void group may have had.
const GROUP_MESSAGES_MAX: u64 = 64;
/// Things that happen in a round, about.
const ACTIONS_PER_ROUND: i64 = 30;

impl Simulation {
    /// Something happens to a process that runs.
    pub(crate) fn act(&mut self, line: &mut Line) {
        // While a checkpoint is made it goes on quickly, else it would take a whole run.
        if self.in_checkpoint && self.random.one_in(2) {
            if self.random.one_in(3) {
                self.record(line);
            } else {
                self.step(line);
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
            Some(Ok(id)) => self.trace.note(&format!("sent {id} at {now}")),
            Some(Err(error)) => {
                self.seen.refused += 1;
                self.trace.note(&format!("refused at the door: {error:?}"));
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
            self.trace.note(&format!("answer to {}: {} {is_lost}", answer.id, answer.taken));
            if answer.taken {
                self.seen.acknowledged += 1;
                self.acknowledged.insert(answer.id.to_string());
            } else {
                self.seen.refused += 1;
            }
            if is_lost {
                self.senders[answer.sender].forget();
            } else {
                self.seen.overtakes += u64::from(self.senders[answer.sender].hear(&answer));
            }
        }
    }

    /// Something unusual.
    fn interfere(&mut self, line: &Line) {
        if self.random.one_in(30) {
            let hours = self.random.choose(&[-24, -1, 1, 24]);
            self.clock.jump(hours * 3_600_000);
            self.seen.jumps += 1;
            self.trace.note(&format!("clock jumps {hours} h"));
        }
        if self.random.one_in(80) {
            let version = self.random.below(VERSIONS);
            if line.configure(settings(&self.plan, version)) {
                self.version = version;
                self.seen.configurations += 1;
                self.trace.note(&format!("configuration {version}"));
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
        self.trace.note(&format!("fault {kind} after {operations}"));
        self.seen.full_disks += u64::from(matches!(kind, 1 | 2));
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
}
