//! What is in the topics, and who writes and reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::{RawSample, WriteRequestBuilder};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::Broker;

/// Minutes of samples: detectors have their 60, twice over, before the fault.
pub(super) const MINUTES: i64 = 240;
/// Partitions of the topic.
pub(super) const PARTITIONS: i32 = 4;
/// Partitions of the topic of events.
const EVENT_PARTITIONS: i32 = 2;
/// When the fault begins, and how long it lasts, in minutes.
const FAULT: std::ops::Range<i64> = 200..220;
/// Series in one record.
const SERIES: i64 = 5;
/// The first minute, in milliseconds.
const START_MS: i64 = 1_760_000_000_000;
/// Longest wait for the broker.
const PATIENCE: Duration = Duration::from_secs(30);

/// A minute of all series of a partition: remote write, not compressed. In half of the partitions one of them goes wrong.
pub(super) fn record(partition: i32, minute: i64) -> Vec<u8> {
    let mut builder = WriteRequestBuilder::default();
    for series in 0..SERIES {
        let (instance, number) = (format!("host-{partition}"), series.to_string());
        let labels = LabelSet::from_pairs([
            ("__name__", "load"),
            ("instance", instance.as_str()),
            ("number", number.as_str()),
        ]);
        let noise = (minute * 7919 + series * 104_729 + i64::from(partition) * 31) % 17;
        let is_faulty = series == 0 && partition % 2 == 0 && FAULT.contains(&minute);
        let value = 100.0 + noise as f64 + if is_faulty { 500.0 } else { 0.0 };
        let timestamp = Timestamp::from_ms(START_MS + minute * 60_000);
        builder.series(&labels.unwrap(), &[RawSample { timestamp, value }]);
    }
    builder.encode()
}

/// What no format reads.
pub(super) fn garbage(number: i64) -> Vec<u8> {
    let mut bytes = b"\xff\xff\xff garbage ".to_vec();
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes
}

/// Somebody else's clients.
pub(super) struct Clients {
    brokers: String,
    producer: BaseProducer,
}

/// A record that was read.
pub(super) struct ReadRecord {
    pub(super) value: Vec<u8>,
    headers: Vec<(String, String)>,
}

impl ReadRecord {
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map_or_else(|| panic!("no header {name}: {:?}", self.headers), |(_, value)| value)
    }
}

impl From<BorrowedMessage<'_>> for ReadRecord {
    fn from(message: BorrowedMessage<'_>) -> Self {
        let headers = message.headers().into_iter().flat_map(Headers::iter);
        let text =
            |value: Option<&[u8]>| String::from_utf8(value.unwrap_or_default().to_vec()).unwrap();
        Self {
            value: message.payload().unwrap_or_default().to_vec(),
            headers: headers.map(|header| (header.key.to_owned(), text(header.value))).collect(),
        }
    }
}

impl Clients {
    pub(super) fn new(broker: &Broker) -> Self {
        let brokers = broker.address();
        let producer = ClientConfig::new()
            .set("bootstrap.servers", &brokers)
            .set("enable.idempotence", "true")
            .create()
            .unwrap();
        Self { brokers, producer }
    }

    /// The topic, that of dead letters, and that of events.
    pub(super) fn create_topics(&self) {
        self.create_topics_of(&[
            ("metrics", PARTITIONS),
            ("metrics.dlq", 1),
            ("events", EVENT_PARTITIONS),
        ]);
    }

    /// Topics with so many partitions.
    pub(super) fn create_topics_of(&self, topics: &[(&str, i32)]) {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &self.brokers).create().unwrap();
        let topics = topics
            .iter()
            .map(|&(name, partitions)| NewTopic::new(name, partitions, TopicReplication::Fixed(1)));
        let topics: Vec<NewTopic<'_>> = topics.collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let created = runtime.block_on(admin.create_topics(&topics, &AdminOptions::new())).unwrap();
        assert!(created.iter().all(Result::is_ok), "{created:?}");
    }

    pub(super) fn produce(&self, partition: i32, value: &[u8]) {
        let record = BaseRecord::<(), [u8]>::to("metrics").partition(partition).payload(value);
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
    }

    /// Waits until all is with the broker.
    pub(super) fn flush(&self) {
        self.producer.flush(PATIENCE).unwrap();
    }

    fn consumer(&self) -> BaseConsumer {
        ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", "test")
            .create()
            .unwrap()
    }

    /// The offset after the last record.
    pub(super) fn end_of(&self, topic: &str, partition: i32) -> i64 {
        self.consumer().fetch_watermarks(topic, partition, PATIENCE).unwrap().1
    }

    /// All records of a topic of one partition; there must be `count`.
    pub(super) fn read(&self, topic: &str, count: usize) -> Vec<ReadRecord> {
        assert_eq!(self.end_of(topic, 0), count as i64, "records of {topic}");
        self.read_from(topic, 0, Offset::Beginning, count)
    }

    /// All records of a partition that have a value.
    pub(super) fn read_all(&self, topic: &str, partition: i32) -> Vec<ReadRecord> {
        let count = self.end_of(topic, partition) as usize;
        let mut all = self.read_from(topic, partition, Offset::Beginning, count);
        all.retain(|record| !record.value.is_empty());
        all
    }

    /// How long it takes to read `count` records of all partitions, from the first one on, and to look at none.
    pub(super) fn read_as_fast_as_possible(&self, topic: &str, count: u64) -> Duration {
        let consumer = self.consumer();
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        consumer.poll(PATIENCE).expect("a record").unwrap();
        let started = Instant::now();
        (1..count).for_each(|_| drop(consumer.poll(PATIENCE).expect("another record").unwrap()));
        started.elapsed()
    }

    /// The values of all events.
    pub(super) fn read_events(&self) -> Vec<String> {
        let of = |partition| {
            let count = self.end_of("events", partition) as usize;
            self.read_from("events", partition, Offset::Beginning, count)
        };
        let text = |record: ReadRecord| String::from_utf8(record.value).unwrap();
        (0..EVENT_PARTITIONS).flat_map(of).map(text).collect()
    }

    /// The ids of all events of a topic of so many partitions that are committed, and how often each is there.
    pub(super) fn read_ids(&self, topic: &str, partitions: i32) -> BTreeMap<String, usize> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", "test")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        let mut open: BTreeSet<i32> = (0..partitions).collect();
        let mut ids = BTreeMap::new();
        while !open.is_empty() {
            match consumer.poll(PATIENCE).expect("another record, or the end") {
                Err(KafkaError::PartitionEOF(partition)) => _ = open.remove(&partition),
                other => {
                    let record: ReadRecord = other.unwrap().into();
                    let event: serde_json::Value = serde_json::from_slice(&record.value).unwrap();
                    *ids.entry(event["id"].as_str().unwrap().to_owned()).or_default() += 1;
                }
            }
        }
        ids
    }

    /// How far `group` says that it is.
    pub(super) fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", group)
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, partition);
        let committed = consumer.committed_offsets(list, PATIENCE).ok()?;
        committed.find_partition(topic, partition)?.offset().to_raw().filter(|&offset| offset >= 0)
    }

    /// One record.
    pub(super) fn read_at(&self, topic: &str, partition: i32, offset: i64) -> ReadRecord {
        self.read_from(topic, partition, Offset::Offset(offset), 1).remove(0)
    }

    fn read_from(
        &self,
        topic: &str,
        partition: i32,
        from: Offset,
        count: usize,
    ) -> Vec<ReadRecord> {
        let consumer = self.consumer();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, from).unwrap();
        consumer.assign(&list).unwrap();
        let next = || consumer.poll(PATIENCE).expect("another record").unwrap().into();
        std::iter::repeat_with(next).take(count).collect()
    }
}
