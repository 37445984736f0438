//! Where samples come in.

pub mod history;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod remote_write;
