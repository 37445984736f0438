//! Why results cannot be scored.

use std::path::PathBuf;

/// Why results cannot be scored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A file cannot be read or written.
    #[error("file cannot be used: path=`{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// Labels, a manifest or a baseline are not what they should be.
    #[error("not the JSON that is expected: path=`{}`", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        source: serde_json::Error,
    },
    /// A series' file or a result is not CSV.
    #[error("not a CSV file: path=`{}`", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its line.
        source: csv::Error,
    },
    /// The judgements of a replay cannot be read.
    #[error("not the judgements of a replay: path=`{}`", path.display())]
    Scores {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A CSV file lacks a column.
    #[error("column is missing: path=`{}`, column=`{column}`", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// Name of the column.
        column: &'static str,
    },
    /// A cell is not what it should be.
    #[error("cell is not a {expected}: path=`{}`, line=`{line}`, value=`{value}`", path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        value: String,
    },
    /// An id leads out of its folder.
    #[error("id is not a relative path: id=`{id}`")]
    Id {
        /// The id.
        id: String,
    },
    /// The manifest lists a series that the labels do not know; one without events has an empty list.
    #[error("series has no labels: path=`{}`, id=`{id}`", path.display())]
    Unlabelled {
        /// The file of labels.
        path: PathBuf,
        /// The series.
        id: String,
    },
    /// A labelled window begins when its series is over.
    #[error(
        "labelled window begins after the last row: id=`{id}`, start_s=`{start_s}`, last_row_s=`{last_row_s}`; numbers are unix seconds"
    )]
    Window {
        /// The series.
        id: String,
        /// Where the window begins, in unix seconds.
        start_s: f64,
        /// Where the last row is, in unix seconds.
        last_row_s: f64,
    },
    /// Nothing is left of a series to score.
    #[error("series has no row to score: id=`{id}`, rows=`{rows}`, score_from=`{score_from}`")]
    NothingToScore {
        /// The series.
        id: String,
        /// How many rows it has.
        rows: usize,
        /// Row from which on it is scored, from 0.
        score_from: usize,
    },
    /// Neither data nor a result says when the rows of a series are.
    #[error(
        "series has neither data nor a result, so nobody knows its rows: id=`{id}`; mend its name in the labels, or name the manifest or \
         the folder of the data"
    )]
    NoRows {
        /// The series.
        id: String,
    },
    /// The labels name no series.
    #[error("the labels name no series: path=`{}`", path.display())]
    NoLabels {
        /// The file of labels.
        path: PathBuf,
    },
    /// Two ids are the labels of the same series.
    #[error("series is labelled twice: id=`{id}`, other=`{other}`")]
    Twice {
        /// One of its ids.
        id: String,
        /// Another one.
        other: String,
    },
    /// No series has a result.
    #[error(
        "no series has a result here: path=`{}`, expected for example=`{example}`; a replay writes them with --scores",
        path.display()
    )]
    NoResults {
        /// The folder.
        path: PathBuf,
        /// Id of a series.
        example: String,
    },
}
