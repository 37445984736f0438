//! How a Kafka cluster is reached: what the source and the sinks share.
//!
//! Every property of librdkafka can be set, but for those on which what we promise rests. Their values may be passwords, so none
//! of them is ever shown.

mod client;
mod letters;

/// Whether this program has TLS and SASL with SCRAM for Kafka.
pub const HAS_TLS: bool = cfg!(feature = "kafka-ssl");

pub use client::{ClientError, Cluster, RESERVED_PROPERTIES, is_topic};
pub(crate) use client::{Role, describe};
pub(crate) use letters::{Letter, Producer, Undelivered, log};
