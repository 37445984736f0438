//! History in, changes out: corpora, synthetic fleets.
