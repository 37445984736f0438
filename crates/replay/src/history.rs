//! History from files through the same engine: rows in any format and order, events as `run` would have given them.
//!
//! ```text
//! files ── readers ──▶ rows of numbered series ── order ──▶ records of one second ── engine ──▶ results
//! ```
//!
//! What a file holds is found out from its content, which columns mean what from their names and first rows ([`Mapping`]
//! overrules that). Rows need no order: they are brought into event time within a bound on memory, on disk if need be. The
//! engine then gets what it would have got live: everything of one second as one record, received when it happened, and a
//! heartbeat every ten seconds while nothing happens. So the same samples give the same events, whatever file and row
//! they come from.

mod catalog;
mod cell;
mod checkpoint;
mod csv;
mod error;
mod feed;
mod guard;
mod input;
mod ipc;
mod json;
mod judge;
mod keys;
mod layout;
mod notation;
mod options;
mod order;
mod parquet;
mod read;
mod records;
mod replay;
mod results;
mod resume;
mod scores;
mod summary;
mod table;
mod time;

pub use catalog::Catalog;
pub use error::HistoryError;
pub use input::{HistorySource, Input, InputKind};
pub use layout::{LayoutError, Mapping};
pub use options::{Checkpoints, HistoryOptions, Part, REPORT_BYTES};
pub use read::{HistoryReader, ReadCounts};
pub use replay::{HistoryProgress, Watch, replay_history};
pub use summary::{HistorySummary, InputReport};
pub use time::TimeUnit;
