//! Codecs of bellwether: what requests may be written in, and remote read; borrowing and bounded.
//!
//! Pure: bytes in, borrowed views out; no IO, no clock, no threads. Whatever arrives here is hostile
//! until decoded: limits are checked before memory is taken, and no input makes it panic.

mod arrow;
mod compression;
mod format;
mod influx;
mod json;
mod lines;
mod measurement;
pub mod otlp;
mod precision;
pub mod remote_read;
pub mod remote_write;

pub use compression::Compression;
pub use format::{Format, Message};
pub use precision::Precision;
