//! Whose turn it is among the records of topics: each partition's in the order of their offsets, and none behind one that was
//! refused.

use crate::offsets::Offsets;
use crate::source::{KafkaRecord, Source, TopicPartition};

/// How far the topics are taken, what is not written yet included.
pub(crate) struct Turns {
    offsets: Offsets,
    /// What was taken since the last group was written, and what came next before that.
    unwritten: Vec<(TopicPartition, Option<i64>)>,
}

impl Turns {
    /// Goes on from `offsets`.
    pub(crate) fn new(offsets: Offsets) -> Self {
        Self { offsets, unwritten: Vec::new() }
    }

    /// Whether nothing of the partition that `source` is of must come before it.
    pub(crate) fn admits(&self, source: &Source) -> bool {
        match source {
            Source::Address(_) => true,
            Source::Kafka { record, expected } => self.offsets.next(&record.at) == *expected,
        }
    }

    /// `record` is in the group that is to be written.
    pub(crate) fn take(&mut self, record: &KafkaRecord) {
        self.unwritten.push((record.at.clone(), self.offsets.next(&record.at)));
        self.offsets.take(record);
    }

    /// The group was written, or not: then nothing of it was taken.
    pub(crate) fn settle(&mut self, is_written: bool) {
        for (at, before) in self.unwritten.drain(..).rev() {
            if !is_written {
                self.offsets.set(&at, before);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(topic: &str, offset: i64, expected: Option<i64>) -> Source {
        let at = TopicPartition { topic: topic.into(), partition: 0 };
        Source::Kafka { record: KafkaRecord { at, offset }, expected }
    }

    /// Takes it if it is its turn.
    fn offer(turns: &mut Turns, topic: &str, offset: i64, expected: Option<i64>) -> bool {
        let source = source(topic, offset, expected);
        let admitted = turns.admits(&source);
        if admitted && let Some(record) = source.kafka() {
            turns.take(record);
        }
        admitted
    }

    #[test]
    fn a_partition_is_taken_in_the_order_of_its_offsets() {
        let mut turns = Turns::new(Offsets::default());
        assert!(!offer(&mut turns, "a", 5, Some(5)));
        assert!(offer(&mut turns, "a", 5, None));
        assert!(!offer(&mut turns, "a", 5, None));
        // Compaction leaves holes.
        assert!(offer(&mut turns, "a", 9, Some(6)));
        assert!(offer(&mut turns, "b", 0, None));
        assert!(!offer(&mut turns, "a", 11, Some(11)));
        // A topic that was made anew begins again.
        assert!(offer(&mut turns, "a", 0, Some(10)));
        assert!(turns.admits(&Source::Address("10.0.0.1".into())));
    }

    #[test]
    fn nothing_of_a_group_that_was_not_written_was_taken() {
        let mut turns = Turns::new(Offsets::default());
        assert!(offer(&mut turns, "a", 1, None));
        turns.settle(true);
        assert!(offer(&mut turns, "a", 2, Some(2)));
        assert!(offer(&mut turns, "a", 3, Some(3)));
        assert!(offer(&mut turns, "b", 7, None));
        turns.settle(false);
        assert!(!offer(&mut turns, "a", 4, Some(4)));
        assert!(offer(&mut turns, "a", 2, Some(2)));
        assert!(offer(&mut turns, "b", 7, None));
    }
}
