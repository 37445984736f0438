//! The sources and sinks over real sockets on loopback.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod alertmanager;
mod gauges;
mod remote_write;
mod server;
mod support;
mod webhook;
