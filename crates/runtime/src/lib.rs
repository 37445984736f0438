//! The engine on threads: sequencer, shards, collector.
//!
//! `run` and `replay` both stand on it. Standard threads and channels, no async, no sockets; time comes in
//! through [`Clock`].

mod api;
mod runtime;
mod stats;

pub use api::{Clock, Ingest, Reply, Request, SubmitError};
pub use runtime::{HEARTBEAT, Handle, OnChanges, Options, Runtime, Wanted};
pub use stats::{Decided, LATENCY_BOUNDS_SECONDS, Stats};
