//! The configuration file as it is written: every key, its default and its description.
//!
//! The JSON Schema is derived from these structs, and the file is checked against that schema, so the
//! ranges that stand here hold. What the schema cannot say is checked in [`super::build`].

mod alerting;
mod calendar;
mod deep;
mod detectors;
mod durability;
mod endpoint;
mod gateway;
mod gauges;
mod ha;
mod health;
mod kafka;
mod preset;
mod rules;
mod server;
mod sinks;
mod tenants;
mod web;

use bellwether_connect::source::receiver::ReceiverOptions;
use bellwether_engine::{Ordering, SeriesLimits};
use bellwether_runtime::TENANT_UNDER_WAY;
use bellwether_runtime::cold::ColdOptions;
use bellwether_series::LabelLimits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use alerting::RawAlerting;
pub(super) use calendar::{RawCalendar, RawMaintenance, RawTimeInterval, RawTimeRange};
pub(super) use deep::{RawDeep, RawGroupRule, RawGroups};
pub(super) use detectors::{RawApproach, RawDetector};
pub(super) use durability::{RawCheckpoints, RawJournal, RawSync};
pub(super) use endpoint::{RawAuthorization, RawBasicAuth, RawClient, RawEndpoint, RawTlsConfig};
pub(super) use gateway::RawGateway;
pub(super) use gauges::RawGauges;
pub(super) use ha::RawHa;
pub(super) use health::{RawHealth, RawLog, RawLogFormat, RawLogLevel};
#[cfg(feature = "kafka")]
pub(super) use kafka::{
    RawCompression, RawEventKey, RawMessage, RawStart, RawTenantFrom, RawWorkers,
};
pub(super) use kafka::{RawKafka, RawKafkaEvents, RawKafkaGauges};
pub(super) use preset::{RawPreset, RawPresets};
pub(super) use rules::{RawAlert, RawDefaultDeviation, RawDefaults, RawDeviation, RawRule};
pub(super) use server::RawServer;
pub(super) use sinks::{RawEventLog, RawJsonLines, RawSinks, RawWebhook};
pub(super) use tenants::{RawTenant, RawTenants};
pub(super) use web::{
    RawClientAuthType, RawHttpHeaders, RawRate, RawTlsServer, RawTlsVersion, RawWeb,
};

use super::text::{BytesText, DurationText};

/// Configuration of bellwether. Every key is optional.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Config")]
pub(super) struct RawConfig {
    /// Rules that come with bellwether: one preset or a list of them. Theirs come after those under `rules`, so
    /// yours win; a rule of yours with the name of theirs replaces it. `bellwether presets` lists and prints them.
    pub preset: RawPresets,
    /// The HTTP server: receiver, API and health.
    pub server: RawServer,
    /// Folder for everything that must survive a restart. `--data-dir` on the command line wins. Unlike `*_file`
    /// keys it is relative to the working directory.
    #[schemars(extend("x-type" = "path"))]
    pub data_dir: String,
    /// The journal in the data folder: every record, on disk before it is acknowledged.
    pub journal: RawJournal,
    /// Checkpoints in the data folder: all that was learned, so that a restart goes on from there.
    pub checkpoints: RawCheckpoints,
    /// Bounds on one request of remote write or OpenTelemetry that is received, checked before memory is taken. A request beyond one
    /// of them is refused as a whole.
    pub remote_write: RawRemoteWrite,
    /// Topics of Kafka that are read, besides what is received. Without this key none is.
    pub kafka: Option<RawKafka>,
    /// The topic that `bellwether gateway` produces to what it receives; no other command looks at it. What a gateway needs besides
    /// are `server`, `remote_write`, `tenants`, `ha`, `groups`, `labels` and `ordering`, as the workers have them: give both the same file.
    pub gateway: Option<RawGateway>,
    /// Bounds on the labels of one series. A series beyond one of them is refused; the others of its request are
    /// taken.
    pub labels: RawLabels,
    /// Bounds on series.
    pub series: RawSeries,
    /// Tenants: whose series are whose, and how much each may have. Off until `header` says which header names the tenant of a
    /// request; everything is of one then.
    pub tenants: RawTenants,
    /// Highly available pairs: senders that write the same series under labels of their own. One replica of each cluster is
    /// elected; what the others send is counted and left out.
    pub ha: RawHa,
    /// Order of samples within a series.
    pub ordering: RawOrdering,
    /// Threads and queues.
    pub runtime: RawRuntime,
    /// Which series are watched: those that some selector of `include` matches (all, if there is none) and no
    /// selector of `exclude` does.
    pub signals: RawSignals,
    /// The calendar of the people whose work gives signals their rhythm.
    pub calendar: RawCalendar,
    /// The detectors of the deep tier: how many series they judge.
    pub deep: RawDeep,
    /// Which series are judged together.
    pub groups: RawGroups,
    /// What rules inherit, and how series are judged that no rule matches. The alerts of those are called
    /// `MetricAnomaly`. A detector is named by its key: `- zscore: {}`, or with parameters
    /// `- zscore: { window: 720, robust: true }`; parameters left out have their own defaults, in rules too.
    pub defaults: RawDefaults,
    /// How particular series are judged. The first rule that matches a series is its rule, so the order counts.
    /// What a rule leaves out comes from `defaults`, key by key; only `detectors` is replaced as a whole. `MetricAnomaly`,
    /// `GroupAnomaly`, `BellwetherAlertCap` and `BellwetherHealth` are names of bellwether's own.
    #[schemars(length(max = 1000))]
    pub rules: Vec<RawRule>,
    /// How many alerts there may be, and which Alertmanagers hear of them. The budget is the one knob for noise:
    /// firing thresholds follow from it.
    pub alerting: RawAlerting,
    /// What was expected of series and how surprising they were, as metrics: on `GET /metrics` and by remote write.
    pub gauges: RawGauges,
    /// Where events go besides Alertmanager: one for each change of an alert. A sink that fails holds up nobody.
    pub sinks: RawSinks,
    /// When the engine raises an alert about itself.
    pub health: RawHealth,
    /// What is logged on standard error, and how.
    pub log: RawLog,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            preset: RawPresets::default(),
            server: RawServer::default(),
            data_dir: "./bellwether-data".to_owned(),
            journal: RawJournal::default(),
            checkpoints: RawCheckpoints::default(),
            remote_write: RawRemoteWrite::default(),
            kafka: None,
            gateway: None,
            labels: RawLabels::default(),
            series: RawSeries::default(),
            tenants: RawTenants::default(),
            ha: RawHa::default(),
            ordering: RawOrdering::default(),
            runtime: RawRuntime::default(),
            signals: RawSignals::default(),
            calendar: RawCalendar::default(),
            deep: RawDeep::default(),
            groups: RawGroups::default(),
            defaults: RawDefaults::default(),
            rules: Vec::new(),
            alerting: RawAlerting::default(),
            gauges: RawGauges::default(),
            sinks: RawSinks::default(),
            health: RawHealth::default(),
            log: RawLog::default(),
        }
    }
}

/// Bounds on one request of remote write or OpenTelemetry, checked before memory is taken, and how overload is answered.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "RemoteWrite")]
pub(super) struct RawRemoteWrite {
    /// Largest body as received, compressed. What the journal takes is a little more than the most that can stand here.
    #[schemars(extend("x-minimum" = "1KiB", "x-maximum" = "60MiB"))]
    pub body_bytes_max: BytesText,
    /// Largest body once decompressed.
    #[schemars(extend("x-minimum" = "1KiB", "x-maximum" = "1GiB"))]
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
    /// Most bodies that are decoded at a time; 0 is twice the cores. Beyond it senders are told to come back.
    #[schemars(range(min = 0, max = 10_000))]
    pub decodes_max: usize,
    /// Most memory of all bodies that are read, decoded or wait to be judged; one body of the largest size is always taken. 0 is
    /// `body_bytes_max` and `decoded_bytes_max` together, times the bodies that are decoded at a time. Beyond it senders are told
    /// to come back.
    #[schemars(extend("x-minimum" = "0", "x-maximum" = "1TiB"))]
    pub bodies_bytes_max: BytesText,
    /// How long an answer 503 is held back, so that senders that mind no `Retry-After` leave time for the others.
    #[schemars(extend("x-minimum" = "0s", "x-maximum" = "10s"))]
    pub refusal_delay: DurationText,
}

impl Default for RawRemoteWrite {
    fn default() -> Self {
        let ReceiverOptions { limits, refusal_delay, .. } = ReceiverOptions::default();
        Self {
            body_bytes_max: BytesText::from_bytes(limits.body_bytes_max as u64),
            decoded_bytes_max: BytesText::from_bytes(limits.decoded_bytes_max as u64),
            series_max: limits.series_max,
            samples_max: limits.samples_max,
            objects_max: limits.objects_max,
            decodes_max: 0,
            bodies_bytes_max: BytesText::from_bytes(0),
            refusal_delay: DurationText::from_ms(refusal_delay.as_millis() as i64),
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
    #[schemars(extend("x-minimum" = "8", "x-maximum" = "64KiB"))]
    pub name_bytes_max: BytesText,
    /// Longest label value.
    #[schemars(extend("x-minimum" = "8", "x-maximum" = "1MiB"))]
    pub value_bytes_max: BytesText,
    /// Most bytes of all names and values together.
    #[schemars(extend("x-minimum" = "64", "x-maximum" = "1MiB"))]
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
    /// Most series known at a time, watched or not; further ones are refused. Those that were silent and come back may be a
    /// tenth more.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub active_max: usize,
    /// Most series of one metric name known at a time, of each tenant; further ones are refused. 0 is no limit.
    #[schemars(range(min = 0, max = 100_000_000))]
    pub per_metric_max: usize,
    /// A series from which nothing was received for this long is forgotten.
    #[schemars(extend("x-minimum" = "1m", "x-maximum" = "1y"))]
    pub time_to_live: DurationText,
    /// A series from which nothing was received for this long leaves memory, and comes back as it was. It no longer counts
    /// against `active_max`. As long as `time_to_live` or longer: none does.
    #[schemars(extend("x-minimum" = "1m", "x-maximum" = "1y"))]
    pub idle_after: DurationText,
    /// Most series out of memory at a time; beyond it those that were silent for longest are forgotten.
    #[schemars(range(min = 0, max = 100_000_000))]
    pub cold_max: usize,
    /// Most bytes of the states of series that are out of memory; beyond it those that left first are forgotten.
    #[schemars(extend("x-minimum" = "0", "x-maximum" = "100TiB"))]
    pub cold_bytes_max: BytesText,
    /// Most bytes of states that wait in memory while the disk refuses those of series that leave memory; beyond it these series begin
    /// anew when they come back.
    #[schemars(extend("x-minimum" = "1MiB", "x-maximum" = "1TiB"))]
    pub cold_waiting_bytes_max: BytesText,
    /// Most metric families whose metadata is remembered, of each tenant.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub metadata_max: usize,
}

impl Default for RawSeries {
    fn default() -> Self {
        let (limits, cold) = (SeriesLimits::default(), ColdOptions::default());
        Self {
            active_max: limits.active_max,
            per_metric_max: limits.per_metric_max,
            time_to_live: DurationText::from_ms(limits.time_to_live_ms),
            idle_after: DurationText::from_ms(limits.idle_after_ms),
            cold_max: limits.cold_max,
            cold_bytes_max: BytesText::from_bytes(limits.cold_bytes_max),
            cold_waiting_bytes_max: BytesText::from_bytes(cold.waiting_bytes_max as u64),
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
    #[schemars(extend("x-minimum" = "0s", "x-maximum" = "1h"))]
    pub lateness: DurationText,
    /// How far ahead of its receipt a sample may be before it is refused.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1w"))]
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
    /// Where there are tenants: most requests of one that are on their way to the threads that judge. Further ones of that tenant
    /// wait where they hold up no other; whoever comes waits for so many of each other tenant.
    #[schemars(range(min = 1, max = 64))]
    pub tenant_under_way_max: usize,
}

impl Default for RawRuntime {
    fn default() -> Self {
        Self { shards: 0, queue_requests_max: 64, tenant_under_way_max: TENANT_UNDER_WAY }
    }
}

/// Which series are watched: those that some `include` matches and no `exclude` does.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Signals")]
pub(super) struct RawSignals {
    /// PromQL selectors of series to watch; none means every series.
    #[schemars(length(max = 1000), example = ["{job=\"node\"}"])]
    #[schemars(extend("x-type" = "list of selectors"))]
    pub include: Vec<String>,
    /// PromQL selectors of series not to watch, whatever `include` says.
    #[schemars(length(max = 1000), example = ["{__name__=~\"go_.*\"}"])]
    #[schemars(extend("x-type" = "list of selectors"))]
    pub exclude: Vec<String>,
}
