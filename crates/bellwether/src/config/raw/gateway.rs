//! The topic that a gateway produces to, as it is written.

use std::collections::BTreeMap;

use bellwether_connect::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::text::{BytesText, DurationText, SecretText};

/// The topic that `bellwether gateway` produces to.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Gateway", extend("required" = ["brokers", "topic"]))]
pub(in crate::config) struct RawGateway {
    /// Some of the brokers as `host:port`; they name the others.
    #[schemars(length(max = 100), example = ["kafka:9092"])]
    pub brokers: Vec<String>,
    /// The topic. Workers read it with `format: remote_write`.
    #[schemars(example = &"metrics")]
    pub topic: Option<String>,
    /// Largest value of a record before compression; what is more for one partition becomes several records. The topic must take
    /// such records (`max.message.bytes`), and 64 KiB more for what stands beside the value.
    #[schemars(extend("x-minimum" = "64KiB", "x-maximum" = "60MiB"))]
    pub record_bytes_max: BytesText,
    /// Most bytes of records that wait for their confirmation; beyond it senders are told to come back.
    #[schemars(extend("x-minimum" = "1MiB", "x-maximum" = "2GiB"))]
    pub buffer_bytes_max: BytesText,
    /// A record that the brokers have not confirmed by then is given up; its request is answered 503. Below the time that
    /// senders wait for an answer, which is 30 s for Prometheus.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "5m"))]
    pub confirm_timeout: DurationText,
    /// How often each partition gets a heartbeat, so that time passes for its worker when nothing is measured.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1m"))]
    pub heartbeat_interval: DurationText,
    /// All partitions are told again what kind of metric a family is when a sender says it after so long.
    #[schemars(extend("x-minimum" = "1m", "x-maximum" = "1d"))]
    pub metadata_interval: DurationText,
    /// Properties of librdkafka, which win over ours, but for those on which it rests that nothing is lost. No report shows
    /// their values.
    #[schemars(with = "BTreeMap<String, SecretText>")]
    pub properties: BTreeMap<String, Secret>,
    /// Files with the values of such properties. Relative to the folder of this file.
    pub properties_files: BTreeMap<String, String>,
}

impl Default for RawGateway {
    fn default() -> Self {
        Self {
            brokers: Vec::new(),
            topic: None,
            record_bytes_max: BytesText::from_bytes(900 << 10),
            buffer_bytes_max: BytesText::from_bytes(64 << 20),
            confirm_timeout: DurationText::from_ms(10_000),
            heartbeat_interval: DurationText::from_ms(10_000),
            metadata_interval: DurationText::from_ms(600_000),
            properties: BTreeMap::new(),
            properties_files: BTreeMap::new(),
        }
    }
}
