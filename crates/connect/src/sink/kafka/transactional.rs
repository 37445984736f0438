//! Produces events in transactions, each with how far the source has been taken.
//!
//! ```text
//! what the source has taken ─▶ events in the book ─▶ begin, produce, commit both ─┬─▶ confirmed
//!      (in this order)          (of partitions that                               └─▶ aborted: again, in the name of
//!                                are somebody else's: withdrawn)                      what the group says now
//! ```
//!
//! A transaction of which nobody knows what became of it leaves its events in doubt: before they are produced again the topic is
//! asked whether it has them. So it is with events that an earlier process may have produced.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bellwether_engine::Event;

use super::book::{Batch, Book, Turn};
use super::{RETRY_AFTER, WAIT_MAX};
use crate::kafka::{Group, Taken, Uncommitted, Undelivered};

/// Most events in a transaction, so that none lasts long.
const EVENTS_MAX: usize = 1000;
/// As often it is looked whether what waits may be committed now.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Pause before another producer after one that has failed for good: of two processes that fence each other neither hurries.
const ANOTHER_AFTER: Duration = Duration::from_secs(5);

/// A producer with transactions, as far as the order of things is concerned.
pub(super) trait Transactions {
    /// What the group is shown, so that it knows whether we may commit.
    type Pass;

    /// A transaction begins.
    fn begin(&self) -> Result<(), Uncommitted>;

    /// `event` is in it.
    fn send(&self, number: u64, event: &Event) -> Result<(), Undelivered>;

    /// Commits it, with `taken` in the name of `pass`.
    fn commit(&self, taken: &Taken, pass: Option<&Self::Pass>) -> Result<(), Uncommitted>;

    /// Aborts it.
    fn abort(&self) -> Result<(), Uncommitted>;

    /// Events that will never be taken, since this was last asked: number and reason.
    fn too_large(&self) -> Vec<(u64, String)>;
}

/// Makes producers, and asks the topic.
pub(super) trait Origins {
    type Producer: Transactions;

    /// A producer that begins where the one before it ended, whatever that left.
    fn producer(&self) -> Result<Self::Producer, String>;

    /// The ids that the topic has of what is in doubt.
    fn ids(&self) -> Result<BTreeSet<String>, String>;

    /// Nothing is under way or in doubt: what comes later is behind this place in the topic.
    fn note_place(&self);
}

/// Produces what is in `book`.
pub(super) struct Transactor<O: Origins> {
    pub(super) origins: O,
    pub(super) book: Arc<Book>,
    pub(super) group: Arc<Group<<O::Producer as Transactions>::Pass>>,
    /// What the topic has of what is in doubt, once that was asked.
    ids: Option<BTreeSet<String>>,
    producer: Option<O::Producer>,
}

impl<O: Origins> Transactor<O> {
    pub(super) fn new(
        origins: O,
        book: Arc<Book>,
        group: Arc<Group<<O::Producer as Transactions>::Pass>>,
    ) -> Self {
        Self { origins, book, group, ids: None, producer: None }
    }

    /// Produces until the book is closed and nothing waits, or the time is up.
    pub(super) fn run(mut self) {
        loop {
            match self.book.turn(WAIT_MAX) {
                Turn::Now => self.turn(),
                Turn::Pause => {}
                Turn::End => return,
            }
        }
    }

    /// Commits what there is, if there is something.
    fn turn(&mut self) {
        if self.producer.is_none() {
            match self.origins.producer() {
                Ok(producer) => self.producer = Some(producer),
                Err(error) => return self.book.pause(&error, RETRY_AFTER),
            }
        }
        // First: each event of a record that is committed is in the book by now. And what is ours after that was so when the pass
        // was good, so that it is fenced if it is not any more.
        let standing = self.group.standing();
        let is_alone = !self.group.is_shared();
        let may_commit = standing.pass.is_some() && !standing.taken.is_empty();
        let batch = self.book.take(EVENTS_MAX, |at| may_commit && standing.taken.contains_key(at));
        let Some(batch) = self.without_known(batch) else { return };
        if batch.events.is_empty() && !standing.is_due {
            return self.idle();
        }
        if !is_alone && !may_commit {
            return self.failed(&batch, "this process is no member of the group");
        }
        let taken = if batch.is_all { &standing.taken } else { &standing.before };
        match self.commit(&batch, taken, standing.pass.as_deref()) {
            Ok(()) => {
                self.book.count_transaction(true);
                let now_ms = jiff::Timestamp::now().as_millisecond();
                batch.events.iter().for_each(|(number, _)| self.book.confirmed(*number, now_ms));
                if may_commit {
                    self.group.committed(taken);
                }
                self.has_now(&batch);
            }
            Err(uncommitted) => self.uncommitted(&batch, &uncommitted),
        }
    }

    /// What is known of the topic is so no more: it has `batch` now.
    fn has_now(&mut self, batch: &Batch) {
        if batch.doubtful.is_empty() {
            // Nothing has been asked for of late.
            self.ids = None;
        }
        if let Some(ids) = &mut self.ids {
            ids.extend(batch.events.iter().map(|(_, event)| event.id.clone()));
        }
    }

    /// There is nothing to be committed, or not yet.
    fn idle(&self) {
        if self.book.is_empty() {
            self.origins.note_place();
        } else {
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn commit(
        &self,
        batch: &Batch,
        taken: &Taken,
        pass: Option<&<O::Producer as Transactions>::Pass>,
    ) -> Result<(), Uncommitted> {
        let Some(producer) = &self.producer else { return Ok(()) };
        producer.begin()?;
        for (number, event) in &batch.events {
            producer.send(*number, event).map_err(|undelivered| {
                if undelivered.is_too_large {
                    self.book.lost(*number, undelivered.error.clone());
                }
                let Undelivered { error, is_fatal, .. } = undelivered;
                Uncommitted { error, is_fatal, is_in_doubt: false }
            })?;
        }
        producer.commit(taken, pass)
    }

    /// `batch` is to be produced again.
    fn uncommitted(&mut self, batch: &Batch, why: &Uncommitted) {
        self.book.count_transaction(false);
        let error = &why.error;
        let mut is_fatal = why.is_fatal;
        if let Some(producer) = &self.producer {
            if !is_fatal {
                is_fatal = producer.abort().is_err();
            }
            for (number, error) in producer.too_large() {
                self.book.lost(number, error);
            }
        }
        if why.is_in_doubt {
            self.ids = None;
            self.book.doubt(batch.events.iter().map(|(number, _)| *number));
        }
        self.failed(batch, error);
        if is_fatal {
            tracing::error!(error, "producer of transactions has failed, starting another");
            self.producer = None;
            self.book.pause(error, ANOTHER_AFTER);
        } else {
            tracing::warn!(error, "transaction was aborted, trying again");
        }
    }

    fn failed(&self, batch: &Batch, error: &str) {
        for (number, _) in &batch.events {
            self.book.failed(*number, error.to_owned());
        }
        if batch.events.is_empty() {
            self.book.pause(error, RETRY_AFTER);
        }
    }

    /// `batch` without what the topic has; `None` when that cannot be said.
    fn without_known(&mut self, mut batch: Batch) -> Option<Batch> {
        if batch.doubtful.is_empty() {
            return Some(batch);
        }
        let ids = match self.ids.take().map_or_else(|| self.origins.ids(), Ok) {
            Ok(ids) => ids,
            Err(error) => {
                self.failed(&batch, &error);
                return None;
            }
        };
        batch.events.retain(|(number, event)| {
            let is_known = batch.doubtful.contains(number) && ids.contains(&event.id);
            if is_known {
                self.book.known(*number);
            }
            !is_known
        });
        self.ids = Some(ids);
        Some(batch)
    }
}

#[cfg(test)]
mod tests;
