//! Why there is no plan.

use std::io;

use bellwether_eventlog::ReadError;

use crate::history::HistoryError;
use crate::journal::JournalReplayError;

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The history cannot be replayed.
    #[error("history cannot be replayed")]
    History(#[from] HistoryError),
    /// The journal cannot be replayed.
    #[error("journal cannot be replayed")]
    Journal(#[from] JournalReplayError),
    /// The events of a replay cannot be kept until they are compared.
    #[error("there is no room for results in the temporary folder")]
    Temporary(#[source] io::Error),
    /// The events of a replay cannot be read back.
    #[error("results in the temporary folder cannot be read")]
    Events(#[from] ReadError),
    /// It was ended before all of the input was replayed: half of it says nothing.
    #[error("ended before all of the input was replayed")]
    Stopped,
    /// A thread ended before its work was done: a fault of this program.
    #[error("a thread of the replay has failed")]
    Thread,
}
