//! What can go wrong with the states of silent series.

use std::io;

use super::segment::COLD_VERSION;
use crate::storage::is_full;

/// Why states of silent series cannot be kept or had. Those series begin anew when they come back; nothing else stops.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ColdError {
    /// The disk refused. What was to be written waits in memory.
    #[error("states of silent series cannot be written or read: file=`{file}`: {source}")]
    Storage {
        /// Which file or folder.
        file: String,
        /// What the disk said.
        source: io::Error,
    },
    /// Another version of the program wrote it, one that this one does not know. Start that one.
    #[error(
        "states of silent series were written in format version {version}, this program reads version {COLD_VERSION}: file=`{file}`"
    )]
    UnsupportedVersion {
        /// Which file.
        file: String,
        /// The version that it says.
        version: u32,
    },
    /// What is on the disk is not what was written. Look after the disk.
    #[error("state of a silent series is damaged: file=`{file}`, offset=`{offset}`")]
    Damaged {
        /// Which file.
        file: String,
        /// Where the state begins, in bytes.
        offset: u64,
    },
    /// A checkpoint knows of states that are not on the disk.
    #[error("states of silent series are missing: count=`{count}`")]
    Missing {
        /// How many.
        count: u64,
    },
    /// What is on the disk is not what the checkpoint knows of. Look after the disk, or at what was restored from a backup.
    #[error("state of a silent series is not the one that was put away: partition=`{partition}`")]
    Another {
        /// Which partition.
        partition: u8,
    },
    /// The disk has refused for so long that no more may wait.
    #[error("too many states of silent series wait for the disk: limit_bytes=`{limit_bytes}`")]
    Full {
        /// Bytes that may wait.
        limit_bytes: usize,
    },
}

impl ColdError {
    /// Whether the disk is full.
    pub(crate) fn is_disk_full(&self) -> bool {
        matches!(self, Self::Storage { source, .. } if is_full(source))
    }
}
