//! The engine on threads: recorder, sequencer, shards, collector, checkpointer.
//!
//! `run` and `replay` both stand on it. Standard threads and channels, no async, no sockets; time comes in
//! through [`Clock`]. [`journal`] and [`checkpoint`] are what survives a restart, on files behind [`storage`].

mod adopt;
mod alerts;
mod api;
mod causes;
pub mod cells;
pub mod checkpoint;
mod checkpointer;
pub mod cold;
mod collector;
mod durability;
mod format;
pub mod journal;
mod lines;
mod offsets;
mod outlet;
mod recorder;
mod recovery;
mod runtime;
mod sequencer;
mod shard;
mod sink;
mod source;
mod stages;
mod start;
mod stats;
pub mod storage;
pub mod stored;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod turns;
mod usable;
mod views;
mod waiting_room;

pub use adopt::{AdoptError, Adopted, Learned, adopt};
pub use alerts::AlertFigures;
pub use api::{Clock, Ingest, Received, Reply, Request, SubmitError};
pub use causes::with_causes;
pub use checkpointer::NoCheckpoint;
pub use collector::{News, OnNews, Told};
pub use durability::{Deliveries, Durability, Phase, Recovery, RecoveryError};
pub use offsets::Offsets;
pub use runtime::{HEARTBEAT, Handle, Options, Recovering, Runtime, TENANT_UNDER_WAY};
pub use sink::{EventSink, SinkStats};
pub use source::{KafkaRecord, Source, TopicPartition};
pub use stats::{Decided, Kept, LATENCY_BOUNDS_SECONDS, Stats};
pub use views::Wanted;
