//! Why nothing is tuned.

use std::path::PathBuf;

use super::fit::Fit;
use super::score::BLOCKS;
use crate::corpus::CorpusError;
use crate::eval::EvalError;
use crate::history::HistoryError;
use crate::journal::JournalReplayError;
use crate::plan::PlanError;
use crate::report::time_text;

/// Why nothing is tuned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TuneError {
    /// The history cannot be replayed.
    #[error("history cannot be replayed")]
    History(#[from] HistoryError),
    /// The journal cannot be read.
    #[error("journal cannot be read")]
    Journal(#[from] JournalReplayError),
    /// The input cannot be replayed.
    #[error(transparent)]
    Replay(#[from] PlanError),
    /// The corpus cannot be replayed.
    #[error("corpus cannot be replayed")]
    Corpus(#[from] CorpusError),
    /// Manifest or labels of the corpus cannot be read.
    #[error("manifest or labels cannot be read")]
    Labels(#[from] EvalError),
    /// There is not enough to cut into blocks.
    #[error("there is too little history to be cut into blocks of at least a second")]
    TooShort,
    /// A block holds no sample, so that nothing could be judged by it.
    #[error(
        "block {block} of {BLOCKS} holds no sample, and nothing could be judged by it: from=`{}`, until=`{}`; four blocks of the same \
         length are cut from the last four fifths of the time between the first sample and the last: first=`{}`, last=`{}`",
        time_text(*from_ms), time_text(*until_ms), time_text(*first_ms), time_text(*last_ms)
    )]
    EmptyBlock {
        /// Its number, from 1.
        block: usize,
        /// Where it begins. Times are event times in Unix milliseconds.
        from_ms: i64,
        /// Where it ends.
        until_ms: i64,
        /// The first sample of the input.
        first_ms: i64,
        /// The last sample of the input.
        last_ms: i64,
    },
    /// No labelled window can be found by an alert.
    #[error(
        "no labelled window lies in the time that is scored, the last four fifths, of a series that is there: windows=`{}`, \
         of_unknown_series=`{}`, at_other_times=`{}`; series are named as Prometheus writes them, and numbers are unix seconds",
        fit.windows, fit.of_unknown_series, fit.outside
    )]
    NoWindows {
        /// What there is.
        fit: Fit,
    },
    /// It was ended by whoever asked for it.
    #[error("ended before all candidates were tried")]
    Stopped,
    /// A thread ended before its work was done: a fault of this program.
    #[error("a thread has failed")]
    Thread,
    /// What was tried cannot be written down or read back.
    #[error("what was tried cannot be kept: path=`{}`", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// There is nothing to go on from.
    #[error("there is nothing to go on from: path=`{}`", path.display())]
    NothingToResume {
        /// The file that would say what was tried.
        path: PathBuf,
    },
    /// Something else was asked for when the file was begun.
    #[error(
        "what was tried before was something else: path=`{}`, changed=`{key}`, was=`{was}`, is=`{is}`; leave out --resume to begin anew",
        path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// What is otherwise.
        key: String,
        /// What it was.
        was: String,
        /// What it is.
        is: String,
    },
    /// A line of the file is not what this program writes.
    #[error("what was tried cannot be understood: path=`{}`, line=`{line}`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
    },
}
