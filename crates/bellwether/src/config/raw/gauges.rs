//! Derived gauges, as they are written.

use bellwether_connect::sink::gauges::GaugesOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RawEndpoint, RawKafkaGauges};
use crate::config::text::DurationText;

/// What was expected of series and how surprising they were, as metrics.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Gauges")]
pub(in crate::config) struct RawGauges {
    /// PromQL selectors of the series whose surprise and expected band are exported; none means none.
    #[schemars(length(max = 100), example = ["{job=\"checkout\"}"])]
    #[schemars(extend("x-type" = "list of selectors"))]
    pub r#match: Vec<String>,
    /// Most series that are exported, whatever `match` says; further ones are counted and left out.
    #[schemars(range(min = 1, max = 100_000))]
    pub series_max: usize,
    /// A series of which nothing was judged for this long is no longer on `GET /metrics`.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1d"))]
    pub stale_after: DurationText,
    /// How often samples are written to the servers under `remote_write`.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "5m"))]
    pub flush_interval: DurationText,
    /// Most samples in one of those requests; a series has four at a time.
    #[schemars(range(min = 4, max = 100_000))]
    pub samples_per_request_max: usize,
    /// Most samples that wait for one server; beyond it the oldest are dropped and counted.
    #[schemars(range(min = 4, max = 10_000_000))]
    pub queue_samples_max: usize,
    /// How long one request may take.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "5m"))]
    pub timeout: DurationText,
    /// Servers that the gauges are sent to by remote write 1.0; the URL is used as it stands, for example
    /// `http://prometheus:9090/api/v1/write`. Without one they are on `GET /metrics` only.
    #[schemars(length(max = 4))]
    pub remote_write: Vec<RawEndpoint>,
    /// A topic of Kafka that gets every sample as JSON. Off without this key.
    pub kafka: Option<RawKafkaGauges>,
}

impl Default for RawGauges {
    fn default() -> Self {
        let options = GaugesOptions::default();
        Self {
            r#match: Vec::new(),
            series_max: options.series_max,
            stale_after: DurationText::from_ms(options.stale_after_ms),
            flush_interval: DurationText::from_ms(options.flush_interval_ms as i64),
            samples_per_request_max: options.samples_per_request_max,
            queue_samples_max: options.queue_samples_max,
            timeout: DurationText::from_ms(options.timeout_ms as i64),
            remote_write: Vec::new(),
            kafka: None,
        }
    }
}
