//! Codecs of bellwether: remote write, borrowing and bounded.

pub mod remote_write;
