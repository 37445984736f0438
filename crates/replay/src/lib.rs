//! History in, changes out: corpora, journals, synthetic fleets, reports.

pub mod corpus;
pub mod fleet;
pub mod history;
pub mod journal;
pub mod report;
