//! Why there is no plan.

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
    /// It was ended before all of the input was replayed: half of it says nothing.
    #[error("ended before all of the input was replayed")]
    Stopped,
    /// A thread ended before its work was done: a fault of this program.
    #[error("a thread of the replay has failed")]
    Thread,
}
