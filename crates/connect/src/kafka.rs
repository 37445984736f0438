//! How a Kafka cluster is reached: what the source and the sinks share.
//!
//! Every property of librdkafka can be set, but for those on which what we promise rests. Their values may be passwords, so none
//! of them is ever shown.

mod client;
mod group;
mod letters;
mod transactions;

/// Whether this program has TLS and SASL with SCRAM for Kafka.
pub const HAS_TLS: bool = cfg!(feature = "kafka-ssl");

/// The header of a record without a value that says only that time passes for its partition: a heartbeat. Its value is `1`.
pub const HEARTBEAT_HEADER: &str = "bellwether.heartbeat";

pub use client::{ClientError, Cluster, RESERVED_PROPERTIES, is_topic};
pub(crate) use client::{Role, describe};
pub use group::Group;
pub(crate) use group::Taken;
pub(crate) use letters::{Letter, Producer, Refusal, Undelivered, log};
pub(crate) use transactions::Uncommitted;
