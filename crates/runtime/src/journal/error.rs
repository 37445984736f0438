//! What can go wrong with the journal.

use std::io;

use super::segment::JOURNAL_VERSION;
use crate::storage::is_full;

/// Why the journal cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// An earlier write or sync failed. Nothing is taken until
    /// [`Journal::recover_from_failure`](super::Journal::recover_from_failure) has succeeded.
    #[error("journal has failed and has not recovered")]
    Failed,
    /// This record will never fit: refuse it.
    #[error("record is too large for the journal: bytes=`{bytes}`, bytes_max=`{bytes_max}`")]
    RecordTooLarge {
        /// Bytes of its payload.
        bytes: usize,
        /// Bytes that a payload may have.
        bytes_max: usize,
    },
    /// The group is full: commit it, then append again.
    #[error("group of records is full: bytes_max=`{bytes_max}`")]
    GroupFull {
        /// Bytes that a group may have.
        bytes_max: usize,
    },
    /// Kinds are 1 to 127: a fault of the caller.
    #[error("no such kind of record: kind=`{0}`")]
    InvalidKind(u8),
    /// The disk refused. The journal is failed; what was appended since the last commit is void.
    #[error("journal cannot be written: file=`{file}`")]
    Write {
        /// Which file.
        file: String,
        /// What the disk said.
        source: io::Error,
    },
    /// What is there cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl JournalError {
    pub(super) fn write(file: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Write { file: file.to_owned(), source }
    }

    /// Whether the disk is full: releasing the reserve may help.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Write { source, .. } if is_full(source))
    }
}

/// Why the journal cannot be read. Damage is no error: it is an [`Entry::Gap`](super::Entry::Gap).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The disk refused.
    #[error("journal cannot be read: file=`{file}`")]
    Storage {
        /// Which file or folder.
        file: String,
        /// What the disk said.
        source: io::Error,
    },
    /// Another version of the program wrote it, one that this one does not know.
    #[error(
        "journal was written in format version {version}, this program reads version {JOURNAL_VERSION}: file=`{file}`"
    )]
    UnsupportedVersion {
        /// Which file.
        file: String,
        /// The version that it says.
        version: u32,
    },
}

impl ReadError {
    pub(super) fn storage(file: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Storage { file: file.to_owned(), source }
    }
}
