//! History in, changes out: corpora, synthetic fleets, reports.

pub mod corpus;
pub mod fleet;
pub mod report;
