//! What a checkpoint of a cell holds, and the bytes of that.
//!
//! The object is a [checkpoint](crate::checkpoint) as on disk, whose sections all stand at one position: the offset that comes
//! next. `Cell` is the engine, `Configuration` what it stands under, `Alerts` a JSON object of the last time of receipt, the
//! alerts that fire and where the sinks stood, and `Deliveries` what sinks were told and had not delivered.

use std::sync::Arc;

use bellwether_engine::{Event, Settings};
use bellwether_series::Timestamp;
use serde::{Deserialize, Serialize};

use crate::checkpoint::{CheckpointError, KafkaOffset, Position, Section, bytes};
use crate::source::TopicPartition;
use crate::stored;

/// The state of a cell between two records.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Snapshot {
    /// The offset that comes next.
    pub(super) next: i64,
    /// The latest time of receipt so far.
    pub(super) last_received: Timestamp,
    /// The configuration in force.
    pub(super) settings: Arc<Settings>,
    /// The engine, as it saves itself.
    pub(super) engine: Vec<u8>,
    /// The newest event of each alert that fires.
    pub(super) firing: Vec<Event>,
    /// Where the sinks stood before any record from `next` on was told of: see [`super::CellOutput::marks`].
    pub(super) marks: String,
    /// What sinks were told and had not delivered: see [`super::CellOutput::settle`].
    pub(super) undelivered: Vec<u8>,
}

/// The section `Alerts`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Alerts {
    last_received_ms: i64,
    firing: Vec<Event>,
    marks: String,
}

/// Why bytes are no snapshot.
#[derive(Debug, thiserror::Error)]
pub(super) enum SnapshotError {
    /// The checkpoint does not verify, or another version wrote it.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// It verifies, and is no state of a cell that this version understands.
    #[error("checkpoint cannot be understood: part=`{section:?}`: {reason}")]
    Content {
        /// Where.
        section: Section,
        /// Why.
        reason: String,
    },
}

impl Snapshot {
    /// The snapshot of the cell of `at` as the object `generation`, made at `now`.
    pub(super) fn encode(
        &self,
        at: &TopicPartition,
        generation: u64,
        now: Timestamp,
    ) -> Result<Vec<u8>, SnapshotError> {
        let alerts = Alerts {
            last_received_ms: self.last_received.as_ms(),
            firing: self.firing.clone(),
            marks: self.marks.clone(),
        };
        let alerts = serde_json::to_vec(&alerts).map_err(content(Section::Alerts))?;
        let position = Position::Kafka(vec![KafkaOffset {
            topic: at.topic.to_string(),
            partition: at.partition,
            next_offset: self.next,
        }]);
        let sections = [
            (Section::Configuration, &*stored::encode_settings(&self.settings)),
            (Section::Cell, &*self.engine),
            (Section::Alerts, &*alerts),
            (Section::Deliveries, &*self.undelivered),
        ];
        Ok(bytes::encode(generation, now, &position, &sections)?)
    }

    /// The snapshot of the cell of `at` that the object `generation` with these bytes is.
    pub(super) fn decode(
        at: &TopicPartition,
        generation: u64,
        object: Vec<u8>,
    ) -> Result<Self, SnapshotError> {
        let checkpoint = bytes::decode(object, generation)?;
        let read = |section| match checkpoint.read(section)? {
            Some(found) => Ok(found),
            None => Err(content(section)("it is missing")),
        };
        let next = checkpoint.sections().find_map(|(_, position, _)| match position {
            Position::Kafka(offsets) => match &offsets[..] {
                [only] if only.topic == *at.topic && only.partition == at.partition => {
                    Some(only.next_offset)
                }
                _ => None,
            },
            Position::Journal { .. } => None,
        });
        let next = next.ok_or_else(|| content(Section::Cell)("it is of another partition"))?;
        let settings = stored::decode_settings(&read(Section::Configuration)?)
            .map_err(content(Section::Configuration))?;
        let Alerts { last_received_ms, firing, marks } =
            serde_json::from_slice(&read(Section::Alerts)?).map_err(content(Section::Alerts))?;
        Ok(Self {
            next,
            last_received: Timestamp::from_ms(last_received_ms),
            settings,
            engine: read(Section::Cell)?,
            firing,
            marks,
            undelivered: read(Section::Deliveries)?,
        })
    }
}

fn content<E: ToString>(section: Section) -> impl Fn(E) -> SnapshotError {
    move |error| SnapshotError::Content { section, reason: error.to_string() }
}
