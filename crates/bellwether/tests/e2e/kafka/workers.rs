//! Several workers share a topic: whoever has a partition when, and whatever is killed or stopped, events are those of one
//! worker that nothing happens to, and each is in the topic once.
//!
//! In CI there are a few changes of hands; with `BELLWETHER_E2E=full`, for .ci/accept, as many as are promised.

pub(super) mod crew;
pub(super) mod feed;

use std::time::{Duration, Instant};

use super::records::Clients;
use super::{Broker, Gate, Request, is_full, pending};
use crate::exposition::total;
use crate::poll::{seconds, until};
use crew::{Crew, Pauses};
use feed::Feed;

/// Partitions of the topic.
pub(super) const PARTITIONS: i32 = 8;
/// Longest that a partition may not get on.
const PAUSE_MAX: Duration = seconds(10);
/// Longest wait for whatever is to happen.
const PATIENCE: Duration = seconds(240);

/// A broker with the topics.
pub(super) fn broker(dir: &std::path::Path) -> (Broker, Clients) {
    let broker = Broker::start(dir);
    let clients = Clients::new(&broker);
    create_topics(&clients);
    (broker, clients)
}

fn create_topics(clients: &Clients) {
    clients.create_topics_of(&[
        ("metrics", PARTITIONS),
        ("metrics.dlq", 1),
        ("events", 2),
        ("events-of-one", 2),
    ]);
}

/// Holds what a crew has told of the whole topic to what one worker tells of it. How many events those are.
pub(super) fn holds(crew: &Crew<'_>, broker: &Broker, clients: &Clients) -> usize {
    let told = clients.read_ids("events", 2);
    let mut one = Crew::new(crew.dir(), broker, "one", "events-of-one");
    one.join();
    one.until_all_is_taken(clients, PARTITIONS, PATIENCE);
    one.leave_all();
    let expected = clients.read_ids("events-of-one", 2);
    let missing: Vec<_> = expected.keys().filter(|id| !told.contains_key(*id)).collect();
    let more: Vec<_> = told.keys().filter(|id| !expected.contains_key(*id)).collect();
    assert!(missing.is_empty() && more.is_empty(), "lost {missing:?}, made up {more:?}");
    let doubled: Vec<_> = told.iter().filter(|(_, count)| **count > 1).collect();
    assert!(doubled.is_empty(), "in the topic twice: {doubled:?}");
    told.len()
}

#[test]
fn three_workers_tell_what_one_tells() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, clients) = broker(dir.path());
    let mut crew = Crew::new(dir.path(), &broker, "three", "events");
    for _ in 0..3 {
        crew.join();
    }
    crew.until_each_has(PARTITIONS / 3);
    let feed = Feed::start(&broker, PARTITIONS, 400, Duration::ZERO);
    feed.finish();
    crew.until_all_is_taken(&clients, PARTITIONS, PATIENCE);
    crate::peers::promtool_check_metrics(&crew.metrics()[0]);
    let shown = crew.series();
    assert_eq!(shown.len(), PARTITIONS as usize * feed::SERIES as usize, "{shown:?}");
    assert!(shown.values().all(|&workers| workers == 1), "{shown:?}");
    crew.leave_all();
    let events = holds(&crew, &broker, &clients);
    assert!(events >= 2 * PARTITIONS as usize, "{events} events");
    println!("three workers and one: {events} events, the same");
}

#[test]
fn workers_that_come_go_and_are_killed_lose_nothing_and_double_nothing() {
    come_and_go(false);
}

#[test]
fn workers_with_transactions_that_come_go_and_are_killed_lose_nothing_and_double_nothing() {
    come_and_go(true);
}

fn come_and_go(with_transactions: bool) {
    let dir = tempfile::tempdir().unwrap();
    let (broker, clients) = broker(dir.path());
    let changes = if is_full() { 30 } else { 5 };
    let crew = Crew::new(dir.path(), &broker, "crew", "events");
    let mut crew = if with_transactions { crew.with_transactions() } else { crew };
    for _ in 0..3 {
        crew.join();
    }
    crew.until_each_has(PARTITIONS / 3);
    let records = if is_full() { 400_000 } else { 100_000 };
    let feed =
        Feed::start(&broker, PARTITIONS, records / i64::from(PARTITIONS), seconds(12) * changes);
    let mut pauses = Pauses::default();
    for change in 0..changes {
        // Everybody has something, and has made a checkpoint or is about to.
        crew.watch(&mut pauses, seconds(2));
        match change % 4 {
            0 => crew.kill(change as usize),
            2 => crew.leave(change as usize),
            _ => crew.join(),
        }
        crew.watch(&mut pauses, seconds(9));
        pauses.next_change();
    }
    feed.finish();
    crew.until_all_is_taken(&clients, PARTITIONS, PATIENCE);
    crew.leave_all();
    let events = holds(&crew, &broker, &clients);
    let p99 = pauses.p99();
    println!(
        "{records} records, {changes} changes: {events} events, lost 0, doubled 0; pauses {pauses:?}"
    );
    assert!(p99 <= PAUSE_MAX, "a partition did not get on for {p99:?}");
}

fn partitions_of(crew: &Crew<'_>, worker: usize) -> i32 {
    total(&crew.metrics_of(worker), "bellwether_worker_partitions") as i32
}

fn fenced_of(crew: &Crew<'_>, worker: usize) -> i32 {
    total(&crew.metrics_of(worker), "bellwether_worker_fenced_total") as i32
}

fn until_it_has_all(crew: &Crew<'_>, worker: usize) {
    until(seconds(90), "the other worker to have everything", || {
        (partitions_of(crew, worker) == PARTITIONS).then_some(())
    });
}

/// Waits until a worker knows of so many partitions that they were somebody else's.
fn until_it_notices(crew: &Crew<'_>, worker: usize, fenced: i32) {
    until(seconds(60), "the stopped worker to notice", || {
        (fenced_of(crew, worker) >= fenced).then_some(())
    });
}

fn withdrawn_of(crew: &Crew<'_>, worker: usize) -> f64 {
    total(&crew.metrics_of(worker), "bellwether_sink_events_withdrawn_total")
}

#[test]
fn a_worker_that_was_stopped_past_its_session_tells_nobody_anything_and_keeps_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, clients) = broker(dir.path());
    let cycles = if is_full() { 20 } else { 2 };
    let mut crew = Crew::new(dir.path(), &broker, "crew", "events");
    crew.join();
    crew.join();
    crew.until_each_has(PARTITIONS / 2);
    let feed = Feed::start(&broker, PARTITIONS, 2_500 * i64::from(cycles), seconds(25) * cycles);
    for cycle in 0..cycles {
        let stopped = cycle as usize % 2;
        let fenced = fenced_of(&crew, stopped) + partitions_of(&crew, stopped);
        crew.signal(stopped, "STOP");
        let other = 1 - stopped;
        until_it_has_all(&crew, other);
        // Until it has checkpoints of its own of everything.
        let made = |crew: &Crew<'_>| {
            total(&crew.metrics_of(other), "bellwether_worker_checkpoints_total") as i32
        };
        let before = made(&crew);
        until(seconds(60), "checkpoints", || (made(&crew) >= before + PARTITIONS).then_some(()));
        crew.signal(stopped, "CONT");
        until_it_notices(&crew, stopped, fenced);
        crew.until_each_has(PARTITIONS / 2);
    }
    let began = Instant::now();
    feed.finish();
    crew.until_all_is_taken(&clients, PARTITIONS, PATIENCE);
    println!("caught up in {:?}", began.elapsed());
    crew.leave_all();
    let events = holds(&crew, &broker, &clients);
    println!(
        "{cycles} stops past the session: {events} events, stale checkpoints accepted 0, events doubled 0"
    );
}

/// Records of each partition that come at once.
const BURST: i64 = 2_000;
/// Events that must wait when a worker is stopped in the middle of them.
const EVENTS_WAITING: f64 = 20.0;

#[test]
fn a_worker_that_was_stopped_with_events_within_its_client_sends_none_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, clients) = broker(dir.path());
    // So long each event is with the client before that sends it.
    let crew = Crew::new(dir.path(), &broker, "crew", "events");
    let mut crew = crew.with_properties("{ linger.ms: 2000 }");
    crew.join();
    crew.join();
    crew.until_each_has(PARTITIONS / 2);
    let feed = Feed::start(&broker, PARTITIONS, BURST, Duration::ZERO);
    until(seconds(60), "events that wait", || {
        (pending(&crew.metrics_of(0)) >= EVENTS_WAITING).then_some(())
    });
    let had = partitions_of(&crew, 0);
    crew.signal(0, "STOP");
    feed.finish();
    until_it_has_all(&crew, 1);
    crew.until_all_is_taken(&clients, PARTITIONS, PATIENCE);
    crew.signal(0, "CONT");
    until_it_notices(&crew, 0, had);
    crew.until_each_has(PARTITIONS / 2);
    let withdrawn = || withdrawn_of(&crew, 0);
    until(seconds(60), "events to be withdrawn", || (withdrawn() >= EVENTS_WAITING).then_some(()));
    let withdrawn = withdrawn();
    crew.leave_all();
    let events = holds(&crew, &broker, &clients);
    println!("{events} events; {withdrawn} withdrawn, doubled 0");
}

#[test]
fn a_worker_that_was_stopped_in_the_middle_of_its_events_commits_none_that_another_has() {
    stopped_at(Request::PRODUCE);
}

#[test]
fn a_worker_that_was_stopped_at_the_end_of_a_transaction_commits_no_event_that_another_has() {
    stopped_at(Request::END_TRANSACTION);
}

/// A worker is stopped while its requests of this kind are on their way, and they arrive when others have its partitions.
fn stopped_at(request: Request) {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::new();
    let broker = Broker::start_behind(dir.path(), &gate);
    let clients = Clients::new(&broker);
    create_topics(&clients);
    let mut crew = Crew::new(dir.path(), &broker, "crew", "events").with_transactions();
    crew.join_through(&gate.address().to_string());
    crew.join();
    crew.until_each_has(PARTITIONS / 2);
    gate.close_for(request);
    let feed = Feed::start(&broker, PARTITIONS, BURST, Duration::ZERO);
    feed.finish();
    until(seconds(60), "events that wait", || {
        let waiting = pending(&crew.metrics_of(0));
        (gate.held() > 0 && waiting >= EVENTS_WAITING).then_some(())
    });
    let had = partitions_of(&crew, 0);
    crew.signal(0, "STOP");
    let began = Instant::now();
    until_it_has_all(&crew, 1);
    crew.until_all_is_taken(&clients, PARTITIONS, PATIENCE);
    let took = began.elapsed();
    gate.open();
    crew.signal(0, "CONT");
    until_it_notices(&crew, 0, had);
    crew.until_each_has(PARTITIONS / 2);
    let withdrawn = || withdrawn_of(&crew, 0);
    until(seconds(60), "events to be withdrawn", || (withdrawn() >= EVENTS_WAITING).then_some(()));
    let withdrawn = withdrawn();
    let aborted = total(&crew.metrics_of(0), "bellwether_sink_transactions_aborted_total");
    crew.leave_all();
    let events = holds(&crew, &broker, &clients);
    println!(
        "{events} events, all taken {took:.1?} after the stop; {withdrawn} withdrawn, {aborted} transactions aborted, doubled 0"
    );
}
