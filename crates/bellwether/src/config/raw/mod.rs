//! The configuration file as it is written: every key, its default and its description.
//!
//! The JSON Schema is derived from these structs, and the file is checked against that schema, so the
//! ranges that stand here hold. What the schema cannot say is checked in [`super::build`].

mod alerting;
mod rules;

use bellwether_connect::http::ServerLimits;
use bellwether_engine::{Ordering, SeriesLimits};
use bellwether_series::LabelLimits;
use bellwether_wire::remote_write::Limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use alerting::{
    RawAlerting, RawAlertmanager, RawBasicAuth, RawLog, RawLogFormat, RawLogLevel,
};
pub(super) use rules::{
    RawAlert, RawDefaultAlert, RawDefaultDeviation, RawDefaults, RawDetector, RawDeviation, RawRule,
};

use super::text::{BytesText, DurationText};

/// Configuration of bellwether. Every key is optional.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Config")]
pub(super) struct RawConfig {
    /// The HTTP server: receiver, API and health.
    pub server: RawServer,
    /// Folder for everything that must survive a restart. Relative to the working directory.
    pub data_dir: String,
    /// Bounds on one remote-write request, checked before memory is taken.
    pub remote_write: RawRemoteWrite,
    /// Bounds on the labels of one series.
    pub labels: RawLabels,
    /// Bounds on series.
    pub series: RawSeries,
    /// Order of samples within a series.
    pub ordering: RawOrdering,
    /// Threads and queues.
    pub runtime: RawRuntime,
    /// Which series are watched.
    pub signals: RawSignals,
    /// What rules inherit, and how series are judged that no rule matches.
    pub defaults: RawDefaults,
    /// How particular series are judged. The first rule that matches a series is its rule.
    #[schemars(length(max = 1000))]
    pub rules: Vec<RawRule>,
    /// How many alerts there may be, and where they go.
    pub alerting: RawAlerting,
    /// What is logged, and how.
    pub log: RawLog,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            server: RawServer::default(),
            data_dir: "./bellwether-data".to_owned(),
            remote_write: RawRemoteWrite::default(),
            labels: RawLabels::default(),
            series: RawSeries::default(),
            ordering: RawOrdering::default(),
            runtime: RawRuntime::default(),
            signals: RawSignals::default(),
            defaults: RawDefaults::default(),
            rules: Vec::new(),
            alerting: RawAlerting::default(),
            log: RawLog::default(),
        }
    }
}

/// The HTTP server: receiver, API and health.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Server")]
pub(super) struct RawServer {
    /// Address and port to listen on.
    #[schemars(example = &"127.0.0.1:2355", example = &"0.0.0.0:2355")]
    pub listen: String,
    /// URL under which people reach this server; alerts link to it. Without it, the address it listens on.
    #[schemars(example = &"http://bellwether.example:2355")]
    pub external_url: Option<String>,
    /// Most connections at a time.
    #[schemars(range(min = 1, max = 100_000))]
    pub connections_max: usize,
}

impl Default for RawServer {
    fn default() -> Self {
        let ServerLimits { connections_max, .. } = ServerLimits::default();
        Self { listen: "127.0.0.1:2355".to_owned(), external_url: None, connections_max }
    }
}

/// Bounds on one remote-write request, checked before memory is taken.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "RemoteWrite")]
#[expect(clippy::struct_field_names, reason = "these are the keys of the file")]
pub(super) struct RawRemoteWrite {
    /// Largest body as received, compressed.
    pub body_bytes_max: BytesText,
    /// Largest body once decompressed.
    pub decoded_bytes_max: BytesText,
    /// Most series.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub series_max: usize,
    /// Most samples.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub samples_max: usize,
    /// Most protobuf objects of any kind: series, labels, samples, exemplars, histograms.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub objects_max: usize,
}

impl Default for RawRemoteWrite {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            body_bytes_max: BytesText::from_bytes(limits.body_bytes_max as u64),
            decoded_bytes_max: BytesText::from_bytes(limits.decoded_bytes_max as u64),
            series_max: limits.series_max,
            samples_max: limits.samples_max,
            objects_max: limits.objects_max,
        }
    }
}

/// Bounds on the labels of one series.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Labels")]
#[expect(clippy::struct_field_names, reason = "these are the keys of the file")]
pub(super) struct RawLabels {
    /// Most labels.
    #[schemars(range(min = 1, max = 1024))]
    pub labels_max: usize,
    /// Longest label name.
    pub name_bytes_max: BytesText,
    /// Longest label value.
    pub value_bytes_max: BytesText,
    /// Most bytes of all names and values together.
    pub total_bytes_max: BytesText,
}

impl Default for RawLabels {
    fn default() -> Self {
        let LabelLimits { labels_max, name_bytes_max, value_bytes_max, total_bytes_max } =
            LabelLimits::default();
        Self {
            labels_max,
            name_bytes_max: BytesText::from_bytes(name_bytes_max as u64),
            value_bytes_max: BytesText::from_bytes(value_bytes_max as u64),
            total_bytes_max: BytesText::from_bytes(total_bytes_max as u64),
        }
    }
}

/// Bounds on series.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Series")]
pub(super) struct RawSeries {
    /// Most series known at a time, watched or not; further ones are refused.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub active_max: usize,
    /// A series from which nothing was received for this long is forgotten.
    pub time_to_live: DurationText,
    /// Most metric families whose metadata is remembered.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub metadata_max: usize,
}

impl Default for RawSeries {
    fn default() -> Self {
        let limits = SeriesLimits::default();
        Self {
            active_max: limits.active_max,
            time_to_live: DurationText::from_ms(limits.time_to_live_ms),
            metadata_max: limits.metadata_max,
        }
    }
}

/// Order of samples within a series.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Ordering")]
pub(super) struct RawOrdering {
    /// How far behind the newest sample of its series a sample may arrive. `0s` takes samples in order only;
    /// above it every sample is held back for this long.
    pub lateness: DurationText,
    /// How far ahead of its receipt a sample may be before it is refused.
    pub future_max: DurationText,
    /// Most samples held back per series while `lateness` is above `0s`.
    #[schemars(range(min = 1, max = 10_000))]
    pub held_samples_max: usize,
}

impl Default for RawOrdering {
    fn default() -> Self {
        let Ordering { lateness_ms, future_max_ms, held_samples_max } = Ordering::default();
        Self {
            lateness: DurationText::from_ms(lateness_ms),
            future_max: DurationText::from_ms(future_max_ms),
            held_samples_max,
        }
    }
}

/// Threads and queues.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Runtime")]
pub(super) struct RawRuntime {
    /// Threads that judge series; 0 is one per core. Results do not depend on it.
    #[schemars(range(min = 0, max = 64))]
    pub shards: usize,
    /// Most requests waiting to be judged; when they are that many, senders are told to come back.
    #[schemars(range(min = 1, max = 65_536))]
    pub queue_requests_max: usize,
}

impl Default for RawRuntime {
    fn default() -> Self {
        Self { shards: 0, queue_requests_max: 64 }
    }
}

/// Which series are watched: those that some `include` matches and no `exclude` does.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Signals")]
pub(super) struct RawSignals {
    /// PromQL selectors of series to watch; none means every series.
    #[schemars(length(max = 1000), example = ["{job=\"node\"}"])]
    pub include: Vec<String>,
    /// PromQL selectors of series not to watch, whatever `include` says.
    #[schemars(length(max = 1000), example = ["{__name__=~\"go_.*\"}"])]
    pub exclude: Vec<String>,
}
