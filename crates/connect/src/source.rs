//! Where samples come in.

pub mod history;
pub mod remote_write;
