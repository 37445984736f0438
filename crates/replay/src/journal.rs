//! A journal through the same engine: what `run` recorded gives the events that it gave then.
//!
//! [`replay_journal`] writes them down. [`verify_journal`] replays in several ways that must not matter and compares. Both go
//! record by record through a `Tape`, which knows which configuration was in force.

mod cut;
mod each;
mod error;
mod figures;
mod machine;
mod tape;
mod verify;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use each::{each_event, each_time, widen};
pub use error::JournalReplayError;
pub use figures::{EventCounts, Findings, Summary, Undecodable};
pub(crate) use tape::Tape;
pub use tape::{Progress, is_journal};
pub use verify::{
    Difference, LiveComparison, LiveDifference, Verification, Way, WayResult, verify_journal,
};
pub use write::replay_journal;
