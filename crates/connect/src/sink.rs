//! Where changes of alerts go out.

pub mod alertmanager;
pub mod gauges;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(test)]
mod testing;
mod vital;
pub mod webhook;
