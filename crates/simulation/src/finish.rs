//! The end of a run: everybody has what the model says.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_engine::{Counts, DropReason};

use crate::simulation::Simulation;

impl Simulation {
    /// Lets everything come to rest, and compares; then starts once more, and compares again.
    pub(crate) fn finish(&mut self) -> Result<(), String> {
        let Some(mut process) = self.process.take() else {
            return Err("nothing runs at the end".to_owned());
        };
        self.heal();
        // The first turn may be to recover a journal that has failed.
        for _ in 0..3 {
            self.now_ms += 60_000;
            process.line().record(usize::MAX, self.now_ms - self.opened_ms);
            process.line().drain();
        }
        // Of each tenant few are taken in a turn.
        while process.line().handle().stats().queue_depth() > 0 {
            process.line().record(usize::MAX, self.now_ms - self.opened_ms);
            process.line().drain();
        }
        self.learn(process.line());
        self.model.advance(&self.truth)?;
        if !self.model.is_in(&process.line().save()) {
            return Err("the state at the end is not that of the model".to_owned());
        }
        self.check_acknowledged()?;
        self.check_sinks()?;
        self.count_segments(process.line());
        self.stop(process)?;
        self.check_sinks()?;
        self.count();
        Ok(())
    }

    fn check_sinks(&mut self) -> Result<(), String> {
        let mut sinks = self.sinks.lock();
        sinks.flush();
        sinks.webhook.deliver(usize::MAX);
        if let Some(fault) = sinks.fault() {
            return Err(fault);
        }
        let lines: BTreeMap<_, _> = sinks.file.lines.iter().map(|(id, text)| (id, text)).collect();
        for (id, (sequence, text)) in &self.model.events {
            match lines.get(id) {
                None => return Err(format!("event of record {sequence} is missing: {text}")),
                Some(told) if *told != text && !sinks.excused.contains(id) => {
                    return Err(format!("event of record {sequence} is\n{text}\nand not\n{told}"));
                }
                Some(_) => {}
            }
            if !sinks.webhook.received.contains(id) {
                return Err(format!("webhook was not told of record {sequence}: {text}"));
            }
        }
        let known = |id: &String| self.model.events.contains_key(id) || sinks.excused.contains(id);
        if let Some(id) =
            lines.keys().chain(&sinks.told.keys().collect::<Vec<_>>()).find(|id| !known(id))
        {
            return Err(format!("event is of no record that counts: {:?}", lines.get(*id)));
        }
        let firing: BTreeMap<_, _> = self
            .model
            .firing
            .values()
            .map(|event| ((Arc::clone(&event.rule), event.fingerprint), event.starts_at_ms))
            .collect();
        let believed = sinks.pager.believed(self.now_ms);
        if believed != firing {
            return Err(format!("believed to fire: {believed:?}, but firing are: {firing:?}"));
        }
        Ok(())
    }

    fn count(&mut self) {
        self.seen.records = self.truth.0.len() as u64;
        self.seen.events = self.model.events.len() as u64;
        let counts = &self.model.counts;
        let Counts { cold_evicted, cold_reloaded, cold_forgotten, failovers, .. } = *counts;
        let dropped = |reason: DropReason| counts.dropped[reason.index()];
        self.seen.late = dropped(DropReason::Late);
        self.seen.unelected = dropped(DropReason::Replica);
        self.seen.failovers = failovers;
        self.seen.cold_evicted = cold_evicted;
        self.seen.cold_reloaded = cold_reloaded;
        self.seen.cold_forgotten = cold_forgotten;
        self.seen.firing = self.model.firing.len() as u64;
        self.seen.told_again = self.sinks.lock().again;
        let requests = self.truth.0.values().filter(|record| record.kind == 1).count();
        self.seen.duplicates = (requests - self.truth.sources().len()) as u64;
        let last = format!("{:?}", self.seen);
        self.trace.note(&last);
    }
}
