//! What can go wrong with checkpoints.

use std::io;

use super::layout::{CHECKPOINT_VERSION, Section};
use crate::storage::is_full;

/// Why checkpoints cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The disk refused. The checkpoints that were there still are.
    #[error("checkpoint cannot be written or read: file=`{file}`")]
    Storage {
        /// Which file or folder.
        file: String,
        /// What the disk said.
        source: io::Error,
    },
    /// Another version of the program wrote it, one that this one does not know.
    #[error(
        "checkpoint was written in format version {version}, this program reads version {CHECKPOINT_VERSION}: file=`{file}`"
    )]
    UnsupportedVersion {
        /// Which file.
        file: String,
        /// The version that it says.
        version: u32,
    },
    /// All of it verifies, and it has a section that this program does not know: a later version of the program wrote it.
    #[error(
        "checkpoint was written by a later version of the program: file=`{file}`, section=`{section:?}`"
    )]
    UnknownSection {
        /// Which file.
        file: String,
        /// What is not known.
        section: Section,
    },
    /// It does not verify: just written, it is not put in place; read before, it has changed since.
    #[error("checkpoint is damaged: file=`{file}`")]
    Damaged {
        /// Which file.
        file: String,
        /// What does not verify.
        source: Damage,
    },
    /// The section is there already, is none that the format knows, or its position is too long: a fault of the caller.
    #[error("section cannot be written: section=`{0:?}`")]
    InvalidSection(Section),
}

/// Why a checkpoint is not valid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// It does not begin as a checkpoint of its generation does.
    #[error("header does not verify")]
    Header,
    /// It does not end as a checkpoint does, or is not as long as it says.
    #[error("footer does not verify")]
    Footer,
    /// A chunk does not verify or is out of place.
    #[error("chunk does not verify: offset=`{offset}`")]
    Chunk {
        /// Where it begins, in bytes.
        offset: u64,
    },
    /// Each chunk verifies and the whole does not.
    #[error("checksum of the whole file does not verify")]
    Whole,
    /// Its parts stand at different records, and the journal lacks one that would bring them together.
    #[error("journal lacks a record that its parts need: sequence=`{first_missing}`")]
    Unconnected {
        /// The first record that is missing.
        first_missing: u64,
    },
    /// The disk refused to read it.
    #[error("file cannot be read")]
    Unreadable(#[from] io::Error),
}

impl CheckpointError {
    pub(super) fn storage(file: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Storage { file: file.to_owned(), source }
    }

    /// Whether the disk is full: releasing the reserve may help.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Storage { source, .. } if is_full(source))
    }
}
