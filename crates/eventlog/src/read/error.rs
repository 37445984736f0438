//! What can be wrong with a log.

use std::io;
use std::path::PathBuf;

use parquet::errors::ParquetError;

use super::lines::LINE_BYTES_MAX;
use crate::table::RowError;

/// What could not be read. Reading goes on behind it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A file or folder cannot be opened or read; the rest of it is skipped.
    #[error("events cannot be read: path=`{}`", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder holds other things than days of an event log.
    #[error("folder is not an event log: path=`{}`", .path.display())]
    NotALog {
        /// The folder.
        path: PathBuf,
    },
    /// A line that is not an event; it alone is skipped.
    #[error("line is not an event: path=`{}`, line=`{line}`", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: u64,
        /// Why not.
        source: serde_json::Error,
    },
    /// A line that is longer than any event; it alone is skipped.
    #[error("line is too long: path=`{}`, line=`{line}`, limit_bytes=`{LINE_BYTES_MAX}`", .path.display())]
    LongLine {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: u64,
    },
    /// The last line has no end: it is being written, or a crash cut it short.
    #[error("last line is cut short: path=`{}`, line=`{line}`", .path.display())]
    TornLine {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: u64,
    },
    /// An event of another version; it alone is skipped.
    #[error("version of the event is not known: path=`{}`, line=`{line}`, version=`{version}`", .path.display())]
    EventVersion {
        /// The file.
        path: PathBuf,
        /// Its line or row, from 1.
        line: u64,
        /// The version it says.
        version: u32,
    },
    /// A Parquet file of another version, or not of an event log at all; the whole file is skipped.
    #[error("version of the file is not known: path=`{}`, version=`{version}`", .path.display())]
    FileVersion {
        /// The file.
        path: PathBuf,
        /// The version it says, `none` if it says none.
        version: String,
    },
    /// A Parquet file that is damaged or none; the whole file is skipped.
    #[error("file is not readable Parquet: path=`{}`", .path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ParquetError,
    },
    /// A damaged row group of a Parquet file; the rest of the row group is skipped.
    #[error("row group cannot be read: path=`{}`, row_group=`{row_group}`", .path.display())]
    RowGroup {
        /// The file.
        path: PathBuf,
        /// The row group, from 0.
        row_group: usize,
        /// What is wrong with it.
        source: ParquetError,
    },
    /// A row that is not an event; it alone is skipped.
    #[error("row is not an event: path=`{}`, row=`{row}`", .path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The row, from 1.
        row: u64,
        /// Why not.
        source: RowError,
    },
}
