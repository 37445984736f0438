//! Prometheus remote write: 1.0, and 2.0 put into its form ([`Message::RemoteWrite2`](crate::Message::RemoteWrite2)).
//!
//! 1.0 is snappy block format around a `prometheus.WriteRequest`.
//!
//! ```text
//! body ── decompress ──▶ protobuf ── WriteRequest::decode ──▶ series(), metadata()
//! ```
//!
//! Decoding is one shallow pass. Labels are skipped by their length and handed on as the bytes that
//! were sent, because the bytes of a known series need no second look; samples are copied out into one
//! array. Nothing is allocated per series, nothing is reserved because the input claims a count.
//!
//! Specification: "Prometheus Remote-Write 1.0"; messages: `prometheus/prometheus:prompb/{remote,types}.proto`.

mod assembler;
mod bad_parts;
mod buckets;
mod budget;
mod builder;
mod decode;
mod error;
mod exemplar;
mod histogram;
mod label_buffer;
mod limits;
mod metadata;
mod reader;
mod request;
mod snappy;
pub(crate) mod v2;

pub(crate) use assembler::Assembler;
pub use bad_parts::BadParts;
pub use builder::WriteRequestBuilder;
pub use error::DecodeError;
pub(crate) use label_buffer::{LabelBuffer, Mark, SameName};
pub use limits::Limits;
pub use metadata::{MetadataRef, MetricType};
pub(crate) use reader::{Reader, bytes_tag, fixed64_tag, varint_tag};
pub use request::{RawSample, SeriesRef, WriteRequest};
pub use snappy::{compress, decompress};
