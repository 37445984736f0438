//! A mock cluster with a topic, and who writes to it and reads from it.

use std::time::Duration;

use bellwether_connect::kafka::Cluster as Address;
use bellwether_connect::source::kafka::KafkaOptions;
use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::{RawSample, WriteRequestBuilder};
use bellwether_wire::{Compression, Format, Message as FormatMessage};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};

use crate::support::PATIENCE;

const TOPIC: &str = "metrics";
/// Session of members that hear soon of others.
pub(super) const SESSION_MS: &str = "4000";

/// A request with one sample that says which it is, not compressed.
pub(super) fn body(number: i64) -> Vec<u8> {
    let labels = LabelSet::from_pairs([("__name__", "up")]).unwrap();
    let sample = RawSample { timestamp: Timestamp::from_ms(1000 + number), value: number as f64 };
    let mut builder = WriteRequestBuilder::default();
    builder.series(&labels, &[sample]);
    builder.encode()
}

/// A cluster of one broker.
pub(super) struct Cluster {
    mock: MockCluster<'static, DefaultProducerContext>,
    producer: BaseProducer,
}

/// A record that was read.
#[derive(Debug)]
pub(super) struct ReadRecord {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) timestamp_ms: Option<i64>,
    headers: Vec<(String, Vec<u8>)>,
}

impl Cluster {
    /// With `partitions` of the topic, and one of dead letters, of events and of gauges each.
    pub(super) fn start(partitions: i32) -> Self {
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic(TOPIC, partitions, 1).unwrap();
        for topic in ["dead", "events", "gauges"] {
            mock.create_topic(topic, 1, 1).unwrap();
        }
        let producer = ClientConfig::new()
            .set("bootstrap.servers", mock.bootstrap_servers())
            .create()
            .unwrap();
        Self { mock, producer }
    }

    /// Where it is.
    pub(super) fn address(&self) -> Address {
        Address { brokers: vec![self.mock.bootstrap_servers()], properties: [].into() }
    }

    pub(super) fn options(&self) -> KafkaOptions {
        let cluster = self.address();
        let format = Format::new(FormatMessage::RemoteWrite1, Compression::None);
        KafkaOptions::new(cluster, vec![TOPIC.to_owned()], format)
    }

    pub(super) fn produce(&self, partition: i32, value: &[u8]) {
        self.produce_with(partition, None, Some(value), &[]);
    }

    pub(super) fn produce_with(
        &self,
        partition: i32,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, &[u8])],
    ) {
        let owned = headers.iter().fold(OwnedHeaders::new(), |all, &(key, value)| {
            all.insert(Header { key, value: Some(value) })
        });
        let mut record = BaseRecord::<[u8], [u8]>::to(TOPIC).partition(partition).headers(owned);
        if let Some(key) = key {
            record = record.key(key);
        }
        if let Some(value) = value {
            record = record.payload(value);
        }
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
        self.producer.flush(PATIENCE).unwrap();
    }

    /// Another member of the group that reads the topic, which must be asked for records to take part. The group waits for a
    /// session, less a second, whenever somebody comes or goes, so all must have a short one.
    pub(super) fn join(&self, group: &str) -> BaseConsumer {
        let member: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.mock.bootstrap_servers())
            .set("group.id", group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", SESSION_MS)
            .set("heartbeat.interval.ms", "50")
            .create()
            .unwrap();
        member.subscribe(&[TOPIC]).unwrap();
        member
    }

    /// Whoever produces to `topic` is answered so.
    pub(super) fn refuse(&self, topic: &str, error: RDKafkaRespErr) {
        self.mock.topic_error(topic, error).unwrap();
    }

    /// Whoever reads is answered so, until [`Self::allow_reading`].
    pub(super) fn refuse_reading(&self, error: RDKafkaRespErr) {
        self.mock.request_errors(RDKafkaApiKey::Fetch, &[error; 1000]);
    }

    pub(super) fn allow_reading(&self) {
        self.mock.clear_request_errors(RDKafkaApiKey::Fetch);
    }

    /// The next time that somebody produces it is answered so.
    pub(super) fn refuse_next_produce(&self, error: RDKafkaRespErr) {
        self.mock.request_errors(RDKafkaApiKey::Produce, &[error]);
    }

    /// Requests are answered so late.
    pub(super) fn answer_after(&self, time: Duration) {
        self.mock.broker_round_trip_time(1, time).unwrap();
    }

    pub(super) fn down(&self) {
        self.mock.broker_down(1).unwrap();
    }

    pub(super) fn up(&self) {
        self.mock.broker_up(1).unwrap();
    }

    /// All records that a partition of `topic` has at present.
    pub(super) fn read_partition(&self, topic: &str, partition: i32) -> Vec<ReadRecord> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.mock.bootstrap_servers())
            .set("group.id", "test")
            .create()
            .unwrap();
        let (_, end) = consumer.fetch_watermarks(topic, partition, PATIENCE).unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        let next = |_| ReadRecord::new(&consumer.poll(PATIENCE).expect("a record").unwrap());
        (0..end).map(next).collect()
    }

    /// The first `count` records of `topic`.
    pub(super) fn read_all(&self, topic: &str, count: usize) -> Vec<ReadRecord> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.mock.bootstrap_servers())
            .set("group.id", "test")
            .create()
            .unwrap();
        let mut partition = TopicPartitionList::new();
        partition.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
        consumer.assign(&partition).unwrap();
        let mut read = Vec::new();
        while read.len() < count {
            let message = consumer.poll(PATIENCE).expect("another record").unwrap();
            read.push(ReadRecord::new(&message));
        }
        assert!(consumer.poll(Duration::from_millis(50)).is_none(), "more than {count} records");
        read
    }
}

impl ReadRecord {
    fn new(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().into_iter().flat_map(Headers::iter);
        Self {
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            timestamp_ms: message.timestamp().to_millis(),
            headers: headers
                .map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()))
                .collect(),
        }
    }

    pub(super) fn raw_header(&self, name: &str) -> Option<Vec<u8>> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone())
    }

    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.raw_header(name).map(|value| String::from_utf8(value).unwrap())
    }
}
