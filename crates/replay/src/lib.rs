//! History in, changes out: corpora, journals, synthetic fleets, reports, results held against labels, why something
//! happened or did not, and what another configuration would change.

pub mod corpus;
pub mod eval;
mod exclude;
pub mod explain;
pub mod fleet;
pub mod history;
pub mod journal;
pub mod plan;
pub mod report;
pub mod tune;

pub use exclude::{Exclusion, Exclusions};
