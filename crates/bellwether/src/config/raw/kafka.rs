//! Topics of Kafka that are read, as they are written.

use std::collections::BTreeMap;

use bellwether_connect::Secret;
use bellwether_wire::{Compression, Precision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sinks::RawSeverity;
use crate::config::text::{BytesText, DurationText, SecretText};

/// Topics of Kafka that are read.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Kafka", extend("required" = ["brokers", "topics"]))]
pub(in crate::config) struct RawKafka {
    /// Some of the brokers as `host:port`; they name the others.
    #[schemars(length(max = 100), example = ["kafka:9092"])]
    pub brokers: Vec<String>,
    /// The topics. What begins with `^` is a regular expression over names; topics that come later are found.
    #[schemars(length(max = 1000), example = ["metrics"])]
    pub topics: Vec<String>,
    /// The consumer group. What it has committed shows how far reading is, and decides nothing.
    pub group: String,
    /// Who this process is in the group. It stays the same from one start to the next, so that a restart need not wait for the
    /// group. One process reads a group: of two with the same name the one that came last does.
    pub instance: String,
    /// How the records are written.
    pub format: RawMessage,
    /// How each record is compressed by whoever produced it, besides what Kafka itself compresses.
    pub compression: RawCompression,
    /// Unit of the timestamps in `influx` and `telegraf`. Without this key `ns` for the one and `s` for the other, as Telegraf
    /// writes them.
    pub precision: Option<RawPrecision>,
    /// Where a partition begins of which nothing has been taken yet. All others go on where they were.
    pub start: RawStart,
    /// What names the tenant of a record, where there are tenants: its header that is called like that of HTTP, or its key.
    pub tenant_from: RawTenantFrom,
    /// Topic for records that cannot be taken: they go there as they are, with headers that say why. Without one they are
    /// counted and left out.
    pub dead_letter_topic: Option<String>,
    /// Largest value of a record; a larger one cannot be taken. What a record may hold is bounded as under `remote_write`.
    #[schemars(extend("x-minimum" = "1KiB", "x-maximum" = "60MiB"))]
    pub record_bytes_max: BytesText,
    /// Most records that are with the engine at a time; `runtime.queue_requests_max` is for them and for requests together.
    #[schemars(range(min = 1, max = 65_536))]
    pub under_way_max: usize,
    /// Most bytes of records that were read and wait for the engine; beyond it nothing is read. As much again may wait in the
    /// client, and what is decoded ahead takes as much at the most.
    #[schemars(extend("x-minimum" = "1MiB", "x-maximum" = "2GiB"))]
    pub buffer_bytes_max: BytesText,
    /// Several processes share the group, each with the state of its partitions.
    pub workers: Option<RawWorkers>,
    /// How often the group is told how far reading is.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "1h"))]
    pub commit_interval: DurationText,
    /// Properties of librdkafka, which win over ours, but for those on which it rests that nothing is lost. No report shows
    /// their values.
    #[schemars(with = "BTreeMap<String, SecretText>")]
    pub properties: BTreeMap<String, Secret>,
    /// Files with the values of such properties. Relative to the folder of this file.
    pub properties_files: BTreeMap<String, String>,
}

impl Default for RawKafka {
    fn default() -> Self {
        Self {
            brokers: Vec::new(),
            topics: Vec::new(),
            group: "bellwether".to_owned(),
            instance: "bellwether".to_owned(),
            format: RawMessage::RemoteWrite,
            compression: RawCompression::None,
            precision: None,
            start: RawStart::Earliest,
            tenant_from: RawTenantFrom::Header,
            dead_letter_topic: None,
            record_bytes_max: BytesText::from_bytes(16 << 20),
            under_way_max: 32,
            buffer_bytes_max: BytesText::from_bytes(32 << 20),
            workers: None,
            commit_interval: DurationText::from_ms(5_000),
            properties: BTreeMap::new(),
            properties_files: BTreeMap::new(),
        }
    }
}

/// How processes share a group: the topic is their journal, and checkpoints are kept where all of them reach them.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "KafkaWorkers", extend("required" = ["checkpoints"]))]
pub(in crate::config) struct RawWorkers {
    /// URL of a store of objects: `file:///folder` that all workers see, or `s3://bucket/prefix`. `checkpoints.every` and
    /// `checkpoints.keep` count for each partition.
    #[schemars(example = &"s3://bellwether/checkpoints")]
    pub checkpoints: Option<String>,
    /// How the store is reached: `aws_region`, `aws_endpoint`, and so on. They win over variables of the environment, such as
    /// `AWS_REGION`. No report shows their values.
    #[schemars(with = "BTreeMap<String, SecretText>")]
    pub properties: BTreeMap<String, Secret>,
    /// A worker that is not heard of for so long is taken for dead, and others get its partitions.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "10m"))]
    pub session_timeout: DurationText,
    /// Longest wait for the last checkpoints of partitions that go to another worker; below four fifths of `session_timeout`.
    #[schemars(extend("x-minimum" = "0s", "x-maximum" = "10m"))]
    pub hand_over_max: DurationText,
}

impl Default for RawWorkers {
    fn default() -> Self {
        Self {
            checkpoints: None,
            properties: BTreeMap::new(),
            session_timeout: DurationText::from_ms(6_000),
            hand_over_max: DurationText::from_ms(4_000),
        }
    }
}

/// A topic of Kafka that gets every event.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "KafkaEvents", extend("required" = ["brokers", "topic"]))]
pub(in crate::config) struct RawKafkaEvents {
    /// Some of the brokers as `host:port`; they name the others.
    #[schemars(length(max = 100), example = ["kafka:9092"])]
    pub brokers: Vec<String>,
    /// The topic.
    #[schemars(example = &"bellwether-events")]
    pub topic: Option<String>,
    /// Key of a record: the fingerprint of the series, so that its events stay in order; the id of the episode, or of the
    /// event, for topics that are compacted.
    pub key: RawEventKey,
    /// The least severity that is produced.
    pub severity: RawSeverity,
    /// Whether events are committed in transactions, together with how far the topics of `kafka` have been taken: whoever reads
    /// what is committed sees each event once. Needs topics of the same cluster to read, and brokers of version 2.5 or newer.
    pub transactions: bool,
    /// Properties of librdkafka, which win over ours, but for those on which it rests that nothing is lost. No report shows
    /// their values.
    #[schemars(with = "BTreeMap<String, SecretText>")]
    pub properties: BTreeMap<String, Secret>,
    /// Files with the values of such properties. Relative to the folder of this file.
    pub properties_files: BTreeMap<String, String>,
}

impl Default for RawKafkaEvents {
    fn default() -> Self {
        Self {
            brokers: Vec::new(),
            topic: None,
            key: RawEventKey::Series,
            severity: RawSeverity::Info,
            transactions: false,
            properties: BTreeMap::new(),
            properties_files: BTreeMap::new(),
        }
    }
}

/// A topic of Kafka that gets the gauges.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "KafkaGauges", extend("required" = ["brokers", "topic"]))]
pub(in crate::config) struct RawKafkaGauges {
    /// Some of the brokers as `host:port`; they name the others.
    #[schemars(length(max = 100), example = ["kafka:9092"])]
    pub brokers: Vec<String>,
    /// The topic.
    #[schemars(example = &"bellwether-gauges")]
    pub topic: Option<String>,
    /// Properties of librdkafka, which win over ours, but for those on which it rests that nothing is lost. No report shows
    /// their values.
    #[schemars(with = "BTreeMap<String, SecretText>")]
    pub properties: BTreeMap<String, Secret>,
    /// Files with the values of such properties. Relative to the folder of this file.
    pub properties_files: BTreeMap<String, String>,
}

/// What the key of a record is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(in crate::config) enum RawEventKey {
    Series,
    Episode,
    Event,
}

/// How a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum RawMessage {
    RemoteWrite,
    #[serde(rename = "remote_write_2")]
    RemoteWrite2,
    Json,
    Telegraf,
    Influx,
    Otlp,
    OtlpJson,
    Arrow,
}

/// How a record is compressed by whoever produced it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(in crate::config) enum RawCompression {
    None,
    Snappy,
    Gzip,
}

impl From<RawCompression> for Compression {
    fn from(compression: RawCompression) -> Self {
        match compression {
            RawCompression::None => Self::None,
            RawCompression::Snappy => Self::Snappy,
            RawCompression::Gzip => Self::Gzip,
        }
    }
}

/// The unit of a timestamp.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(in crate::config) enum RawPrecision {
    Ns,
    Us,
    Ms,
    S,
}

impl From<RawPrecision> for Precision {
    fn from(precision: RawPrecision) -> Self {
        match precision {
            RawPrecision::Ns => Self::Nanoseconds,
            RawPrecision::Us => Self::Microseconds,
            RawPrecision::Ms => Self::Milliseconds,
            RawPrecision::S => Self::Seconds,
        }
    }
}

/// Where a partition begins.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(in crate::config) enum RawStart {
    Earliest,
    Latest,
}

/// What names the tenant of a record.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(in crate::config) enum RawTenantFrom {
    Header,
    Key,
}
