//! Why a journal cannot be replayed.

use std::path::PathBuf;

use bellwether_engine::StateError;
use bellwether_runtime::journal::ReadError;
use bellwether_wire::remote_write::DecodeError;

/// Why a journal cannot be replayed. Damage is no error: it is counted and named in [`Findings`](super::Findings).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalReplayError {
    /// Neither the folder nor its `journal` holds a segment.
    #[error("there is no journal: path=`{}`", path.display())]
    NoJournal {
        /// The folder.
        path: PathBuf,
    },
    /// The disk refused, or another version wrote the journal.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The results cannot be written.
    #[error("result cannot be written: path=`{}`", path.display())]
    Output {
        /// The file or folder.
        path: PathBuf,
        /// What the disk said.
        source: std::io::Error,
    },
    /// The results would be among the files of `run`.
    #[error("results cannot go into the folder that is read: path=`{}`", path.display())]
    OutputIsInput {
        /// The folder.
        path: PathBuf,
    },
    /// A state that was saved cannot be restored: a fault of this program.
    #[error("saved state cannot be restored: record=`{sequence}`")]
    State {
        /// Sequence of the record after which it was saved.
        sequence: u64,
        /// What is wrong with it.
        source: StateError,
    },
    /// A part of a request cannot be read although the whole could: a fault of this program.
    #[error("part of a request cannot be read")]
    Part(#[from] DecodeError),
}
