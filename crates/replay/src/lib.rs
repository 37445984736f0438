//! History in, changes out: corpora, journals, synthetic fleets, reports, results held against labels, and why something
//! happened or did not.

pub mod corpus;
pub mod eval;
mod exclude;
pub mod explain;
pub mod fleet;
pub mod history;
pub mod journal;
pub mod report;

pub use exclude::{Exclusion, Exclusions};
