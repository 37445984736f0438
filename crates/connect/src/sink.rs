//! Where changes of alerts go out.

pub mod alertmanager;
pub mod gauges;
#[cfg(test)]
mod testing;
pub mod webhook;
