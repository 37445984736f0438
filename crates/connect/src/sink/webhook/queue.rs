//! The events that wait for a webhook, and what became of the others.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_engine::Event;
use bellwether_runtime::SinkStats;

/// An event and since when it waits.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) event: Arc<Event>,
    published: Instant,
}

/// A bounded queue from which at most one event at a time is out for delivery. That one counts as waiting
/// until it is settled.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    under_way: Option<Arc<Event>>,
    open: bool,
    give_up_after: Duration,
    stats: SinkStats,
    last_loss: String,
}

impl Queue {
    pub(super) fn new(events_max: usize, give_up_after: Duration) -> Self {
        Self {
            waiting: VecDeque::new(),
            under_way: None,
            open: true,
            give_up_after,
            stats: SinkStats { queue_events_max: events_max, ..SinkStats::default() },
            last_loss: String::new(),
        }
    }

    fn len(&self) -> usize {
        self.waiting.len() + usize::from(self.under_way.is_some())
    }

    /// Appends `event`. Where there is no room, the oldest that is not under way makes some.
    pub(super) fn push(&mut self, event: &Arc<Event>, now: Instant) {
        if !self.open {
            return self.lose("published after the end");
        }
        self.waiting.push_back(Waiting { event: Arc::clone(event), published: now });
        if self.len() > self.stats.queue_events_max {
            self.waiting.pop_front();
            self.lose("no room in the queue");
        }
    }

    /// The oldest event, to be settled by one of the three methods below; events that waited for too long
    /// are given up on the way.
    pub(super) fn take(&mut self, now: Instant) -> Option<Waiting> {
        while let Some(first) = self.waiting.pop_front() {
            if now.duration_since(first.published) < self.give_up_after {
                self.under_way = Some(Arc::clone(&first.event));
                return Some(first);
            }
            self.lose("waited for too long");
        }
        None
    }

    /// What was taken is delivered, at wall-clock time `now_ms`.
    pub(super) fn delivered(&mut self, now_ms: i64) {
        if self.under_way.take().is_some() {
            self.stats.delivered_events += 1;
            self.stats.failures_in_a_row = 0;
            self.stats.last_success_ms = Some(now_ms);
            self.stats.last_error = None;
        }
    }

    /// What was taken is lost: the receiver will never have it.
    pub(super) fn refused(&mut self, error: String) {
        if self.under_way.take().is_some() {
            self.lose(&error);
            self.count_failure(error);
        }
    }

    /// What was taken is to be tried again, unless this is the end.
    pub(super) fn failed(&mut self, waiting: Waiting, error: String) {
        if self.under_way.take().is_some() {
            if self.open {
                self.waiting.push_front(waiting);
            } else {
                self.lose(&error);
            }
            self.count_failure(error);
        }
    }

    /// Takes no more events; those that fail from here on are not tried again.
    pub(super) fn close(&mut self) {
        self.open = false;
    }

    /// Gives up all that waits, the one under way included; returns how many they were.
    pub(super) fn abandon(&mut self) -> usize {
        let lost_events = self.len();
        self.open = false;
        self.under_way = None;
        self.waiting.clear();
        self.stats.dropped_events += lost_events as u64;
        lost_events
    }

    /// What is under way and what waits, oldest first.
    pub(super) fn undelivered(&self) -> Vec<Arc<Event>> {
        let waiting = self.waiting.iter().map(|waiting| &waiting.event);
        self.under_way.iter().chain(waiting).cloned().collect()
    }

    pub(super) fn stats(&self) -> SinkStats {
        SinkStats { waiting_events: self.len(), ..self.stats.clone() }
    }

    /// How many events were lost, and why the last one was.
    pub(super) fn losses(&self) -> (u64, &str) {
        (self.stats.dropped_events, &self.last_loss)
    }

    fn count_failure(&mut self, error: String) {
        self.stats.failed_attempts += 1;
        self.stats.failures_in_a_row = self.stats.failures_in_a_row.saturating_add(1);
        self.stats.last_error = Some(error);
    }

    fn lose(&mut self, why: &str) {
        self.stats.dropped_events += 1;
        why.clone_into(&mut self.last_loss);
    }
}

#[cfg(test)]
mod tests {
    use bellwether_detect::Severity;
    use bellwether_engine::ChangeKind;

    use super::*;
    use crate::sink::testing;

    const LONG: Duration = Duration::from_hours(1);

    fn event(episode: u128) -> Arc<Event> {
        Arc::new(testing::event(episode, ChangeKind::Firing, Severity::Warning, &[]))
    }

    fn queue_of(events_max: usize, episodes: std::ops::Range<u128>, now: Instant) -> Queue {
        let mut queue = Queue::new(events_max, LONG);
        for episode in episodes {
            queue.push(&event(episode), now);
        }
        queue
    }

    fn episode(waiting: Option<Waiting>) -> Option<u128> {
        waiting.map(|waiting| waiting.event.episode_id.as_u128())
    }

    #[test]
    fn the_oldest_makes_room_but_not_the_one_under_way() {
        let now = Instant::now();
        let mut queue = queue_of(3, 0..4, now);
        let first = queue.take(now);
        assert_eq!(episode(first.clone()), Some(1));
        let kept: Vec<u128> =
            queue.undelivered().iter().map(|event| event.episode_id.as_u128()).collect();
        assert_eq!(kept, [1, 2, 3]);
        queue.push(&event(4), now);
        queue.push(&event(5), now);
        assert_eq!((queue.stats().waiting_events, queue.stats().dropped_events), (3, 3));
        queue.failed(first.unwrap(), "503".to_owned());
        for expected in [1, 4, 5] {
            assert_eq!(episode(queue.take(now)), Some(expected));
            queue.delivered(0);
        }
        assert_eq!(queue.stats().waiting_events, 0);
        assert!(queue.undelivered().is_empty());
    }

    #[test]
    fn a_queue_of_one_has_no_room_beside_the_one_under_way() {
        let now = Instant::now();
        let mut queue = queue_of(1, 0..1, now);
        assert_eq!(episode(queue.take(now)), Some(0));
        queue.push(&event(1), now);
        queue.delivered(0);
        assert_eq!(episode(queue.take(now)), None);
        assert_eq!(queue.losses(), (1, "no room in the queue"));
    }

    #[test]
    fn what_waited_for_too_long_is_given_up() {
        let now = Instant::now();
        let mut queue = queue_of(9, 0..2, now);
        queue.push(&event(2), now + Duration::from_secs(1));
        assert_eq!(episode(queue.take(now + LONG)), Some(2));
        assert_eq!(queue.losses(), (2, "waited for too long"));
    }

    #[test]
    fn after_the_end_nothing_is_taken_in_or_tried_again() {
        let now = Instant::now();
        let mut queue = queue_of(9, 0..2, now);
        queue.close();
        queue.push(&event(2), now);
        let first = queue.take(now).unwrap();
        queue.failed(first, "503".to_owned());
        assert_eq!(queue.losses(), (2, "503"));
        assert_eq!(episode(queue.take(now)), Some(1));
        assert_eq!(queue.abandon(), 1);
        // Too late: it is counted as lost already.
        queue.delivered(0);
        let stats = queue.stats();
        assert_eq!((stats.delivered_events, stats.dropped_events), (0, 3));
    }
}
