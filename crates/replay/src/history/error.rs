//! Why history cannot be replayed.

use std::io;
use std::path::{Path, PathBuf};

use bellwether_series::LabelError;

use super::layout::LayoutError;

/// What is wrong within a library that reads a format.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why history cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// A file or folder cannot be read.
    #[error("file cannot be read: path=`{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is nothing that is read here.
    #[error("file is no history: path=`{}`; {what}", path.display())]
    NotHistory {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// A folder holds no files.
    #[error("folder holds no files: path=`{}`", path.display())]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A file is damaged, or not what it seems to be.
    #[error("file is damaged or no {kind}: path=`{}`, after_rows=`{rows}`", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it seems to be.
        kind: &'static str,
        /// Rows before the place.
        rows: u64,
        /// What the reader said.
        source: Cause,
    },
    /// Nobody can tell which columns mean what.
    #[error("columns are not understood: path=`{}`", path.display())]
    Columns {
        /// The file.
        path: PathBuf,
        /// What is missing.
        source: LayoutError,
    },
    /// A cell is not what it should be.
    #[error(
        "cell is no {expected}: path=`{}`, row=`{row}`, column=`{column}`, value=`{value}`",
        path.display()
    )]
    Cell {
        /// The file.
        path: PathBuf,
        /// Line of a text file, row of any other, from 1.
        row: u64,
        /// Name of the column.
        column: String,
        /// What it should be.
        expected: &'static str,
        /// What it is, cut short.
        value: String,
    },
    /// A line is not one of the documented JSON objects.
    #[error("line is no sample: path=`{}`, line=`{line}`", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What is wrong with it.
        source: Cause,
    },
    /// A line is longer than any sample.
    #[error("line is too long: path=`{}`, line=`{line}`, limit_bytes=`{limit_bytes}`", path.display())]
    LongLine {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// The limit that was passed.
        limit_bytes: usize,
    },
    /// The labels of a row are none.
    #[error("labels are not valid: path=`{}`, row=`{row}`", path.display())]
    Labels {
        /// The file.
        path: PathBuf,
        /// Line of a text file, row of any other, from 1.
        row: u64,
        /// What is wrong with them.
        source: LabelError,
    },
    /// A [`HistorySource`](super::HistorySource) cannot be read.
    #[error("history cannot be read: source=`{name}`")]
    Source {
        /// What people call it.
        name: String,
        /// Why.
        source: Cause,
    },
    /// There are more series than a replay takes.
    #[error("there are too many series: limit=`{limit}`; --series-max raises it")]
    SeriesMax {
        /// The limit.
        limit: usize,
    },
    /// Rows cannot be put aside or read back, for sorting or to be read again.
    #[error("rows cannot be put aside on disk: folder=`{}`", folder.display())]
    Spill {
        /// Where.
        folder: PathBuf,
        /// What went wrong.
        source: Cause,
    },
    /// The results cannot be written.
    #[error("result cannot be written: path=`{}`", path.display())]
    Output {
        /// The file or folder.
        path: PathBuf,
        /// What went wrong.
        source: Cause,
    },
    /// The results would be among the input.
    #[error("results cannot go into a folder that is read: path=`{}`", path.display())]
    OutputIsInput {
        /// The folder.
        path: PathBuf,
    },
    /// What is to be gone on with is of another replay. Begin anew, or make it what it was.
    #[error(
        "replay cannot go on from where it was: {what} is another one: then=`{then}`, now=`{now}`; begin anew without --resume"
    )]
    Resume {
        /// What has changed.
        what: String,
        /// What it was.
        then: String,
        /// What it is.
        now: String,
    },
    /// What an earlier replay left to go on from is damaged. Begin anew.
    #[error("replay cannot go on from where it was; begin anew without --resume: path=`{}`", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Cause,
    },
    /// A folder does not say what its results were made of: they are of a journal, or of another version.
    #[error("results do not say what they were made of: path=`{}`", path.display())]
    NoManifest {
        /// The file that should say it.
        path: PathBuf,
        /// What is wrong with it.
        source: Cause,
    },
    /// An input is not what it was when results were made of it, so nothing can be made of it again.
    #[error("input is not what the results were made of: path=`{}`, then=`{then}`, now=`{now}`", path.display())]
    InputChanged {
        /// The input.
        path: PathBuf,
        /// What it was.
        then: String,
        /// What it is.
        now: String,
    },
    /// A thread ended before its work was done: a fault of this program.
    #[error("a thread of the replay has failed")]
    Thread,
}

impl HistoryError {
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::File { path: path.to_owned(), source }
    }

    pub(super) fn output<E: Into<Cause>>(path: &Path) -> impl FnOnce(E) -> Self + '_ {
        |source| Self::Output { path: path.to_owned(), source: source.into() }
    }
}

/// At most 64 characters of a cell, for a message.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(64).collect()
}
