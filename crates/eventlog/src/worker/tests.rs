use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::testing::{events, publish_all, wait_until};

/// A disk whose every write waits for the test to say how it goes.
struct Slow {
    outcomes: Receiver<io::Result<()>>,
    begun: Sender<usize>,
}

impl Write for Slow {
    fn write(&mut self, waiting: &mut Vec<Arc<Event>>) -> io::Result<()> {
        self.begun.send(waiting.len()).unwrap();
        self.outcomes.recv().unwrap()?;
        waiting.clear();
        Ok(())
    }
}

impl bellwether_runtime::EventSink for Worker {
    fn name(&self) -> &str {
        self.name()
    }
    fn publish(&self, event: &Arc<Event>) {
        self.publish(event);
    }
    fn stats(&self) -> SinkStats {
        self.stats()
    }
    fn close(&self, limit: Duration) {
        self.close(limit);
    }
}

const AT_ONCE: Pace = Pace { interval: Duration::ZERO, events_max: 1 };
const HOURLY: Pace = Pace { interval: Duration::from_hours(1), events_max: 3 };
const PATIENCE: Duration = Duration::from_secs(20);

/// A worker whose first, empty write is under way.
fn start(queue_events_max: usize, pace: Pace) -> (Worker, Sender<io::Result<()>>, Receiver<usize>) {
    let (outcome, outcomes) = channel();
    let (at_begin, begun) = channel();
    let writer = Slow { outcomes, begun: at_begin };
    let worker = Worker::start("slow", queue_events_max, pace, writer).unwrap();
    assert_eq!(begun.recv(), Ok(0));
    (worker, outcome, begun)
}

fn fault() -> io::Result<()> {
    Err(io::Error::other("disk is full"))
}

#[test]
fn a_full_queue_drops_the_newest_counts_them_and_does_not_block() {
    let (worker, outcome, begun) = start(3, AT_ONCE);
    publish_all(&worker, &events(0..5));
    let stats = worker.stats();
    assert_eq!((stats.waiting_events, stats.dropped_events, stats.queue_events_max), (3, 2, 3));

    outcome.send(Ok(())).unwrap();
    assert_eq!(begun.recv(), Ok(3));
    // What is being written is not written yet.
    publish_all(&worker, &events(5..6));
    assert_eq!(worker.stats().dropped_events, 3);
    outcome.send(Ok(())).unwrap();
    let stats = wait_until(&worker, |stats| stats.delivered_events == 3);
    assert_eq!((stats.waiting_events, stats.failed_attempts), (0, 0));
    assert!(stats.last_success_ms.is_some());
}

#[test]
fn what_fails_is_tried_again_and_said() {
    let (worker, outcome, begun) = start(10, AT_ONCE);
    outcome.send(fault()).unwrap();
    let stats = wait_until(&worker, |stats| stats.failures_in_a_row == 1);
    assert_eq!(stats.last_error.as_deref(), Some("disk is full"));
    publish_all(&worker, &events(0..2));
    assert_eq!(begun.recv(), Ok(2));
    outcome.send(fault()).unwrap();
    assert_eq!(begun.recv(), Ok(2));
    outcome.send(Ok(())).unwrap();
    let stats = wait_until(&worker, |stats| stats.delivered_events == 2);
    assert_eq!((stats.failed_attempts, stats.failures_in_a_row), (2, 0));
    assert_eq!(stats.last_error, None);
}

#[test]
fn a_flush_waits_for_its_time_or_for_enough_events() {
    let (worker, outcome, begun) = start(10, HOURLY);
    outcome.send(Ok(())).unwrap();
    publish_all(&worker, &events(0..2));
    assert!(begun.try_recv().is_err());
    publish_all(&worker, &events(2..3));
    assert_eq!(begun.recv_timeout(PATIENCE), Ok(3));
    outcome.send(Ok(())).unwrap();
}

#[test]
fn closing_delivers_what_waits_without_waiting_for_the_time() {
    let (worker, outcome, _begun) = start(10, HOURLY);
    publish_all(&worker, &events(0..2));
    outcome.send(Ok(())).unwrap();
    outcome.send(Ok(())).unwrap();
    worker.close(PATIENCE);
    let stats = worker.stats();
    assert_eq!((stats.delivered_events, stats.waiting_events), (2, 0));

    publish_all(&worker, &events(2..3));
    assert_eq!(worker.stats().dropped_events, 1);
    worker.close(PATIENCE);
}

#[test]
fn closing_gives_up_at_its_limit_and_counts_what_is_lost() {
    let (worker, outcome, _begun) = start(10, AT_ONCE);
    for _ in 0..100 {
        outcome.send(fault()).unwrap();
    }
    publish_all(&worker, &events(0..2));
    worker.close(Duration::from_millis(250));
    let stats = wait_until(&worker, |stats| stats.waiting_events == 0);
    assert_eq!((stats.delivered_events, stats.dropped_events), (0, 2));
}

#[test]
fn closing_does_not_wait_for_a_disk_that_hangs() {
    let (worker, _outcome, _begun) = start(10, AT_ONCE);
    publish_all(&worker, &events(0..2));
    worker.close(Duration::from_millis(1));
    assert_eq!(worker.stats().waiting_events, 2);
}

#[test]
fn a_writer_that_panics_is_a_failure_like_others() {
    struct Panics(bool);
    impl Write for Panics {
        fn write(&mut self, waiting: &mut Vec<Arc<Event>>) -> io::Result<()> {
            assert!(std::mem::replace(&mut self.0, true), "for the first time");
            waiting.clear();
            Ok(())
        }
    }
    let worker = Worker::start("panics", 10, AT_ONCE, Panics(false)).unwrap();
    publish_all(&worker, &events(0..1));
    let stats = wait_until(&worker, |stats| stats.delivered_events == 1);
    assert_eq!(stats.failed_attempts, 1);
}

/// Waits until somebody waits for the first `through` events.
fn wait_until_wanted(worker: &Worker, through: u64) {
    let give_up_at = Instant::now() + PATIENCE;
    while worker.shared.state.lock().wanted_through < through {
        assert!(Instant::now() < give_up_at, "nobody waits");
        std::thread::yield_now();
    }
}

#[test]
fn what_comes_later_is_not_waited_for() {
    let (worker, outcome, begun) = start(10, HOURLY);
    publish_all(&worker, &events(0..2));
    std::thread::scope(|scope| {
        let settling = scope.spawn(|| worker.settle(PATIENCE));
        wait_until_wanted(&worker, 2);
        outcome.send(Ok(())).unwrap();
        assert_eq!(begun.recv_timeout(PATIENCE), Ok(2));
        publish_all(&worker, &events(2..5));
        outcome.send(Ok(())).unwrap();
        // As in a storm: while one write is under way, the next events come.
        assert_eq!(begun.recv_timeout(PATIENCE), Ok(3));
        publish_all(&worker, &events(5..6));
        assert!(settling.join().unwrap());
    });
    assert_eq!(worker.stats().waiting_events, 4);
    assert!(!worker.settle(Duration::ZERO));
    outcome.send(Ok(())).unwrap();
}

#[test]
fn a_later_event_that_is_written_does_not_stand_for_an_earlier_one() {
    /// Writes the newest event, and no other for as long as it lives.
    struct NewestFirst;
    impl Write for NewestFirst {
        fn write(&mut self, waiting: &mut Vec<Arc<Event>>) -> io::Result<()> {
            if waiting.len() > 1 {
                waiting.pop();
            }
            if waiting.is_empty() { Ok(()) } else { fault() }
        }
    }
    let both = Pace { events_max: 2, ..HOURLY };
    let worker = Worker::start("newest", 10, both, NewestFirst).unwrap();
    publish_all(&worker, &events(0..2));
    wait_until(&worker, |stats| stats.delivered_events == 1);
    assert_eq!(worker.shared.state.lock().written_through, 0);
}

#[test]
fn what_was_lost_at_the_end_is_not_settled() {
    let (worker, outcome, _begun) = start(10, AT_ONCE);
    publish_all(&worker, &events(0..2));
    for _ in 0..2 {
        outcome.send(fault()).unwrap();
    }
    worker.close(Duration::ZERO);
    wait_until(&worker, |stats| stats.dropped_events == 2);
    publish_all(&worker, &events(2..3));
    assert!(!worker.settle(PATIENCE));
}
