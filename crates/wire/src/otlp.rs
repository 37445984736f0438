//! OpenTelemetry metrics (OTLP): `ExportMetricsServiceRequest` as protobuf or JSON, put into Prometheus' form.
//!
//! ```text
//! JSON ── transcode ──▶ protobuf ── Decoder ──▶ names, labels and samples of series
//! ```
//!
//! | metric | series | metadata |
//! | --- | --- | --- |
//! | gauge, sum that may fall | the name | gauge |
//! | sum that only rises, cumulative | the name, `_total` | counter |
//! | sum, delta | the name: each value is what came since the last one | gauge |
//! | histogram, cumulative | `_bucket` with `le`, `_count`, `_sum` | histogram |
//! | histogram, delta | `_count`, `_sum` | gauge, each |
//! | exponential histogram | `_count`, `_sum` | as a histogram |
//! | summary | the name with `quantile`, `_count`, `_sum` | summary |
//!
//! Names are translated as Prometheus does by default (`UnderscoreEscapingWithSuffixes`). Of the resource come `job` (service
//! namespace and name), `instance` (service instance id) and the attributes that tell machines and workloads apart
//! ([`PROMOTED`]). There is no `target_info`: it is always 1. Scopes, exemplars, minima and maxima are not looked at.
//!
//! Specifications: `open-telemetry/opentelemetry-proto:docs/specification.md` and `opentelemetry/proto/metrics/v1/metrics.proto`;
//! "Prometheus and `OpenMetrics` Compatibility"; `prometheus/otlptranslator`.

mod any_value;
mod decode;
mod histogram;
mod names;
mod points;
mod resource;
mod response;
mod schema;
mod transcode;

pub use resource::PROMOTED;
pub use response::{Encoding, export_response, status_message};

use crate::remote_write::{DecodeError, Limits, WriteRequest};

/// Decodes a request in protobuf.
pub(crate) fn decode_protobuf(body: &[u8], limits: &Limits) -> Result<WriteRequest, DecodeError> {
    decode::decode(body, body.len(), limits)
}

/// Decodes a request in JSON.
pub(crate) fn decode_json(body: &[u8], limits: &Limits) -> Result<WriteRequest, DecodeError> {
    let message = transcode::transcode(body, limits.decoded_bytes_max)?;
    decode::decode(&message, body.len(), limits)
}

#[cfg(test)]
mod tests;
