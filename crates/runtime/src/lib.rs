//! The engine on threads: sequencer, shards, collector.
//!
//! `run` and `replay` both stand on it. Standard threads and channels, no async, no sockets; time comes in
//! through [`Clock`].

mod alerts;
mod api;
mod collector;
mod runtime;
mod sink;
mod stats;

pub use alerts::AlertFigures;
pub use api::{Clock, Ingest, Reply, Request, SubmitError};
pub use collector::{News, OnNews};
pub use runtime::{HEARTBEAT, Handle, Options, Runtime, Wanted};
pub use sink::{EventSink, SinkStats};
pub use stats::{Decided, LATENCY_BOUNDS_SECONDS, Stats};
