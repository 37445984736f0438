//! Where a request came from, and the form in which the journal keeps that.
//!
//! An address is kept as it is. A record of a Kafka topic is kept as `kafka:TOPIC/PARTITION@OFFSET`, which is no address, so
//! that the journal says for each of its records which offset it is.

use std::borrow::Cow;
use std::sync::Arc;

/// What the text of a record of a topic begins with.
const KAFKA: &str = "kafka:";

/// Where a request came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Whoever sent it, as far as is known: an address, or nothing.
    Address(Arc<str>),
    /// A record of a Kafka topic.
    Kafka {
        /// Which one.
        record: KafkaRecord,
        /// The offset that comes next of this partition as far as the source knows, `None` before the first. The request is
        /// taken if that is so, else refused with [`SubmitError::OutOfTurn`](crate::SubmitError::OutOfTurn): many may be under
        /// way at a time, and when one of them is refused none of those behind it may be taken.
        expected: Option<i64>,
    },
}

impl Source {
    /// As the journal keeps it.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Address(address) => Cow::Borrowed(address),
            Self::Kafka { record, .. } => Cow::Owned(record.text()),
        }
    }

    /// The record of a topic that it is.
    pub(crate) fn kafka(&self) -> Option<&KafkaRecord> {
        match self {
            Self::Address(_) => None,
            Self::Kafka { record, .. } => Some(record),
        }
    }
}

/// A partition of a Kafka topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition's number: 0 or more.
    pub partition: i32,
}

/// A record of a Kafka topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KafkaRecord {
    /// Where it is.
    pub at: TopicPartition,
    /// Its offset there: 0 or more; -1 says that nothing was taken, and 0 comes next.
    pub offset: i64,
}

impl KafkaRecord {
    /// As the journal keeps it.
    fn text(&self) -> String {
        let Self { at: TopicPartition { topic, partition }, offset } = self;
        format!("{KAFKA}{topic}/{partition}@{offset}")
    }

    /// The record that `text`, the source of a request in the journal, names; `None` for an address.
    pub fn parse(text: &str) -> Option<Self> {
        let (place, offset) = text.strip_prefix(KAFKA)?.rsplit_once('@')?;
        let (topic, partition) = place.rsplit_once('/')?;
        let at = TopicPartition { topic: topic.into(), partition: partition.parse().ok()? };
        let record = Self { at, offset: offset.parse().ok()? };
        // Only what is written the one way that we write it.
        (record.at.partition >= 0
            && (-1..i64::MAX).contains(&record.offset)
            && record.text() == text)
            .then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(topic: &str, partition: i32, offset: i64) -> KafkaRecord {
        KafkaRecord { at: TopicPartition { topic: topic.into(), partition }, offset }
    }

    #[test]
    fn a_record_comes_back_from_its_text() {
        for (record, text) in [
            (record("metrics", 0, 0), "kafka:metrics/0@0"),
            (record("a.b_c-d", 17, i64::MAX - 1), "kafka:a.b_c-d/17@9223372036854775806"),
            (record("metrics", 0, -1), "kafka:metrics/0@-1"),
            // No broker allows these; nothing breaks if one does.
            (record("a/1@2", 3, 4), "kafka:a/1@2/3@4"),
            (record("", 0, 1), "kafka:/0@1"),
        ] {
            let source = Source::Kafka { record: record.clone(), expected: None };
            assert_eq!(source.text(), text);
            assert_eq!(KafkaRecord::parse(text), Some(record));
        }
    }

    #[test]
    fn nothing_else_is_a_record() {
        for text in [
            "",
            "10.0.0.1:2355",
            "[::1]:9",
            "kafka:",
            "kafka:metrics/0",
            "kafka:metrics@0",
            "kafka:metrics/-1@0",
            "kafka:metrics/0@-2",
            "kafka:metrics/0@9223372036854775807",
            "kafka:metrics/00@1",
            "kafka:metrics/0@+1",
            "kafka:metrics/x@1",
        ] {
            assert_eq!(KafkaRecord::parse(text), None, "{text}");
        }
    }
}
