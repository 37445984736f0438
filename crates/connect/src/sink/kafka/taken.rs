//! What a topic of events has: whoever goes on for a process that was killed asks it what it need not tell again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use serde::Deserialize;

use crate::kafka::{Cluster, Role, describe};

/// Longest wait for the ends of a partition, and for its metadata.
const ENDS_MAX: Duration = Duration::from_secs(2);
/// Longest time without a record while some are to come.
const SILENT_MAX: Duration = Duration::from_secs(30);
/// As often it is looked whether transactions have ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The end of each partition of a topic.
pub(super) type Ends = BTreeMap<i32, i64>;

/// Why it is not known what a topic has, or where it ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    /// Brokers do not answer. They take nothing either: ask again.
    #[error("{0}")]
    Away(String),
    /// Brokers answer, and the topic is not there, not to be read, or not read in time.
    #[error("{0}")]
    Unreadable(String),
}

impl From<Unread> for String {
    fn from(unread: Unread) -> Self {
        unread.to_string()
    }
}

/// All of an event that is of interest here.
#[derive(Deserialize)]
struct EventId {
    id: String,
}

/// Which records of a topic are meant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Records {
    /// All of them.
    All,
    /// Those of which it is certain that they stay: no transaction that is under way has a record before them.
    Committed,
}

/// The name of a group that is never joined, which librdkafka wants.
const NO_GROUP: &str = "bellwether-events";

/// A consumer that joins no group, but may ask how far `group` is.
pub(super) fn consumer(
    cluster: &Cluster,
    records: Records,
    group: &str,
) -> Result<BaseConsumer, String> {
    let isolation = match records {
        Records::All => "read_uncommitted",
        Records::Committed => "read_committed",
    };
    let own = [
        ("isolation.level", isolation.to_owned()),
        ("group.id", group.to_owned()),
        ("enable.auto.commit", "false".to_owned()),
        ("enable.auto.offset.store", "false".to_owned()),
        ("auto.offset.reset", "earliest".to_owned()),
        ("enable.partition.eof", "true".to_owned()),
        ("allow.auto.create.topics", "false".to_owned()),
        ("fetch.wait.max.ms", "100".to_owned()),
    ];
    let config = cluster.config(Role::Consumer, &own).map_err(|error| error.to_string())?;
    config.create().map_err(|error| describe(&error))
}

/// Whoever asks where a topic ends, again and again.
pub(super) struct Asker {
    pub(super) cluster: Cluster,
    pub(super) topic: String,
    consumer: Mutex<Option<BaseConsumer>>,
}

impl Asker {
    pub(super) fn new(cluster: Cluster, topic: String) -> Self {
        Self { cluster, topic, consumer: Mutex::default() }
    }

    /// Where the topic ends.
    pub(super) fn ends(&self) -> Result<Ends, Unread> {
        let mut held = self.consumer.lock();
        let asked = match held.take() {
            Some(consumer) => consumer,
            None => self.consumer_of(Records::Committed)?,
        };
        let ends = ends_by(&asked, &self.topic)?;
        // Of one that does not answer another connection is made the next time.
        *held = Some(asked);
        Ok(ends)
    }

    /// Of the events behind `marks` the ids that `is_wanted`. A partition that they do not know is read from its beginning. What takes
    /// longer than `limit` is given up, and so is what stands still.
    pub(super) fn ids_since(
        &self,
        marks: &Ends,
        limit: Duration,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<BTreeSet<String>, Unread> {
        let began = Instant::now();
        let topic = self.topic.as_str();
        // Where the topic ends now, whatever is under way: somebody may have committed behind that.
        let ends = ends_by(&self.consumer_of(Records::All)?, topic)?;
        let consumer = self.consumer_of(Records::Committed)?;
        wait_until_committed(&consumer, topic, &ends, SILENT_MAX.min(limit))?;
        let failed = |error| Unread::Unreadable(describe(&error));
        let mut list = TopicPartitionList::new();
        let mut open = BTreeMap::new();
        for (&partition, &end) in &ends {
            let from = marks.get(&partition).copied().unwrap_or(0);
            if from < end {
                list.add_partition_offset(topic, partition, Offset::Offset(from))
                    .map_err(failed)?;
                open.insert(partition, end);
            }
        }
        consumer.assign(&list).map_err(failed)?;
        let (mut ids, mut heard) = (BTreeSet::new(), Instant::now());
        while !open.is_empty() {
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    let (partition, next) = (message.partition(), message.offset() + 1);
                    if open.get(&partition).is_some_and(|&end| next >= end) {
                        open.remove(&partition);
                    }
                    // What somebody else wrote there is no event of ours.
                    let event = message.payload().map(serde_json::from_slice::<EventId>);
                    let id = event.and_then(Result::ok).map(|event| event.id);
                    ids.extend(id.filter(|id| is_wanted(id)));
                }
                // Behind the last event there may be records of the brokers alone, about transactions.
                Some(Err(KafkaError::PartitionEOF(partition))) => _ = open.remove(&partition),
                Some(Err(error)) if is_refused(&error) => return Err(failed(error)),
                Some(Err(_)) | None => {}
            }
            if heard.elapsed() > SILENT_MAX || began.elapsed() > limit {
                // That brokers do not answer any more is another matter.
                ends_by(&consumer, topic)?;
                let error = format!("topic is not read to its end: topic=`{topic}`");
                return Err(Unread::Unreadable(error));
            }
        }
        Ok(ids)
    }

    fn consumer_of(&self, records: Records) -> Result<BaseConsumer, Unread> {
        consumer(&self.cluster, records, NO_GROUP).map_err(Unread::Away)
    }
}

/// Where `topic` ends, for what `consumer` reads.
pub(super) fn ends_by(consumer: &BaseConsumer, topic: &str) -> Result<Ends, Unread> {
    let failed = |error| Unread::Away(describe(&error));
    let metadata = consumer.fetch_metadata(Some(topic), ENDS_MAX).map_err(failed)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let partitions = found.map_or(&[][..], |found| found.partitions());
    if partitions.is_empty() {
        let error = format!("there is no topic for events: topic=`{topic}`");
        return Err(Unread::Unreadable(error));
    }
    let end = |partition: i32| {
        let (_, end) = consumer.fetch_watermarks(topic, partition, ENDS_MAX)?;
        Ok((partition, end))
    };
    partitions.iter().map(|partition| end(partition.id()).map_err(failed)).collect()
}

/// Whether `ends` are nowhere below `others`.
pub(super) fn reaches(ends: &Ends, others: &Ends) -> bool {
    others.iter().all(|(partition, other)| ends.get(partition) >= Some(other))
}

/// Waits until all transactions that have a record below `ends` are committed or aborted, by brokers if need be; for `limit` at the
/// most.
fn wait_until_committed(
    consumer: &BaseConsumer,
    topic: &str,
    ends: &Ends,
    limit: Duration,
) -> Result<(), Unread> {
    let began = Instant::now();
    loop {
        if reaches(&ends_by(consumer, topic)?, ends) {
            return Ok(());
        }
        if began.elapsed() >= limit {
            let error = format!("a transaction does not end: topic=`{topic}`");
            return Err(Unread::Unreadable(error));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Whether brokers will never let us read.
fn is_refused(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::TopicAuthorizationFailed)
}
