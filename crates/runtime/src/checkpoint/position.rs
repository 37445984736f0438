//! Where the stream stands that a section's state was made from.
//!
//! ```text
//! 1 u8 · covered below u64                                                              journal
//! 2 u8 · count u32 · (topic length u16 · topic · partition i32 · next offset i64)*      Kafka
//! ```

use crate::format::Fields;

/// Longest encoded position in bytes: some thousands of Kafka partitions.
pub const POSITION_BYTES_MAX: usize = 1 << 20;

/// Where a stream stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// Of the journal.
    Journal {
        /// Every record with a lower sequence is in the state, and no other.
        covered_below: u64,
    },
    /// Of topics.
    Kafka(Vec<KafkaOffset>),
}

/// Where one partition of a topic stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaOffset {
    /// The topic; at most 65,535 bytes.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Every record with a lower offset is in the state, and no other.
    pub next_offset: i64,
}

impl Position {
    /// Its bytes, or `None` when they are more than [`POSITION_BYTES_MAX`] or a topic is too long.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        match self {
            Self::Journal { covered_below } => {
                bytes.push(1);
                bytes.extend_from_slice(&covered_below.to_le_bytes());
            }
            Self::Kafka(offsets) => {
                bytes.push(2);
                bytes.extend_from_slice(&u32::try_from(offsets.len()).ok()?.to_le_bytes());
                for KafkaOffset { topic, partition, next_offset } in offsets {
                    bytes.extend_from_slice(&u16::try_from(topic.len()).ok()?.to_le_bytes());
                    bytes.extend_from_slice(topic.as_bytes());
                    bytes.extend_from_slice(&partition.to_le_bytes());
                    bytes.extend_from_slice(&next_offset.to_le_bytes());
                }
            }
        }
        (bytes.len() <= POSITION_BYTES_MAX).then_some(bytes)
    }

    /// The position that `bytes` are, if they are one and nothing else.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let position = match fields.u8()? {
            1 => Self::Journal { covered_below: fields.u64()? },
            2 => {
                let mut offsets = Vec::new();
                for _ in 0..fields.u32()? {
                    offsets.push(KafkaOffset {
                        topic: fields.text()?.to_owned(),
                        partition: fields.u32()? as i32,
                        next_offset: fields.i64()?,
                    });
                }
                Self::Kafka(offsets)
            }
            _ => return None,
        };
        fields.0.is_empty().then_some(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_come_back_as_they_went_in_and_no_part_of_them_does() {
        let offset = |partition, next_offset| KafkaOffset {
            topic: "metrics".to_owned(),
            partition,
            next_offset,
        };
        for position in [
            Position::Journal { covered_below: u64::MAX },
            Position::Kafka(Vec::new()),
            Position::Kafka(vec![offset(0, i64::MAX), offset(-1, -1)]),
        ] {
            let mut bytes = position.encode().unwrap();
            assert_eq!(Position::decode(&bytes), Some(position));
            for cut in 0..bytes.len() {
                assert_eq!(Position::decode(&bytes[..cut]), None);
            }
            bytes.push(0);
            assert_eq!(Position::decode(&bytes), None);
        }
    }

    #[test]
    fn a_count_beyond_the_bytes_takes_no_memory() {
        assert_eq!(Position::decode(&[2, 0xff, 0xff, 0xff, 0xff]), None);
    }

    #[test]
    fn too_long_a_position_is_refused() {
        let topic = "x".repeat(usize::from(u16::MAX) + 1);
        let offset = KafkaOffset { topic, partition: 0, next_offset: 0 };
        assert_eq!(Position::Kafka(vec![offset]).encode(), None);
    }
}
