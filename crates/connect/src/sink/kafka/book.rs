//! The events that are not confirmed, and what became of the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_engine::Event;
use bellwether_runtime::cells::Tenure;
use bellwether_runtime::{SinkStats, TopicPartition};
use parking_lot::{Condvar, Mutex};

use super::RETRY_AFTER;

/// What the thread is to do next.
pub(super) enum Next {
    /// Produce this.
    Event(u64, Arc<Event>),
    /// The topic is to be asked whether it has these, by number their ids; then [`Book::clear_up`] is to be told.
    Doubtful(Doubtful),
    /// Nothing has come.
    Nothing,
    /// What has failed is not due yet.
    Pause,
    /// It is over.
    End,
}

/// The ids of events by number.
pub(super) type Doubtful = BTreeMap<u64, String>;

/// What is known of an event besides what it says.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    /// Of a partition that others get when this is over; then they find the event again.
    pub(super) tenure: Option<Arc<Tenure>>,
    /// The topic may have it already.
    pub(super) is_doubtful: bool,
}

/// What is to be in the next transaction.
#[derive(Debug)]
pub(super) struct Batch {
    /// Oldest first.
    pub(super) events: Vec<(u64, Arc<Event>)>,
    /// Of these, which the topic may have.
    pub(super) doubtful: BTreeSet<u64>,
    /// Whether that is all that may be committed.
    pub(super) is_all: bool,
}

/// Whether anything is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Perhaps.
    Now,
    /// What has failed is not due yet.
    Pause,
    /// It is over.
    End,
}

/// The events that are not confirmed, by number in the order in which they came.
pub(super) struct Book {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    next: u64,
    unconfirmed: BTreeMap<u64, Unconfirmed>,
    /// Of these, by id, those that are of no tenure.
    numbers: BTreeMap<String, u64>,
    /// Which of them are not with the producer.
    unsent: BTreeSet<u64>,
    /// Nothing is sent before.
    due: Option<Instant>,
    /// No more events are taken; what is not confirmed by then is given up.
    closed: Option<Instant>,
    stats: SinkStats,
}

struct Unconfirmed {
    event: Arc<Event>,
    origin: Origin,
}

impl Book {
    pub(super) fn new(events_max: usize) -> Self {
        let stats = SinkStats { queue_events_max: events_max.max(1), ..SinkStats::default() };
        Self {
            state: Mutex::new(State {
                next: 0,
                unconfirmed: BTreeMap::new(),
                numbers: BTreeMap::new(),
                unsent: BTreeSet::new(),
                due: None,
                closed: None,
                stats,
            }),
            changed: Condvar::new(),
        }
    }

    /// Takes `event` over. What there is no room for is lost: what came before it may be on its way. One that waits already does not
    /// wait twice: a checkpoint may have it as undelivered, and the records behind that bring it again.
    pub(super) fn push(&self, event: &Arc<Event>, origin: Origin) {
        let mut state = self.state.lock();
        let is_held = origin.tenure.is_some();
        if let Some(&number) = state.numbers.get(&event.id).filter(|_| !is_held) {
            if origin.is_doubtful {
                state.doubt(number);
            }
            return;
        }
        if state.closed.is_some() || state.unconfirmed.len() >= state.stats.queue_events_max {
            state.stats.dropped_events += 1;
            return;
        }
        let number = state.next;
        state.next += 1;
        if !is_held {
            state.numbers.insert(event.id.clone(), number);
        }
        state.unconfirmed.insert(number, Unconfirmed { event: Arc::clone(event), origin });
        state.unsent.insert(number);
        self.changed.notify_one();
    }

    /// What to do next; waits for `limit` at the most until there is something. Events of partitions that are somebody else's are
    /// withdrawn.
    pub(super) fn next(&self, limit: Duration) -> Next {
        let mut state = self.state.lock();
        if state.unsent.is_empty() && !state.is_over() {
            self.changed.wait_for(&mut state, limit);
        }
        if state.is_over() {
            return Next::End;
        }
        if state.due.is_some_and(|due| Instant::now() < due) {
            return Next::Pause;
        }
        while let Some(number) = state.unsent.pop_first() {
            if state.withdraw(number) {
                continue;
            }
            match state.unconfirmed.get(&number) {
                Some(Unconfirmed { origin: Origin { is_doubtful: true, .. }, .. }) => {
                    state.unsent.insert(number);
                    return Next::Doubtful(state.doubtful());
                }
                Some(Unconfirmed { event, .. }) => return Next::Event(number, Arc::clone(event)),
                None => {}
            }
        }
        Next::Nothing
    }

    /// Whether anything is to be done; waits for `limit` at the most until an event comes.
    pub(super) fn turn(&self, limit: Duration) -> Turn {
        let mut state = self.state.lock();
        let is_paused = |state: &State| state.due.is_some_and(|due| Instant::now() < due);
        if (state.unsent.is_empty() || is_paused(&state)) && !state.is_over() {
            self.changed.wait_for(&mut state, limit);
        }
        if state.is_over() {
            Turn::End
        } else if is_paused(&state) {
            Turn::Pause
        } else {
            Turn::Now
        }
    }

    /// Whether nothing is waited for any more.
    pub(super) fn is_over(&self) -> bool {
        self.state.lock().is_over()
    }

    /// Whether all is confirmed.
    pub(super) fn is_empty(&self) -> bool {
        self.state.lock().unconfirmed.is_empty()
    }

    /// Takes out what a transaction may have, `events_max` at the most; what is not [confirmed](Self::confirmed) then must be said
    /// to have failed. Of partitions that are somebody else's events are withdrawn. Those of which `is_known` says that they are not to
    /// be committed yet stay.
    pub(super) fn take(
        &self,
        events_max: usize,
        is_known: impl Fn(&TopicPartition) -> bool,
    ) -> Batch {
        let mut batch = Batch { events: Vec::new(), doubtful: BTreeSet::new(), is_all: true };
        let mut state = self.state.lock();
        let State { unconfirmed, unsent, stats, .. } = &mut *state;
        unsent.retain(|&number| {
            let Some(Unconfirmed { event, origin }) = unconfirmed.get(&number) else {
                return false;
            };
            let tenure = origin.tenure.as_ref();
            if tenure.is_some_and(|tenure| !tenure.is_ours()) {
                unconfirmed.remove(&number);
                stats.withdrawn_events += 1;
                return false;
            }
            if tenure.is_some_and(|tenure| !is_known(tenure.at())) {
                return true;
            }
            if batch.events.len() >= events_max {
                batch.is_all = false;
                return true;
            }
            if origin.is_doubtful {
                batch.doubtful.insert(number);
            }
            batch.events.push((number, Arc::clone(event)));
            false
        });
        batch
    }

    /// The topic may have these, though nobody has confirmed it.
    pub(super) fn doubt(&self, numbers: impl IntoIterator<Item = u64>) {
        let mut state = self.state.lock();
        for number in numbers {
            state.doubt(number);
        }
    }

    /// The topic has those of `doubtful` whose ids are among `ids`, and not the others.
    pub(super) fn clear_up(&self, doubtful: &Doubtful, ids: &BTreeSet<String>) {
        let mut state = self.state.lock();
        for (&number, id) in doubtful {
            if ids.contains(id) {
                state.remove(number);
            } else if let Some(unconfirmed) = state.unconfirmed.get_mut(&number) {
                unconfirmed.origin.is_doubtful = false;
            }
        }
        if state.unconfirmed.is_empty() {
            // Whatever has failed before, the topic has it all.
            state.stats.failures_in_a_row = 0;
            state.stats.last_error = None;
        }
    }

    /// Nobody can say whether the topic has those of `doubtful`: they are produced, perhaps for the second time.
    pub(super) fn leave_in_doubt(&self, doubtful: &Doubtful, error: &str) {
        self.clear_up(doubtful, &BTreeSet::new());
        self.state.lock().count_failure(error.to_owned());
    }

    /// The topic has it: an earlier process, or a transaction of which nobody knew, has produced it.
    pub(super) fn known(&self, number: u64) {
        let mut state = self.state.lock();
        if state.remove(number) {
            self.changed.notify_one();
        }
    }

    /// A transaction was committed, or was not.
    pub(super) fn count_transaction(&self, is_committed: bool) {
        let stats = &mut self.state.lock().stats;
        stats.committed_transactions += u64::from(is_committed);
        stats.aborted_transactions += u64::from(!is_committed);
    }

    /// Something failed that concerns no event more than the others; nothing is tried for a while.
    pub(super) fn pause(&self, error: &str, pause: Duration) {
        let mut state = self.state.lock();
        state.due = Some(Instant::now() + pause);
        state.count_failure(error.to_owned());
    }

    /// The brokers have it, at wall-clock time `now_ms`.
    pub(super) fn confirmed(&self, number: u64, now_ms: i64) {
        let mut state = self.state.lock();
        if state.remove(number) {
            state.stats.delivered_events += 1;
            state.stats.failures_in_a_row = 0;
            state.stats.last_success_ms = Some(now_ms);
            state.stats.last_error = None;
            self.changed.notify_one();
        }
    }

    /// It is to be produced again, after a pause.
    pub(super) fn failed(&self, number: u64, error: String) {
        let mut state = self.state.lock();
        if state.unconfirmed.contains_key(&number) {
            state.unsent.insert(number);
            state.due = Some(Instant::now() + RETRY_AFTER);
            state.count_failure(error);
        }
    }

    /// It will never be taken.
    pub(super) fn lost(&self, number: u64, error: String) {
        let mut state = self.state.lock();
        if state.remove(number) {
            state.stats.dropped_events += 1;
            state.count_failure(error);
            self.changed.notify_one();
        }
    }

    /// All that is not confirmed is to be produced again. The topic may have what was with the producer.
    pub(super) fn begin_again(&self, error: &str) {
        let mut state = self.state.lock();
        let State { unconfirmed, unsent, .. } = &mut *state;
        for (&number, unconfirmed) in unconfirmed {
            unconfirmed.origin.is_doubtful |= unsent.insert(number);
        }
        state.due = Some(Instant::now() + RETRY_AFTER);
        state.count_failure(error.to_owned());
    }

    /// What is not confirmed, oldest first.
    pub(super) fn unconfirmed(&self) -> Vec<Arc<Event>> {
        self.state
            .lock()
            .unconfirmed
            .values()
            .map(|unconfirmed| Arc::clone(&unconfirmed.event))
            .collect()
    }

    pub(super) fn stats(&self) -> SinkStats {
        let state = self.state.lock();
        SinkStats { waiting_events: state.unconfirmed.len(), ..state.stats.clone() }
    }

    /// No more events are taken; those that are here are produced until `deadline`.
    pub(super) fn close(&self, deadline: Instant) {
        self.state.lock().closed = Some(deadline);
        self.changed.notify_one();
    }

    /// Gives up what is not confirmed; how many events these are.
    pub(super) fn abandon(&self) -> usize {
        let mut state = self.state.lock();
        let lost_events = state.unconfirmed.len();
        state.unconfirmed.clear();
        state.numbers.clear();
        state.unsent.clear();
        state.stats.dropped_events += lost_events as u64;
        lost_events
    }
}

impl State {
    /// Whether it was there; now it is not.
    fn remove(&mut self, number: u64) -> bool {
        self.unsent.remove(&number);
        let Some(Unconfirmed { event, origin }) = self.unconfirmed.remove(&number) else {
            return false;
        };
        if origin.tenure.is_none() {
            self.numbers.remove(&event.id);
        }
        true
    }

    /// Withdraws it if it is of a partition that is somebody else's; whether it was.
    fn withdraw(&mut self, number: u64) -> bool {
        let tenure = self.unconfirmed.get(&number).and_then(|of| of.origin.tenure.as_ref());
        let is_over = tenure.is_some_and(|tenure| !tenure.is_ours());
        if is_over {
            self.unconfirmed.remove(&number);
            self.stats.withdrawn_events += 1;
        }
        is_over
    }

    /// Those that are not with the producer and in doubt.
    fn doubtful(&self) -> Doubtful {
        let doubtful = self.unsent.iter().filter_map(|number| {
            let Unconfirmed { event, origin } = self.unconfirmed.get(number)?;
            origin.is_doubtful.then(|| (*number, event.id.clone()))
        });
        doubtful.collect()
    }

    fn doubt(&mut self, number: u64) {
        if let Some(unconfirmed) = self.unconfirmed.get_mut(&number) {
            unconfirmed.origin.is_doubtful = true;
        }
    }

    fn is_over(&self) -> bool {
        let is_late = |deadline| Instant::now() >= deadline;
        self.closed.is_some_and(|deadline| self.unconfirmed.is_empty() || is_late(deadline))
    }

    fn count_failure(&mut self, error: String) {
        self.stats.failed_attempts += 1;
        self.stats.failures_in_a_row = self.stats.failures_in_a_row.saturating_add(1);
        self.stats.last_error = Some(error);
    }
}

#[cfg(test)]
mod tests;
