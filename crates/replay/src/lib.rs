//! History in, changes out: corpora, journals, synthetic fleets, reports, and results held against labels.

pub mod corpus;
pub mod eval;
pub mod fleet;
pub mod journal;
pub mod report;
