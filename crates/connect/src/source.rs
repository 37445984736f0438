//! Where samples come in.

pub mod remote_write;
