//! History in, changes out: corpora, synthetic fleets.

pub mod corpus;
pub mod fleet;
