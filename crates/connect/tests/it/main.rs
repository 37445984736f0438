//! The sources and sinks over real sockets on loopback.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod alertmanager;
mod authority;
mod gauges;
mod guard;
#[cfg(feature = "kafka")]
mod kafka;
mod otlp;
mod outbound_tls;
mod remote_write;
mod server;
mod server_tls;
mod support;
mod tenants;
mod webhook;
