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
pub(crate) mod earlier;
mod error;
mod events;
mod feed;
pub(crate) mod guard;
mod input;
mod ipc;
mod json;
mod judge;
mod kept;
mod keys;
mod layout;
mod manifest;
mod merge;
pub(crate) mod notation;
mod options;
mod order;
mod parquet;
mod read;
mod records;
mod replay;
mod results;
mod resume;
mod rows;
mod scores;
mod seconds;
mod summary;
mod table;
mod tape;
mod time;

pub use catalog::Catalog;
pub use error::HistoryError;
pub use events::{Listener, Tap};
pub use input::{HistorySource, Input, InputKind};
pub use kept::keep;
pub use layout::{LayoutError, Mapping};
pub use manifest::{Manifest, ReadInput};
pub use options::{Checkpoints, HistoryOptions, Part, REPORT_BYTES};
pub use read::{HistoryReader, ReadCounts};
pub use replay::{HistoryProgress, Watch, replay_events, replay_history};
pub use summary::{HistorySummary, InputReport};
pub use tape::{HistoryRecord, HistoryTape, with_history_records};
pub use time::TimeUnit;
