//! What must survive a restart: how it is kept, and how its recovery goes.

use std::sync::Arc;
use std::time::Duration;

use bellwether_engine::StateError;

use crate::checkpoint::{CheckpointError, CheckpointOptions, Rejected, Section};
use crate::cold::{ColdError, ColdOptions};
use crate::journal::{Gap, JournalError, JournalOptions, ReadError, TornTail};
use crate::offsets::Offsets;
use crate::storage::{ReserveOptions, Storage};
use crate::stored::StoredError;

/// Those who are told of events, as a checkpoint sees them: events before it are not made again.
pub trait Deliveries: Send + Sync {
    /// Blocks until all who keep events have what they were told so far. What the others were told and have not delivered
    /// yet, for [`Self::resume`]; `None` when it takes too long.
    fn settle(&self) -> Option<Vec<u8>>;

    /// Goes on with what [`Self::settle`] gave to a checkpoint, before anything is told. What it cannot understand it
    /// complains about itself: it must not keep the engine from starting.
    fn resume(&self, undelivered: &[u8]);
}

/// Nobody keeps events.
impl Deliveries for () {
    fn settle(&self) -> Option<Vec<u8>> {
        Some(Vec::new())
    }

    fn resume(&self, _: &[u8]) {}
}

/// How what must survive a restart is kept.
#[derive(Clone)]
pub struct Durability {
    /// Where.
    pub storage: Arc<dyn Storage>,
    /// The journal.
    pub journal: JournalOptions,
    /// The checkpoints.
    pub checkpoints: CheckpointOptions,
    /// The states of silent series.
    pub cold: ColdOptions,
    /// From one checkpoint to the next.
    pub checkpoint_every: Duration,
    /// What is removed when the disk is full.
    pub reserve: ReserveOptions,
    /// Asked before a checkpoint counts.
    pub deliveries: Arc<dyn Deliveries>,
    /// Makes identities of segments unknown to senders; differs between processes.
    pub id_seed: u64,
}

/// What was found at the start.
#[derive(Debug, Default)]
pub struct Recovery {
    /// The generation of the checkpoint that was read; `None` when there was none.
    pub generation: Option<u64>,
    /// Records with a lower sequence are in it and were not read again.
    pub covered_below: u64,
    /// Newer checkpoints that are not valid.
    pub rejected: Vec<Rejected>,
    /// Records of the journal that were applied.
    pub records: u64,
    /// What a crash left half written; it was never acknowledged as durable.
    pub torn_tail: Option<TornTail>,
    /// Damage: records that are missing, also before the oldest of the journal and behind its newest.
    pub gaps: Vec<Gap>,
    /// Records that verify and cannot be understood: sequence and reason.
    pub unreadable: Vec<(u64, StoredError)>,
    /// Where each partition of each topic goes on.
    pub offsets: Offsets,
    /// How long it took.
    pub took: Duration,
}

/// Why the state of before cannot be had. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// The journal cannot be opened. Look after the disk.
    #[error("journal cannot be opened: {0}")]
    Journal(#[from] JournalError),
    /// The journal cannot be read. Look after the disk.
    #[error("journal cannot be read: {0}")]
    Read(#[from] ReadError),
    /// The checkpoints cannot be read. Look after the disk, or start the version that wrote them.
    #[error("checkpoints cannot be read: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The states of silent series cannot be read. Look after the disk, or start the version that wrote them.
    #[error(transparent)]
    Cold(#[from] ColdError),
    /// A checkpoint verifies and has no such section.
    #[error("checkpoint has no part `{section:?}`: generation=`{generation}`")]
    Missing {
        /// Of the checkpoint.
        generation: u64,
        /// What it lacks.
        section: Section,
    },
    /// A checkpoint verifies and holds what this program cannot read. Start the version that wrote it, or move it away.
    #[error(
        "checkpoint cannot be understood: generation=`{generation}`, part=`{section:?}`: {source}"
    )]
    State {
        /// Of the checkpoint.
        generation: u64,
        /// Where.
        section: Section,
        /// Why.
        source: StateError,
    },
    /// The configuration or the alerts of a checkpoint cannot be read.
    #[error(
        "checkpoint cannot be understood: generation=`{generation}`, part=`{section:?}`: {reason}"
    )]
    Content {
        /// Of the checkpoint.
        generation: u64,
        /// Where.
        section: Section,
        /// Why.
        reason: String,
    },
    /// The system refuses a thread.
    #[error("cannot start threads: {0}")]
    Threads(#[from] std::io::Error),
}

/// How far the runtime is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The newest checkpoint is being read.
    Restoring,
    /// The journal is being read: so many of so many records.
    Replaying {
        /// Applied, or on their way.
        records: u64,
        /// Of these.
        of: u64,
    },
    /// It takes requests.
    Ready,
    /// It takes none: the journal cannot be written at present.
    Unrecorded,
}

impl Phase {
    /// Whether it still catches up with what was kept.
    pub fn is_recovering(self) -> bool {
        matches!(self, Self::Restoring | Self::Replaying { .. })
    }
}
