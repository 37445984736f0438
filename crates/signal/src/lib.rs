//! What is worth watching in a raw series: selectors, kinds, counter rates, the sampling interval.
//!
//! Pure: no IO, no clock, no threads.

mod counter;
mod kind;
mod selector;

pub use counter::{Interval, rate};
pub use kind::{FamilyKind, SeriesKind, series_kind};
pub use selector::{SelectorError, parse_selector};
