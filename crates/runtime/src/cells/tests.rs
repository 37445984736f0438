//! Cells that change hands, against one that never does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use bellwether_engine::{ChangeKind, Event};
use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::Format;
use bellwether_wire::remote_write::{Limits, RawSample, WriteRequest, WriteRequestBuilder};

use super::cell::{Cell, CellRecord};
use super::*;
use crate::api::Received;
use crate::collector::{News, Told};
use crate::source::KafkaRecord;

const MINUTE_MS: i64 = 60_000;
/// Minutes: detectors have their samples before the fault.
const MINUTES: i64 = 150;
const FAULT: std::ops::Range<i64> = 110..125;
const PATIENCE: Duration = Duration::from_mins(1);

/// A minute of three series; one of them goes wrong.
fn write(minute: i64) -> WriteRequest {
    let mut builder = WriteRequestBuilder::default();
    for series in 0..3 {
        let number = series.to_string();
        let labels = [("__name__", "load"), ("instance", "a"), ("number", number.as_str())];
        let noise = (minute * 7919 + series * 104_729) % 17;
        let fault = if series == 0 && FAULT.contains(&minute) { 500.0 } else { 0.0 };
        let timestamp = Timestamp::from_ms(minute * MINUTE_MS);
        let value = 100.0 + noise as f64 + fault;
        builder.series(&LabelSet::from_pairs(labels).unwrap(), &[RawSample { timestamp, value }]);
    }
    WriteRequest::decode(builder.encode(), &Limits::default()).unwrap()
}

fn received_at(minute: i64) -> Timestamp {
    // Now and then a producer's clock goes back.
    Timestamp::from_ms(minute * MINUTE_MS + if minute % 10 == 3 { -90_000 } else { 500 })
}

fn apply(cell: &mut Cell, minute: i64) -> Vec<Event> {
    let write = write(minute);
    let received_at = received_at(minute);
    cell.apply(&CellRecord { offset: minute, received_at, tenant: "", write: &write }).events
}

fn settings() -> Arc<Settings> {
    Arc::new(Settings::default())
}

/// Events as sinks write them: what an event does not know is not equal to itself.
fn texts<'e>(events: impl IntoIterator<Item = &'e Event>) -> Vec<String> {
    events.into_iter().map(|event| serde_json::to_string(event).unwrap()).collect()
}

/// The events of a cell that nothing happens to.
fn undisturbed() -> Vec<String> {
    let mut cell = Cell::new(&settings(), 1);
    let events: Vec<Event> = (0..MINUTES).flat_map(|minute| apply(&mut cell, minute)).collect();
    assert!(events.iter().filter(|event| event.alert).count() >= 2, "{events:#?}");
    texts(&events)
}

#[test]
fn a_cell_that_is_restored_at_any_record_goes_on_as_if_nothing_had_happened() {
    let expected = undisturbed();
    let at = TopicPartition { topic: "metrics".into(), partition: 3 };
    for cut in (1..MINUTES).step_by(13).chain([FAULT.start + 4]) {
        let mut cell = Cell::new(&settings(), 1);
        let mut events: Vec<Event> = (0..cut).flat_map(|minute| apply(&mut cell, minute)).collect();
        let snapshot = cell.save("marks".to_owned()).unwrap();
        let object = snapshot.encode(&at, 7, Timestamp::from_ms(0)).unwrap();
        let read = snapshot::Snapshot::decode(&at, 7, object).unwrap();
        assert_eq!((read.next, &read.engine), (snapshot.next, &snapshot.engine));
        let mut restored = Cell::restore(&read, 2).unwrap();
        assert_eq!(restored.next(), Some(cut));
        assert_eq!(texts(&restored.firing()), texts(&cell.firing()));
        events.extend((cut..MINUTES).flat_map(|minute| apply(&mut restored, minute)));
        assert_eq!(texts(&events), expected, "cut at {cut}");
        (cut..MINUTES).for_each(|minute| drop(apply(&mut cell, minute)));
        let state = |cell: &Cell| cell.save(String::new()).unwrap().engine;
        assert!(state(&restored) == state(&cell), "cut at {cut}");
    }
}

/// What the sinks of all workers were told: a topic that all share, and what repeats firing alerts.
#[derive(Default)]
struct Sinks {
    topic: Mutex<Vec<Event>>,
    told: Mutex<Vec<(Told, String)>>,
    tenure: Mutex<Option<Arc<Tenure>>>,
    superseded: Mutex<Vec<Predecessors>>,
    is_stuck: AtomicBool,
}

impl Sinks {
    /// The newest events of what fires, by episode.
    fn firing(&self) -> Vec<String> {
        let topic = self.topic.lock();
        let newest: BTreeMap<_, _> = topic.iter().map(|event| (event.episode_id, event)).collect();
        let firing = newest.into_values().filter(|event| event.change != ChangeKind::Resolved);
        firing.map(|event| event.id.clone()).collect()
    }
}

impl CellOutput for Sinks {
    fn marks(&self) -> Result<String, String> {
        Ok(self.topic.lock().len().to_string())
    }

    fn supersede(&self, before: &Predecessors) -> Result<(), String> {
        self.superseded.lock().push(before.clone());
        Ok(())
    }

    fn taken_since(&self, marks: &str) -> Result<BTreeSet<String>, String> {
        let from: usize = marks.parse().map_err(|_| "no marks".to_owned())?;
        Ok(self.topic.lock()[from..].iter().map(|event| event.id.clone()).collect())
    }

    fn tell(&self, news: News, taken: &BTreeSet<String>, tenure: &Arc<Tenure>) {
        *self.tenure.lock() = Some(Arc::clone(tenure));
        let mut told = self.told.lock();
        for event in news.events {
            told.push((news.told, event.id.clone()));
            if news.told != Told::Standing && !taken.contains(&event.id) {
                self.topic.lock().push(event);
            }
        }
    }

    fn settle(&self, _: &BTreeSet<String>) -> Option<(BTreeSet<String>, Vec<u8>)> {
        (!self.is_stuck.load(Ordering::SeqCst)).then(Default::default)
    }

    fn resume(&self, _: &[u8]) -> BTreeSet<String> {
        BTreeSet::new()
    }
}

struct NoClock;

impl Clock for NoClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(0)
    }
}

/// A worker that owns a partition of a topic of one.
struct Worker {
    cells: Cells,
    membership: Arc<Membership>,
    at: TopicPartition,
}

impl Worker {
    fn new(objects: &Arc<dyn Objects>, sinks: &Arc<Sinks>, name: &str, every: Duration) -> Self {
        let options = CellsOptions {
            folder: "group".to_owned(),
            worker: name.to_owned(),
            checkpoint_every: every,
            generations_kept: 2,
            hand_over_max: PATIENCE,
            hash_seed: 3,
        };
        let output = Arc::clone(sinks) as Arc<dyn CellOutput>;
        let stats = Arc::new(Stats::default());
        let objects = Arc::clone(objects);
        let cells = Cells::new(options, settings(), objects, output, Arc::new(NoClock), stats);
        let at = TopicPartition { topic: "metrics".into(), partition: 0 };
        Self { cells, membership: Arc::new(Membership::begin(PATIENCE)), at }
    }

    /// Opens the cell; the offset that comes next. Records below `end` are there by then.
    fn open(&self, end: i64) -> Option<i64> {
        self.cells.open(&self.at, 1, &self.membership).unwrap();
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some((at, next)) = self.cells.take_opened().pop() {
                assert_eq!(at, self.at);
                self.cells.begin(&self.at, end);
                return next;
            }
            assert!(Instant::now() < until, "{:?}", self.cells.figures());
            std::thread::yield_now();
        }
    }

    /// Submits a record and waits for the answer.
    fn take(&self, minute: i64, expected: Option<i64>) -> Result<(), SubmitError> {
        let record = KafkaRecord { at: self.at.clone(), offset: minute };
        let source = Source::Kafka { record, expected };
        let format = Format::REMOTE_WRITE_1;
        let request = Request {
            tenant: None,
            write: write(minute),
            received_at: received_at(minute),
            received: Some(Received { source, format, body: Vec::new() }),
        };
        let (answer, answered) = mpsc::channel();
        self.cells.submit(request, Box::new(move |result| answer.send(result).unwrap()))?;
        answered.recv_timeout(PATIENCE).unwrap().map(drop)
    }

    fn take_all(&self, minutes: std::ops::Range<i64>, mut next: Option<i64>) {
        for minute in minutes {
            self.take(minute, next).unwrap();
            next = Some(minute + 1);
        }
    }

    fn hand_over(&self) {
        self.cells.hand_over(std::slice::from_ref(&self.at));
    }
}

const NEVER: Duration = Duration::from_hours(1);

fn store() -> (Arc<dyn Objects>, Arc<Sinks>) {
    (Arc::new(MemoryObjects::default()), Arc::default())
}

#[test]
fn a_partition_that_is_handed_over_goes_on_at_the_next_record() {
    let (objects, sinks) = store();
    let middle = FAULT.start + 5;
    let first = Worker::new(&objects, &sinks, "first", NEVER);
    assert_eq!(first.open(0), None);
    first.take_all(0..middle, None);
    first.hand_over();
    assert_eq!(first.take(middle, Some(middle)), Err(SubmitError::OutOfTurn), "it has none");
    let tenure = sinks.tenure.lock().take().unwrap();
    assert!(!tenure.is_ours(), "the first repeats no more what fires");
    let firing = sinks.firing();
    let told_before = sinks.told.lock().len();

    let second = Worker::new(&objects, &sinks, "second", NEVER);
    assert_eq!(second.open(middle), Some(middle));
    second.take_all(middle..MINUTES, Some(middle));
    let told = sinks.told.lock()[told_before..].to_vec();
    let standing: Vec<_> = told.iter().filter(|(told, _)| *told == Told::Standing).collect();
    let expected = firing.into_iter().map(|id| (Told::Standing, id));
    assert_eq!(told[..standing.len()], expected.collect::<Vec<_>>(), "and the second does");
    assert_eq!(texts(&*sinks.topic.lock()), undisturbed());
    assert!(second.cells.figures().last_error.is_none(), "{:?}", second.cells.figures());
}

#[test]
fn a_partition_whose_owner_was_killed_is_read_again_and_nothing_is_in_the_topic_twice() {
    let (objects, sinks) = store();
    let (checkpoint, killed) = (FAULT.start - 20, FAULT.end - 2);
    let first = Worker::new(&objects, &sinks, "first", NEVER);
    assert_eq!(first.open(0), None);
    first.take_all(0..checkpoint, None);
    first.hand_over();
    assert_eq!(first.open(checkpoint), Some(checkpoint));
    first.take_all(checkpoint..killed, Some(checkpoint));
    first.cells.drop_lost(std::slice::from_ref(&first.at));

    let second = Worker::new(&objects, &sinks, "second", NEVER);
    let told_before = sinks.told.lock().len();
    assert_eq!(second.open(killed), Some(checkpoint));
    let before = Predecessors { at: second.at.clone(), workers: vec!["first".to_owned()] };
    assert_eq!(sinks.superseded.lock().last(), Some(&before));
    second.take_all(checkpoint..MINUTES, Some(checkpoint));
    assert_eq!(texts(&*sinks.topic.lock()), undisturbed());
    assert!(second.cells.figures().events_known > 0);
    let told = sinks.told.lock()[told_before..].to_vec();
    let standing = told.iter().position(|(told, _)| *told == Told::Standing).unwrap();
    assert!(standing > 0 && told[..standing].iter().all(|(told, _)| *told == Told::Again));
    assert!(told[standing..].iter().all(|(told, _)| *told != Told::Again), "{told:?}");
}

#[test]
fn whoever_is_no_member_any_more_tells_nobody_anything_and_keeps_nothing() {
    let (objects, sinks) = store();
    let middle = FAULT.start + 1;
    let stale = Worker::new(&objects, &sinks, "stale", NEVER);
    stale.open(0);
    stale.take_all(0..middle, None);
    let (told, kept) = (sinks.told.lock().len(), objects.list("group/metrics/0").unwrap());
    stale.membership.end();
    assert!(stale.take(middle, Some(middle)).is_err());
    stale.hand_over();
    assert_eq!(sinks.told.lock().len(), told);
    assert_eq!(objects.list("group/metrics/0").unwrap(), kept);
    assert_eq!(stale.cells.figures().fenced, 1);
    // Nor does it claim anything.
    stale.cells.open(&stale.at, 1, &stale.membership).unwrap();
    stale.hand_over();
    assert_eq!(objects.list("group/metrics/0").unwrap(), kept);
}

#[test]
fn an_owner_that_another_one_has_followed_ends_when_it_wants_to_write() {
    let (objects, sinks) = store();
    let stale = Worker::new(&objects, &sinks, "stale", Duration::from_nanos(1));
    stale.open(0);
    stale.take_all(0..5, None);
    let second = Worker::new(&objects, &sinks, "second", NEVER);
    let next = second.open(5);
    let mut minute = 5;
    let until = Instant::now() + PATIENCE;
    while stale.take(minute, Some(minute)).is_ok() {
        minute += 1;
        assert!(Instant::now() < until, "it still takes records");
    }
    stale.hand_over();
    assert_eq!(stale.cells.figures().fenced, 1);
    assert!(next.is_none_or(|next| next <= 5), "{next:?}");
}

#[test]
fn a_checkpoint_counts_only_once_sinks_have_what_they_were_told() {
    let (objects, sinks) = store();
    sinks.is_stuck.store(true, Ordering::SeqCst);
    let first = Worker::new(&objects, &sinks, "first", NEVER);
    first.open(0);
    first.take_all(0..10, None);
    first.hand_over();
    assert!(first.cells.figures().checkpoint_failures > 0);
    let second = Worker::new(&objects, &sinks, "second", NEVER);
    assert_eq!(second.open(10), None);
}

#[test]
fn the_series_of_all_open_cells_are_seen_together() {
    let (objects, sinks) = store();
    let mut worker = Worker::new(&objects, &sinks, "worker", NEVER);
    let all: Wanted = Arc::new(|_| true);
    assert!(worker.cells.view(&all, 10).is_empty());
    for partition in [0, 1] {
        worker.at.partition = partition;
        worker.open(0);
        worker.take_all(0..5, None);
    }
    let seen = worker.cells.view(&all, 10);
    assert_eq!(seen.len(), 6);
    assert!(seen.is_sorted_by(|a, b| a.labels <= b.labels));
    assert_eq!(worker.cells.view(&all, 4).len(), 4);
    let one: Wanted = Arc::new(|labels| labels.get("number") == Some("1"));
    assert_eq!(worker.cells.view(&one, 10).len(), 2);
    let usage = worker.cells.usage();
    let [load] = &usage.metrics[..] else { panic!("{:?}", usage.metrics) };
    assert_eq!((&*load.metric, load.series), ("load", 6));
    assert!(usage.memory.total() > 0);
    worker.cells.drop_lost(&worker.cells.partitions());
    assert!(worker.cells.view(&all, 10).is_empty());
}

#[test]
fn records_out_of_turn_are_refused() {
    let (objects, sinks) = store();
    let worker = Worker::new(&objects, &sinks, "w", NEVER);
    worker.open(0);
    assert_eq!(worker.take(0, None), Ok(()));
    assert_eq!(worker.take(2, Some(2)), Err(SubmitError::OutOfTurn));
    assert_eq!(worker.take(0, None), Err(SubmitError::OutOfTurn));
    // Offsets may have gaps: what a transaction marks has one.
    assert_eq!(worker.take(5, Some(1)), Ok(()));
    assert_eq!(worker.take(6, Some(6)), Ok(()));
    let figures = worker.cells.figures();
    let of_cell: BTreeMap<_, _> = figures.open;
    assert_eq!(of_cell[&worker.at].next, Some(7));
}
