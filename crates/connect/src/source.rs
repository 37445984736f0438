//! Where samples come in.

pub mod history;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod otlp;
pub mod receiver;
pub mod remote_write;
