//! How far each partition of each Kafka topic has been taken.
//!
//! What counts is what the journal says: of the records that name a partition the last one decides, and what comes next is the
//! offset behind it. A checkpoint has the offsets as they are after the records that it covers, in a section of its own:
//!
//! ```text
//! count u32 · (topic length u16 · topic · partition i32 · next offset i64)*
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::format::Fields;
use crate::source::{KafkaRecord, TopicPartition};

/// The offset that comes next of each partition of which something was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offsets(BTreeMap<TopicPartition, i64>);

impl Offsets {
    /// The offset that comes next of `partition`; `None` when nothing of it was taken.
    pub fn next(&self, partition: &TopicPartition) -> Option<i64> {
        self.0.get(partition).copied()
    }

    /// All of them, by topic and partition.
    pub fn iter(&self) -> impl Iterator<Item = (&TopicPartition, i64)> {
        self.0.iter().map(|(partition, &next)| (partition, next))
    }

    /// `record` was taken. An offset may be lower than one before: a topic can be made anew.
    pub(crate) fn take(&mut self, record: &KafkaRecord) {
        self.set(&record.at, Some(record.offset.saturating_add(1)));
    }

    /// `next` comes next of `partition`.
    pub(crate) fn set(&mut self, partition: &TopicPartition, next: Option<i64>) {
        match (next, self.0.get_mut(partition)) {
            (Some(next), Some(known)) => *known = next,
            (Some(next), None) => _ = self.0.insert(partition.clone(), next),
            (None, _) => _ = self.0.remove(partition),
        }
    }

    /// Their bytes. A topic has no more than 249 bytes; what a broker may have called longer is not kept.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let kept = || {
            self.iter()
                .filter_map(|(at, next)| Some((u16::try_from(at.topic.len()).ok()?, at, next)))
        };
        let mut bytes = (kept().count() as u32).to_le_bytes().to_vec();
        for (topic_bytes, TopicPartition { topic, partition }, next) in kept() {
            bytes.extend_from_slice(&topic_bytes.to_le_bytes());
            bytes.extend_from_slice(topic.as_bytes());
            bytes.extend_from_slice(&partition.to_le_bytes());
            bytes.extend_from_slice(&next.to_le_bytes());
        }
        bytes
    }

    /// The offsets that `bytes` are, if they are some and nothing else.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let mut all = BTreeMap::new();
        for _ in 0..fields.u32()? {
            let topic: Arc<str> = fields.text()?.into();
            let at = TopicPartition { topic, partition: fields.u32()? as i32 };
            if all.insert(at, fields.i64()?).is_some() {
                return None;
            }
        }
        fields.0.is_empty().then_some(Self(all))
    }
}

impl FromIterator<(TopicPartition, i64)> for Offsets {
    fn from_iter<T: IntoIterator<Item = (TopicPartition, i64)>>(all: T) -> Self {
        Self(all.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(topic: &str, partition: i32) -> TopicPartition {
        TopicPartition { topic: topic.into(), partition }
    }

    fn offsets(all: &[(&str, i32, i64)]) -> Offsets {
        let mut offsets = Offsets::default();
        for &(topic, partition, offset) in all {
            offsets.take(&KafkaRecord { at: at(topic, partition), offset });
        }
        offsets
    }

    #[test]
    fn the_last_record_of_a_partition_decides() {
        let mut offsets = offsets(&[("a", 0, 7), ("b", 0, 1), ("a", 1, 3), ("a", 0, 2)]);
        assert_eq!(offsets.next(&at("a", 0)), Some(3));
        assert_eq!(offsets.next(&at("a", 1)), Some(4));
        assert_eq!(offsets.next(&at("c", 0)), None);
        offsets.set(&at("a", 0), None);
        let left: Vec<_> = offsets.iter().map(|(at, next)| (at.partition, next)).collect();
        assert_eq!(left, [(1, 4), (0, 2)]);
    }

    #[test]
    fn they_come_back_from_their_bytes_and_no_part_of_them_does() {
        for offsets in [Offsets::default(), offsets(&[("metrics", 0, 9), ("m", 3, i64::MAX - 1)])] {
            let mut bytes = offsets.encode();
            assert_eq!(Offsets::decode(&bytes), Some(offsets));
            for cut in 0..bytes.len() {
                assert_eq!(Offsets::decode(&bytes[..cut]), None, "{cut}");
            }
            bytes.push(0);
            assert_eq!(Offsets::decode(&bytes), None);
        }
    }

    #[test]
    fn a_count_beyond_the_bytes_or_a_partition_twice_is_refused() {
        assert_eq!(Offsets::decode(&[0xff; 4]), None);
        let mut bytes = offsets(&[("m", 0, 1)]).encode();
        let entry = bytes.split_off(4);
        let twice = [&[2, 0, 0, 0][..], &entry, &entry].concat();
        assert_eq!(Offsets::decode(&twice), None);
    }
}
