//! Where samples come in.

pub mod history;
pub mod otlp;
pub mod receiver;
pub mod remote_write;
