//! Sequencer and shard threads around the engine.

mod api;

pub use api::{Ingest, Reply, Request, SubmitError};
