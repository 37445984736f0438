//! The outside world on sockets: the HTTP server, sources that listen on it, sinks that talk to others.
//!
//! - [`http`] serves a router with every timeout that a server on an open network needs.
//! - [`source::receiver`] takes requests in, of Prometheus remote write ([`source::remote_write`]) and OpenTelemetry
//!   ([`source::otlp`]), which answer so that senders retry or drop correctly.
//! - `source::kafka` reads topics of Kafka (feature `kafka`).
//! - `gateway` hands on what the receiver takes to a topic of Kafka (feature `kafka`).
//! - [`source::history`] asks a server for what it has stored, for replays.
//! - [`sink::alertmanager`] keeps a set of Alertmanagers informed of what is firing.
//! - [`sink::webhook`] posts every event to a URL, signed.
//! - `sink::kafka` produces every event to a topic (feature `kafka`).
//! - `objects` is a store of objects by URL, for checkpoints of workers (feature `kafka`).
//! - [`sink::gauges`] takes derived gauges out by remote write.
//!
//! No detection here and nothing that a replay could not do without: what comes in goes to
//! `bellwether_runtime::Ingest`, what goes out is a `bellwether_engine::Event`.

#[cfg(feature = "kafka")]
pub mod gateway;
pub mod http;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "kafka")]
pub mod objects;
mod outbound;
mod pem;
mod secret;
pub mod sink;
pub mod source;
mod text;

pub use outbound::{Authorization, ClientTls, Endpoint, EndpointError};
pub use secret::Secret;
