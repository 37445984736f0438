//! The events that are not confirmed, and what became of the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_engine::Event;
use bellwether_runtime::SinkStats;
use parking_lot::{Condvar, Mutex};

use super::RETRY_AFTER;

/// What the thread is to do next.
pub(super) enum Next {
    /// Produce this.
    Event(u64, Arc<Event>),
    /// Nothing has come.
    Nothing,
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
    unconfirmed: BTreeMap<u64, Arc<Event>>,
    /// Of these, which are not with the producer.
    unsent: BTreeSet<u64>,
    /// Nothing is sent before.
    due: Option<Instant>,
    /// No more events are taken; what is not confirmed by then is given up.
    closed: Option<Instant>,
    stats: SinkStats,
}

impl Book {
    pub(super) fn new(events_max: usize) -> Self {
        let stats = SinkStats { queue_events_max: events_max.max(1), ..SinkStats::default() };
        Self {
            state: Mutex::new(State {
                next: 0,
                unconfirmed: BTreeMap::new(),
                unsent: BTreeSet::new(),
                due: None,
                closed: None,
                stats,
            }),
            changed: Condvar::new(),
        }
    }

    /// Takes `event` over. What there is no room for is lost: what came before it may be on its way.
    pub(super) fn push(&self, event: &Arc<Event>) {
        let mut state = self.state.lock();
        if state.closed.is_some() || state.unconfirmed.len() >= state.stats.queue_events_max {
            state.stats.dropped_events += 1;
            return;
        }
        let number = state.next;
        state.next += 1;
        state.unconfirmed.insert(number, Arc::clone(event));
        state.unsent.insert(number);
        self.changed.notify_one();
    }

    /// What to do next; waits for `limit` at the most until there is something.
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
        let Some(number) = state.unsent.pop_first() else { return Next::Nothing };
        match state.unconfirmed.get(&number) {
            Some(event) => Next::Event(number, Arc::clone(event)),
            None => Next::Nothing,
        }
    }

    /// The brokers have it, at wall-clock time `now_ms`.
    pub(super) fn confirmed(&self, number: u64, now_ms: i64) {
        let mut state = self.state.lock();
        if state.unconfirmed.remove(&number).is_some() {
            state.unsent.remove(&number);
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
        if state.unconfirmed.remove(&number).is_some() {
            state.unsent.remove(&number);
            state.stats.dropped_events += 1;
            state.count_failure(error);
            self.changed.notify_one();
        }
    }

    /// All that is not confirmed is to be produced again.
    pub(super) fn begin_again(&self, error: &str) {
        let mut state = self.state.lock();
        state.unsent = state.unconfirmed.keys().copied().collect();
        state.due = Some(Instant::now() + RETRY_AFTER);
        state.count_failure(error.to_owned());
    }

    /// What is not confirmed, oldest first.
    pub(super) fn unconfirmed(&self) -> Vec<Arc<Event>> {
        self.state.lock().unconfirmed.values().cloned().collect()
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
        state.unsent.clear();
        state.stats.dropped_events += lost_events as u64;
        lost_events
    }
}

impl State {
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
mod tests {
    use bellwether_detect::Severity;
    use bellwether_engine::ChangeKind;

    use super::*;
    use crate::sink::testing;

    fn event(episode: u128) -> Arc<Event> {
        Arc::new(testing::event(episode, ChangeKind::Firing, Severity::Warning, &[]))
    }

    fn next(book: &Book) -> Option<u64> {
        match book.next(Duration::ZERO) {
            Next::Event(number, _) => Some(number),
            Next::Nothing | Next::Pause | Next::End => None,
        }
    }

    #[test]
    fn events_wait_until_they_are_confirmed_and_new_ones_find_no_room() {
        let book = Book::new(2);
        (0..3).for_each(|episode| book.push(&event(episode)));
        assert_eq!((next(&book), next(&book), next(&book)), (Some(0), Some(1), None));
        let episodes = |book: &Book| {
            let events = book.unconfirmed().into_iter();
            events.map(|event| event.episode_id.as_u128()).collect::<Vec<_>>()
        };
        assert_eq!(episodes(&book), [0, 1]);
        book.confirmed(0, 5);
        book.confirmed(0, 6);
        assert_eq!(episodes(&book), [1]);
        let stats = book.stats();
        assert_eq!((stats.delivered_events, stats.dropped_events, stats.waiting_events), (1, 1, 1));
        assert_eq!(stats.last_success_ms, Some(5));
    }

    #[test]
    fn what_failed_is_due_after_a_pause_and_what_is_lost_never() {
        let book = Book::new(9);
        (0..3).for_each(|episode| book.push(&event(episode)));
        assert_eq!((next(&book), next(&book)), (Some(0), Some(1)));
        book.failed(0, "no such topic".to_owned());
        book.lost(1, "too large".to_owned());
        assert!(matches!(book.next(Duration::ZERO), Next::Pause));
        assert_eq!(book.stats().failures_in_a_row, 2);
        book.state.lock().due = None;
        assert_eq!((next(&book), next(&book), next(&book)), (Some(0), Some(2), None));
        book.begin_again("fenced");
        book.state.lock().due = None;
        assert_eq!((next(&book), next(&book), next(&book)), (Some(0), Some(2), None));
    }

    #[test]
    fn it_is_over_when_all_is_confirmed_or_the_time_is_up() {
        let book = Book::new(9);
        book.push(&event(0));
        book.close(Instant::now() + Duration::from_hours(1));
        book.push(&event(1));
        assert_eq!(next(&book), Some(0));
        assert!(matches!(book.next(Duration::ZERO), Next::Nothing));
        book.confirmed(0, 1);
        assert!(matches!(book.next(Duration::ZERO), Next::End));
        let late = Book::new(9);
        late.push(&event(0));
        late.close(Instant::now());
        assert!(matches!(late.next(Duration::ZERO), Next::End));
        assert_eq!((late.abandon(), late.stats().dropped_events), (1, 1));
    }
}
