//! The engine on threads: sequencer, shards, collector.
//!
//! `run` and `replay` both stand on it. Standard threads and channels, no async, no sockets; time comes in
//! through [`Clock`]. [`journal`] and [`checkpoint`] are what survives a restart, on files behind [`storage`].

mod alerts;
mod api;
pub mod checkpoint;
mod collector;
mod format;
pub mod journal;
mod runtime;
mod sink;
mod stats;
pub mod storage;
pub mod stored;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use alerts::AlertFigures;
pub use api::{Clock, Ingest, Reply, Request, SubmitError};
pub use collector::{News, OnNews};
pub use runtime::{HEARTBEAT, Handle, Options, Runtime, Wanted};
pub use sink::{EventSink, SinkStats};
pub use stats::{Decided, LATENCY_BOUNDS_SECONDS, Stats};
