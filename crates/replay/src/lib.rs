//! History in, changes out: corpora, journals, synthetic fleets, reports, and why something happened or did not.

pub mod corpus;
pub mod explain;
pub mod fleet;
pub mod journal;
pub mod report;
