//! The consumer: polls, pauses, goes back, commits.

use std::sync::Arc;
use std::time::Duration;

use bellwether_runtime::TopicPartition;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::context::{Context, Shared, listed};
use super::line::Record;
use super::options::KafkaOptions;
use crate::kafka::{ClientError, Role, describe};

/// Longest wait for the ends of a partition.
const WATERMARKS_MAX: Duration = Duration::from_secs(2);
/// Bytes that are asked of a partition at a time.
const FETCH_PARTITION_BYTES: usize = 4 << 20;
/// When as much waits within librdkafka as may, it looks again after this time whether there is room. Its own second is longer than
/// what may wait lasts.
const ROOM_LOOKED_FOR_EVERY: Duration = Duration::from_millis(5);

/// What a poll brings.
pub(super) enum Polled<'a> {
    Nothing,
    Record(BorrowedMessage<'a>),
    /// A partition is to be read from where it has no record.
    PositionLost,
    /// Something is wrong; the client goes on by itself.
    Error(String),
    /// Something is wrong, and this consumer will read no more.
    Fatal(String),
}

/// A consumer of the group.
pub(super) struct Reader(BaseConsumer<Context>);

impl Reader {
    /// Joins the group.
    pub(super) fn start(options: &KafkaOptions, shared: &Arc<Shared>) -> Result<Self, ClientError> {
        let config = options.cluster.config(Role::Consumer, &own_properties(options))?;
        let consumer: BaseConsumer<Context> =
            config.create_with_context(Context(Arc::clone(shared))).map_err(ClientError::from)?;
        let topics: Vec<&str> = options.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(ClientError::from)?;
        Ok(Self(consumer))
    }

    /// Waits for a record for `limit` at the most.
    pub(super) fn poll(&self, limit: Duration) -> Polled<'_> {
        match self.0.poll(limit) {
            None | Some(Err(KafkaError::PartitionEOF(_))) => Polled::Nothing,
            Some(Ok(message)) => Polled::Record(message),
            Some(Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
            ))) => Polled::PositionLost,
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => {
                let fatal = self.0.client().fatal_error();
                Polled::Fatal(fatal.map_or_else(|| describe(&error), |(_, text)| text))
            }
            Some(Err(error)) => Polled::Error(describe(&error)),
        }
    }

    /// Reads nothing of `at` for now. What was fetched of it will be fetched again.
    pub(super) fn pause(&self, at: &TopicPartition) -> KafkaResult<()> {
        self.0.pause(&alone(at))
    }

    /// Reads `at` again, from where it was paused.
    pub(super) fn resume(&self, at: &TopicPartition) -> KafkaResult<()> {
        self.0.resume(&alone(at))
    }

    /// Reads `at` from `offset` on.
    pub(super) fn read_from(&self, at: &TopicPartition, offset: i64) -> KafkaResult<()> {
        let mut partition = TopicPartitionList::new();
        partition.add_partition_offset(&at.topic, at.partition, Offset::Offset(offset))?;
        // Not by `seek`: that cannot be done to a partition whose position is lost.
        match self.0.rebalance_protocol() {
            RebalanceProtocol::Cooperative => {
                self.0.incremental_unassign(&partition)?;
                self.0.incremental_assign(&partition)
            }
            RebalanceProtocol::Eager | RebalanceProtocol::None => {
                let mut all = self.0.assignment()?;
                let shared = &self.0.context().0;
                for other in listed(&all) {
                    let start = shared.start_of(&other);
                    let start = if other == *at { Offset::Offset(offset) } else { start };
                    all.set_partition_offset(&other.topic, other.partition, start)?;
                }
                self.0.assign(&all)
            }
        }
    }

    /// Reads `at`, which is paused, from `offset` on.
    pub(super) fn begin_at(&self, at: &TopicPartition, offset: i64) -> KafkaResult<()> {
        self.read_from(at, offset)?;
        self.resume(at)
    }

    /// How many partitions `topic` has.
    pub(super) fn partitions_of(&self, topic: &str) -> KafkaResult<usize> {
        let metadata = self.0.fetch_metadata(Some(topic), WATERMARKS_MAX)?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let count = found.map_or(0, |found| found.partitions().len());
        // A topic that has just been made has none for a moment.
        if count == 0 {
            return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition));
        }
        Ok(count)
    }

    /// The oldest offset of `at`, and the one after its newest.
    pub(super) fn ends_of(&self, at: &TopicPartition) -> KafkaResult<(i64, i64)> {
        self.0.fetch_watermarks(&at.topic, at.partition, WATERMARKS_MAX)
    }

    /// Tells the group how far we are. Nobody waits for it.
    pub(super) fn commit(&self, all: &[(TopicPartition, i64)]) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        for (at, next) in all {
            list.add_partition_offset(&at.topic, at.partition, Offset::Offset(*next))?;
        }
        if list.count() == 0 { Ok(()) } else { self.0.commit(&list, CommitMode::Async) }
    }

    /// See [`Shared::renew_pass`].
    pub(super) fn renew_pass(&self) {
        self.0.context().0.renew_pass(&self.0);
    }

    /// Wants no more records.
    pub(super) fn leave(&self) {
        self.0.unsubscribe();
    }
}

fn alone(at: &TopicPartition) -> TopicPartitionList {
    let mut partition = TopicPartitionList::new();
    partition.add_partition(&at.topic, at.partition);
    partition
}

/// What a consumer is told besides what the configuration says.
fn own_properties(options: &KafkaOptions) -> Vec<(&'static str, String)> {
    let text = |value: &str| value.to_owned();
    let mut own = vec![
        ("group.id", options.group.clone()),
        ("enable.auto.commit", text("false")),
        ("enable.auto.offset.store", text("false")),
        // A position that is lost is not jumped over in silence.
        ("auto.offset.reset", text("error")),
        ("check.crcs", text("true")),
        ("allow.auto.create.topics", text("false")),
        ("topic.metadata.refresh.interval.ms", text("30000")),
        ("statistics.interval.ms", text("2000")),
        ("fetch.wait.max.ms", text("100")),
        ("fetch.queue.backoff.ms", ROOM_LOOKED_FOR_EVERY.as_millis().to_string()),
        ("fetch.message.max.bytes", FETCH_PARTITION_BYTES.to_string()),
        (
            "queued.max.messages.kbytes",
            (options.buffer_bytes_max >> 10).clamp(1, 2_097_151).to_string(),
        ),
    ];
    // With the other protocol it is for the broker to say who reads what.
    if options.is_classic() {
        own.push(("partition.assignment.strategy", text("cooperative-sticky")));
    }
    match &options.workers {
        // A restart gets its partitions back at once, and of two processes the one that came last has them all.
        None => own.push(("group.instance.id", options.instance.clone())),
        Some(workers) => {
            own.push(("session.timeout.ms", workers.session.as_millis().to_string()));
            own.push(("heartbeat.interval.ms", workers.heartbeat().as_millis().to_string()));
        }
    }
    own
}

/// What is kept of `message`.
pub(super) fn record(message: &BorrowedMessage<'_>) -> Record {
    Record {
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: message.headers().map(rdkafka::message::BorrowedHeaders::detach),
        timestamp_ms: message.timestamp().to_millis(),
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::config::FromClientConfig;

    use super::*;
    use crate::kafka::Cluster;
    use bellwether_wire::Format;

    fn of(properties: &[(&str, &str)]) -> Vec<(String, String)> {
        let secret = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned().into());
        let properties = properties.iter().map(secret).collect();
        let cluster = Cluster { brokers: vec!["127.0.0.1:9".to_owned()], properties };
        let options =
            KafkaOptions::new(cluster, vec!["metrics".to_owned()], Format::REMOTE_WRITE_1);
        let config = options.cluster.config(Role::Consumer, &own_properties(&options)).unwrap();
        BaseConsumer::from_config(&config).unwrap();
        let all = config.config_map().into_iter();
        all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn a_member_of_either_protocol_of_groups_can_be_started() {
        let strategy = |all: Vec<(String, String)>| {
            all.into_iter().any(|(name, _)| name == "partition.assignment.strategy")
        };
        assert!(strategy(of(&[])) && strategy(of(&[("group.protocol", "classic")])));
        assert!(!strategy(of(&[("group.protocol", "consumer")])));
    }

    #[test]
    fn a_full_queue_is_not_waited_out_longer_than_it_lasts() {
        let backoff_ms = |all: Vec<(String, String)>| {
            let found = all.into_iter().find(|(name, _)| name == "fetch.queue.backoff.ms");
            found.unwrap().1.parse::<u64>().unwrap()
        };
        // At a million samples a second of 180 bytes the smallest buffer lasts that long.
        assert!(backoff_ms(of(&[])) <= 1_000 * (1 << 20) / 180_000_000);
        assert_eq!(backoff_ms(of(&[("fetch.queue.backoff.ms", "700")])), 700);
    }
}
