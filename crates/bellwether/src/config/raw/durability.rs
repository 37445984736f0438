//! What survives a restart: keys of `journal` and `checkpoints`.

use bellwether_runtime::checkpoint::CheckpointOptions;
use bellwether_runtime::journal::JournalOptions;
use bellwether_runtime::storage::ReserveOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::text::{BytesText, DurationText};

/// The journal: every record, on disk before it is acknowledged.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Journal")]
pub(in crate::config) struct RawJournal {
    /// Whether there are a journal and checkpoints. Without them everything that was learned is gone with the process.
    pub enabled: bool,
    /// When the disk must have what is acknowledged. `commit`: before it is; nothing is lost, whatever happens. `interval`: within
    /// `sync_interval`; a machine that stops loses about that much. `never`: when the system comes to it. What a process
    /// loses that is killed is nothing in all three.
    pub sync: RawSync,
    /// For `sync: interval`.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "10m"))]
    pub sync_interval: DurationText,
    /// Size of the files that the journal consists of.
    #[schemars(extend("x-minimum" = "64KiB", "x-maximum" = "16GiB"))]
    pub segment_bytes: BytesText,
    /// Most bytes of what checkpoints cover that are kept, for replay; what is not covered is kept whatever it takes.
    #[schemars(extend("x-minimum" = "0", "x-maximum" = "100TiB"))]
    pub keep_bytes_max: BytesText,
    /// How long what checkpoints cover is kept, for replay.
    #[schemars(extend("x-minimum" = "0s", "x-maximum" = "1y"))]
    pub keep_for: DurationText,
    /// Whether what is kept for replay stays when the disk is full. If not, the oldest files of it go, and what comes is taken; if
    /// it does, requests are refused until there is room.
    pub keep_when_full: bool,
    /// Size of a file that is removed when the disk is full, so that a checkpoint can still be written; at most 5 % of
    /// the volume.
    #[schemars(extend("x-minimum" = "0", "x-maximum" = "16GiB"))]
    pub reserve_bytes: BytesText,
}

/// When the disk must have what is acknowledged.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Sync")]
pub(in crate::config) enum RawSync {
    Commit,
    Interval,
    Never,
}

impl Default for RawJournal {
    fn default() -> Self {
        let (journal, reserve) = (JournalOptions::default(), ReserveOptions::default());
        Self {
            enabled: true,
            sync: RawSync::Commit,
            sync_interval: DurationText::from_ms(1000),
            segment_bytes: BytesText::from_bytes(journal.segment_bytes_max),
            keep_bytes_max: BytesText::from_bytes(journal.retention_bytes_max),
            keep_for: DurationText::from_ms(journal.retention_ms_max),
            keep_when_full: journal.keep_when_full,
            reserve_bytes: BytesText::from_bytes(reserve.bytes_max),
        }
    }
}

/// Checkpoints: all that was learned, on disk, so that a restart goes on from there.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Checkpoints")]
pub(in crate::config) struct RawCheckpoints {
    /// From one to the next. After a crash at most this much of the journal is read again.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1d"))]
    pub every: DurationText,
    /// How many are kept.
    #[schemars(range(min = 1, max = 100))]
    pub keep: usize,
}

impl Default for RawCheckpoints {
    fn default() -> Self {
        Self {
            every: DurationText::from_ms(5 * 60_000),
            keep: CheckpointOptions::default().generations_kept,
        }
    }
}
