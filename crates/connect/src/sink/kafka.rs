//! Produces every event to a topic of Kafka, in order, until the brokers have confirmed it.
//!
//! ```text
//! Event ─▶ bounded book of what is not confirmed ◀─ thread ─▶ librdkafka ─▶ broker
//!               ▲                                                              │
//!               └───────── confirmed: done; else: again, after a pause ◀───────┘
//! ```
//!
//! The producer is idempotent: what it repeats by itself is in the topic once. What is not confirmed is in the checkpoint. What is
//! told again by a later process, because the one before was killed before its next checkpoint, comes with the same `id`, and is in
//! doubt: before it is produced the topic is asked whether it has it, from the place that the checkpoint knows. The thread
//! does that, and nobody waits for it. A topic that cannot be read is told it again.
//!
//! An event of a [cell](bellwether_runtime::cells) is produced only as long as its partition is ours. The client looks at its own clock
//! before it sends anything, and gives up what has waited for too long ([`KafkaEventsOptions::produced_within`]): so a process that
//! was stopped sends nothing that it had queued before. What was given up is in doubt, for the broker may have it, and before it is
//! produced again the topic is asked.
//!
//! With [transactions](TransactionOptions) events are committed together with how far the source was taken, and whoever reads
//! what is committed sees each once.

mod book;
mod brokers;
mod place;
mod predecessor;
mod taken;
mod transactional;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use bellwether_detect::Severity;
use bellwether_engine::Event;
use bellwether_runtime::cells::{Predecessors, Tenure};
use bellwether_runtime::{EventSink, SinkStats};
use parking_lot::Mutex;

use crate::kafka::{ClientError, Cluster, Group, Letter, Producer, Undelivered};
use book::{Book, Doubtful, Next, Origin};
use brokers::Brokers;
use place::Places;
use predecessor::Fence;
use taken::{Asker, Unread};
use transactional::Transactor;

/// Pause after a failure that is not the brokers' being away: that one librdkafka waits for by itself.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Longest time in which a process that is no worker asks the topic what it has of what is told again: what is new waits meanwhile.
const LOOK_UP_MAX: Duration = Duration::from_secs(30);
/// Longest wait for something to do.
const WAIT_MAX: Duration = Duration::from_millis(100);

/// Where events are produced to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaEventsOptions {
    /// What metrics and health call it.
    pub name: String,
    /// Where the topic is.
    pub cluster: Cluster,
    /// The topic. It must exist, unless the brokers make topics by themselves.
    pub topic: String,
    /// What the key of a record is.
    pub key: EventKey,
    /// Least severity that is produced.
    pub severity: Severity,
    /// Events that may wait to be confirmed; beyond it new ones are lost. At least 1.
    pub queue_events_max: usize,
    /// Events are committed together with how far a source of the same cluster is; `None`: each by itself.
    pub transactions: Option<TransactionOptions>,
    /// What the brokers have not confirmed within this time is given up, and produced again if its partition is still ours and the topic
    /// does not have it. Of a worker it is [what it may be silent](crate::source::kafka::WorkerOptions::silence_max), so that what waits
    /// within the client when it is stopped does not come after the events of whoever has its partitions then. `None`: this process is
    /// no worker, and nothing is given up. Transactions have a time of their own.
    pub produced_within: Option<Duration>,
}

/// How transactions are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionOptions {
    /// `transactional.id`: who says the same fences the one before. Where processes share the group it is the group's, and each adds
    /// [who it is](Group::member).
    pub id: String,
    /// Whether processes share the group of the source, as its [workers](crate::source::kafka::WorkerOptions).
    pub is_shared: bool,
}

/// What the key of a record is, and with it which partition it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKey {
    /// The fingerprint of the series: its events stay in order.
    Series,
    /// The id of the episode: a compacted topic keeps how each ended.
    Episode,
    /// The id of the event: a compacted topic keeps each once.
    Event,
}

/// The topic, and the thread that produces to it.
pub struct KafkaEvents {
    name: String,
    severity: Severity,
    asker: Arc<Asker>,
    book: Arc<Book>,
    /// What it shares with the source, if it makes transactions.
    group: Option<Arc<Group>>,
    /// From where the topic can be asked what it has.
    places: Arc<Mutex<Places>>,
    /// Whether it asks the topic itself what it has of what is told again: whoever opens a partition does that for a worker.
    looks_up: bool,
    /// Of one of several that share the group.
    fence: Option<Fence>,
    /// Disconnected once the thread has ended, however it did. Nothing is ever sent.
    ended: Mutex<Receiver<()>>,
}

/// Why there is no such sink.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaEventsError {
    /// librdkafka refuses something.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The system refuses a thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

impl TransactionOptions {
    /// The `transactional.id` of the process that is called `member`.
    fn id_of(&self, member: &str) -> String {
        if self.is_shared { format!("{}-{member}", self.id) } else { self.id.clone() }
    }
}

impl KafkaEventsOptions {
    /// Whether it is decided elsewhere what of its events the topic has.
    fn is_of_worker(&self) -> bool {
        let is_shared = self.transactions.as_ref().is_some_and(|of| of.is_shared);
        is_shared || self.produced_within.is_some()
    }

    /// Sends `event`, known by its `number`.
    fn send(
        &self,
        producer: &Producer<u64>,
        number: u64,
        event: &Event,
    ) -> Result<(), Undelivered> {
        let fingerprint = event.fingerprint.to_string();
        let episode = event.episode_id.to_string();
        let key = match self.key {
            EventKey::Series => &fingerprint,
            EventKey::Episode => &episode,
            EventKey::Event => &event.id,
        };
        // What cannot be written will never be taken either.
        let value = serde_json::to_vec(event).map_err(|error| Undelivered {
            error: error.to_string(),
            is_too_large: true,
            refusal: None,
            is_queue_full: false,
            is_fatal: false,
            is_in_doubt: false,
        })?;
        let letter = Letter {
            topic: &self.topic,
            partition: None,
            key: Some(key.as_bytes()),
            value: Some(&value),
            headers: None,
            timestamp_ms: None,
        };
        producer.send(letter, number)
    }
}

impl KafkaEvents {
    /// Starts the thread. Brokers need not be there yet.
    ///
    /// # Errors
    /// When an option is unusable.
    pub fn start(options: KafkaEventsOptions) -> Result<Self, KafkaEventsError> {
        let book = Arc::new(Book::new(options.queue_events_max));
        let (name, severity) = (options.name.clone(), options.severity);
        let asker = Arc::new(Asker::new(options.cluster.clone(), options.topic.clone()));
        let transactions = options.transactions.as_ref();
        let shared = transactions.filter(|of| of.is_shared);
        let looks_up = !options.is_of_worker();
        let places = if looks_up { Places::of_successor() } else { Places::of_worker() };
        let places = Arc::new(Mutex::new(places));
        let group = transactions.map(|of| Arc::new(Group::new(of.is_shared)));
        let fence = shared.map(|of| Fence::new(&options, of));
        let (running, ended) = sync_channel(0);
        let thread = std::thread::Builder::new().name("kafka-events".to_owned());
        if let (Some(transactions), Some(group)) = (options.transactions.clone(), &group) {
            let shared = (Arc::clone(&book), Arc::clone(&asker), Arc::clone(&places));
            let brokers = Brokers::new(options, transactions.id_of(group.member()), shared);
            // Here, so that whoever starts it hears what is wrong.
            brokers.check()?;
            let transactor = Transactor::new(brokers, Arc::clone(&book), Arc::clone(group));
            thread.spawn(move || {
                transactor.run();
                drop(running);
            })?;
        } else {
            let (asker, places) = (Arc::clone(&asker), Arc::clone(&places));
            let writer = Writer { book: Arc::clone(&book), options, asker, places };
            let producer = writer.producer()?;
            thread.spawn(move || {
                writer.run(producer);
                drop(running);
            })?;
        }
        let ended = Mutex::new(ended);
        Ok(Self { name, severity, asker, book, group, places, looks_up, fence, ended })
    }

    /// What its transactions share with the source; `None` when it makes none.
    pub fn group(&self) -> Option<Arc<Group>> {
        self.group.clone()
    }

    fn push(&self, event: &Arc<Event>, origin: Origin) {
        if event.severity >= self.severity {
            self.book.push(event, origin);
        }
    }
}

impl EventSink for KafkaEvents {
    fn name(&self) -> &str {
        &self.name
    }

    fn publish(&self, event: &Arc<Event>) {
        self.push(event, Origin::default());
    }

    fn publish_again(&self, event: &Arc<Event>) {
        let is_doubtful = self.looks_up;
        if is_doubtful {
            // First: the topic may be asked, or have it, as soon as it is in the book.
            self.places.lock().told_again();
        }
        self.push(event, Origin { is_doubtful, ..Origin::default() });
    }

    fn publish_held(&self, event: &Arc<Event>, tenure: &Arc<Tenure>) {
        let tenure = Arc::clone(tenure);
        self.push(event, Origin { tenure: Some(tenure), ..Origin::default() });
    }

    fn undelivered(&self) -> Vec<Arc<Event>> {
        self.book.unconfirmed()
    }

    fn can_be_asked(&self) -> bool {
        true
    }

    /// The end of each partition of the topic, as JSON.
    fn marks(&self) -> Result<Option<String>, String> {
        let ends = self.asker.ends()?;
        serde_json::to_string(&ends).map(Some).map_err(|error| error.to_string())
    }

    fn taken_since(&self, marks: &str) -> Result<BTreeSet<String>, String> {
        let marks = serde_json::from_str(marks).map_err(|error| error.to_string())?;
        Ok(self.asker.ids_since(&marks, Duration::MAX, |_| true)?)
    }

    fn supersede(&self, before: &Predecessors) -> Result<(), String> {
        self.fence.as_ref().map_or(Ok(()), |fence| fence.supersede(before))
    }

    /// Ends of the topic, as JSON.
    fn bookmark(&self) -> Option<String> {
        if !self.looks_up {
            return None;
        }
        serde_json::to_string(&self.places.lock().bookmark()?).ok()
    }

    fn return_to(&self, bookmark: &str) {
        match serde_json::from_str(bookmark) {
            Ok(ends) => self.places.lock().return_to(ends),
            Err(error) => tracing::warn!(%error, "the topic of events will be read as a whole"),
        }
    }

    fn stats(&self) -> SinkStats {
        self.book.stats()
    }

    fn close(&self, limit: Duration) {
        self.book.close(Instant::now() + limit);
        let ended = self.ended.lock().recv_timeout(limit);
        let lost_events = self.book.abandon();
        if ended != Err(RecvTimeoutError::Disconnected) || lost_events > 0 {
            let sink = &self.name;
            tracing::warn!(sink, lost_events, "the topic did not take all events in time");
        }
    }
}

/// Notes where the topic ends while nothing is under way, if it is time: what comes to be in doubt later is behind that.
fn note_rest(asker: &Asker, places: &Mutex<Places>, book: &Book) {
    // In this order: what is told again is in the book before it is time for the first place.
    if places.lock().wants_rest() && book.is_empty() {
        let ends = asker.ends().ok();
        places.lock().rest(ends);
    }
}

/// What the thread works with.
struct Writer {
    options: KafkaEventsOptions,
    book: Arc<Book>,
    asker: Arc<Asker>,
    places: Arc<Mutex<Places>>,
}

impl Writer {
    fn producer(&self) -> Result<Producer<u64>, ClientError> {
        let within = self.options.produced_within;
        let timeout_ms = within.map_or(0, |within| within.as_millis());
        let own = [
            ("linger.ms", "5".to_owned()),
            ("compression.codec", "zstd".to_owned()),
            // 0: as long as it takes. How much may wait is for the book to say.
            ("message.timeout.ms", timeout_ms.to_string()),
            ("queue.buffering.max.messages", "0".to_owned()),
        ];
        let book = Arc::clone(&self.book);
        let confirmed = move |number, result: Result<(), Undelivered>| match result {
            Ok(()) => book.confirmed(number, jiff::Timestamp::now().as_millisecond()),
            Err(undelivered) if undelivered.is_too_large => book.lost(number, undelivered.error),
            Err(undelivered) => {
                // First: once it has failed it is produced again.
                book.doubt(undelivered.is_in_doubt.then_some(number));
                book.failed(number, undelivered.error);
            }
        };
        Producer::start(&self.options.cluster, &own, Box::new(confirmed))
    }

    /// Produces until it is closed and nothing waits, or the time is up.
    fn run(&self, mut producer: Producer<u64>) {
        self.note_beginning();
        loop {
            match self.book.next(WAIT_MAX) {
                Next::Event(number, event) => {
                    let sent = self.options.send(&producer, number, &event);
                    let Err(undelivered) = sent else { continue };
                    if undelivered.is_fatal {
                        producer = self.another(producer, &undelivered.error);
                    } else if undelivered.is_too_large {
                        self.book.lost(number, undelivered.error);
                    } else {
                        self.book.failed(number, undelivered.error);
                    }
                }
                Next::Doubtful(doubtful) => self.clear_up(&doubtful),
                Next::Nothing => note_rest(&self.asker, &self.places, &self.book),
                Next::Pause => std::thread::sleep(RETRY_AFTER.min(WAIT_MAX)),
                Next::End => return,
            }
        }
    }

    /// Asks the topic whether it has the events `doubtful`.
    fn clear_up(&self, doubtful: &Doubtful) {
        let marks = self.places.lock().of_doubts();
        let must_know = self.options.is_of_worker();
        let limit = if must_know { Duration::MAX } else { LOOK_UP_MAX };
        let wanted: BTreeSet<&str> = doubtful.values().map(String::as_str).collect();
        match self.asker.ids_since(&marks, limit, |id| wanted.contains(id)) {
            Ok(ids) => self.book.clear_up(doubtful, &ids),
            Err(Unread::Unreadable(error)) if !must_know => {
                let (sink, events) = (&self.options.name, doubtful.len());
                tracing::warn!(
                    sink,
                    events,
                    error,
                    "topic cannot be asked what it has, it may get events twice"
                );
                self.book.leave_in_doubt(doubtful, &error);
            }
            Err(error) => self.book.pause(&error.to_string(), RETRY_AFTER),
        }
    }

    /// Where the topic ends before anything is produced. When nobody answers, what the process before said goes on to hold.
    fn note_beginning(&self) {
        if let Ok(ends) = self.asker.ends() {
            self.places.lock().begin(ends);
        }
    }

    /// A producer in place of one that has failed for good. What it had not confirmed is produced again.
    fn another(&self, failed: Producer<u64>, error: &str) -> Producer<u64> {
        let sink = &self.options.name;
        tracing::error!(sink, error, "producer has failed, starting another");
        match self.producer() {
            Ok(producer) => {
                // First, so that what it says of its records is of no account.
                drop(failed);
                self.book.begin_again(error);
                producer
            }
            Err(_) => failed,
        }
    }
}
