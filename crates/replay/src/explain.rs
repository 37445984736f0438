//! Why this alert, and why not one then: a single event, or a single moment of some series, recomputed.
//!
//! Recorded input goes through the same engine again, which writes down where the samples of some series ended and by what they
//! were judged ([`bellwether_engine::Traces`]). What is said of an event is thus what decided about it, and whether it is
//! what was stored then can be told field by field.
//!
//! Input is an iterator of [`Recorded`] and the settings that it begins with: a journal is one ([`JournalRecords`]), and so
//! is history ([`HistoryTape`](crate::history::HistoryTape)).

mod compare;
mod error;
mod find;
mod model;
mod recompute;
mod records;
#[cfg(test)]
mod tests;
mod why_not;
mod words;

pub use compare::{Difference, differences};
pub use error::ExplainError;
pub use find::{EventQuery, Found, find_recorded, find_stored};
pub use model::{
    DetectorLine, EventExplanation, JudgedLine, Recomputation, SampleLine, ThresholdLine, WhyNot,
    p_value,
};
pub use recompute::{Recomputed, recompute};
pub use records::{JournalRecords, Recorded, RecordedBody, RecordsError};
pub use why_not::{SERIES_MAX, why_not};
pub use words::{limit_words, why_words};
