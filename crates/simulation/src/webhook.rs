//! A receiver that is told one event after the other, and what waits for it in the process.

use std::collections::{BTreeSet, VecDeque};

/// Between ids of events, which have no such byte.
const SEPARATOR: char = '\n';

/// A webhook: its queue dies with the process, what it received does not.
#[derive(Default)]
pub(crate) struct Webhook {
    /// Ids of events.
    queue: VecDeque<String>,
    pub(crate) received: BTreeSet<String>,
}

impl Webhook {
    pub(crate) fn publish(&mut self, id: &str) {
        self.queue.push_back(id.to_owned());
    }

    /// Delivers `count` events, or all there are.
    pub(crate) fn deliver(&mut self, count: usize) {
        let count = count.min(self.queue.len());
        self.received.extend(self.queue.drain(..count));
    }

    /// What waits, for a checkpoint.
    pub(crate) fn undelivered(&self) -> Vec<u8> {
        let ids: Vec<&str> = self.queue.iter().map(String::as_str).collect();
        ids.join(&SEPARATOR.to_string()).into_bytes()
    }

    /// Goes on with what a checkpoint kept.
    pub(crate) fn resume(&mut self, undelivered: &[u8]) {
        let ids = String::from_utf8_lossy(undelivered);
        self.queue.extend(ids.split(SEPARATOR).filter(|id| !id.is_empty()).map(str::to_owned));
    }

    /// The process ends.
    pub(crate) fn end(&mut self) {
        self.queue.clear();
    }
}
