//! Events on disk: written while the engine runs, read back by reports.
//!
//! [`FileSink::json_lines`] appends one JSON event a line to a file that it rotates; [`FileSink::event_log`] keeps Parquet files
//! in one folder a day, complete at any moment; [`read()`] reads either. Both are sinks of the runtime: a bounded
//! queue and a thread of their own, so that a full disk costs events of the log and nothing else.
//!
//! Delivery is at least once: after a failure an event may be in a file twice, with the same id.

mod bounded_file;
mod day;
mod event_log;
mod event_table;
mod file_sink;
mod guard;
mod json_lines;
mod known;
pub mod pages;
mod read;
mod rotated;
mod table;
#[cfg(test)]
mod testing;
mod worker;

pub use bounded_file::{BoundedFile, BoundedRead};
pub use event_log::EventLogOptions;
pub use event_table::EventTable;
pub use file_sink::FileSink;
pub use json_lines::JsonLinesOptions;
pub use read::{Events, ReadError, Wanted, read};
pub use table::RowError;
