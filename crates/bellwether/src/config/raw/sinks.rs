//! Sinks of events, as they are written.

use bellwether_connect::Secret;
use bellwether_detect::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RawAuthorization, RawBasicAuth, RawKafkaEvents, RawTlsConfig};
use crate::config::StdoutFormat;
use crate::config::text::{BytesText, DurationText, SecretText};

/// Where events go besides Alertmanager.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Sinks")]
pub(in crate::config) struct RawSinks {
    /// Most events that wait for one sink; beyond it events are lost to that sink, and counted.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub queue_events_max: usize,
    /// Events on standard output: lines for people, JSON objects for machines, or none.
    pub stdout: RawStdout,
    /// Events as JSON objects, one a line, in a file that is rotated. Off without this key; `json_lines: {}` is
    /// enough to have it.
    pub json_lines: Option<RawJsonLines>,
    /// Events as Parquet files, a folder for each day; `bellwether report` reads them.
    pub event_log: RawEventLog,
    /// Servers that get each event as a POST of JSON.
    #[schemars(length(max = 8))]
    pub webhooks: Vec<RawWebhook>,
    /// A topic of Kafka that gets each event as JSON. Off without this key.
    pub kafka: Option<RawKafkaEvents>,
}

impl Default for RawSinks {
    fn default() -> Self {
        Self {
            queue_events_max: 10_000,
            stdout: RawStdout::Text,
            json_lines: None,
            event_log: RawEventLog::default(),
            webhooks: Vec::new(),
            kafka: None,
        }
    }
}

/// How events are written to standard output.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(in crate::config) enum RawStdout {
    Text,
    Json,
    Off,
}

impl From<RawStdout> for StdoutFormat {
    fn from(stdout: RawStdout) -> Self {
        match stdout {
            RawStdout::Text => Self::Text,
            RawStdout::Json => Self::Json,
            RawStdout::Off => Self::Off,
        }
    }
}

/// A file of JSON lines.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "JsonLines")]
pub(in crate::config) struct RawJsonLines {
    /// The file. Relative to `data_dir`.
    #[schemars(extend("x-type" = "path"))]
    pub path: String,
    /// A file that has grown this large is put aside and a new one begun.
    #[schemars(extend("x-minimum" = "64KiB", "x-maximum" = "64GiB"))]
    pub rotate_bytes: BytesText,
    /// Most files, the one that is written included; the oldest is deleted.
    #[schemars(range(min = 1, max = 1000))]
    pub files_max: usize,
}

impl Default for RawJsonLines {
    fn default() -> Self {
        Self {
            path: "events.jsonl".to_owned(),
            rotate_bytes: BytesText::from_bytes(100 << 20),
            files_max: 10,
        }
    }
}

/// A folder of Parquet files.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "EventLog")]
pub(in crate::config) struct RawEventLog {
    /// Whether it is written.
    pub enabled: bool,
    /// The folder. Relative to `data_dir`.
    #[schemars(extend("x-type" = "path"))]
    pub path: String,
    /// How often what has come in is written out, and can be read.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "1h"))]
    pub flush_interval: DurationText,
    /// Days older than this are deleted.
    #[schemars(extend("x-minimum" = "1d", "x-maximum" = "100y"))]
    pub keep: DurationText,
}

impl Default for RawEventLog {
    fn default() -> Self {
        Self {
            enabled: true,
            path: "events".to_owned(),
            flush_interval: DurationText::from_ms(60_000),
            keep: DurationText::from_ms(90 * 86_400_000),
        }
    }
}

/// A server that gets each event as a POST of JSON.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Webhook", extend("required" = ["url"]))]
pub(in crate::config) struct RawWebhook {
    /// Its `http` or `https` URL, without user name and password; used as it stands. Many such URLs are secrets, so
    /// it is shown in no report.
    #[schemars(example = &"https://hooks.example/bellwether", extend("writeOnly" = true))]
    #[schemars(extend("x-type" = "URL"))]
    pub url: Option<String>,
    /// Key that time and body of each request are signed with (HMAC-SHA-256). Without one they are not signed.
    #[schemars(with = "Option<SecretText>")]
    pub secret: Option<Secret>,
    /// File that holds the key. Relative to the folder of this file.
    #[schemars(example = &"/etc/bellwether/webhook-key")]
    #[schemars(extend("x-type" = "path"))]
    pub secret_file: Option<String>,
    /// The least severity that is posted.
    pub severity: RawSeverity,
    /// How long one request may take.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "5m"))]
    pub timeout: DurationText,
    /// An event that could not be delivered for this long is dropped and counted.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1w"))]
    pub give_up_after: DurationText,
    /// User name and password to log in with.
    pub basic_auth: Option<RawBasicAuth>,
    /// Token to log in with, instead of `basic_auth`.
    #[schemars(with = "Option<SecretText>")]
    pub bearer_token: Option<Secret>,
    /// File that holds the token. Relative to the folder of this file.
    #[schemars(example = &"/etc/bellwether/token")]
    #[schemars(extend("x-type" = "path"))]
    pub bearer_token_file: Option<String>,
    /// What is sent as `Authorization`, instead of both: of another scheme than Bearer, say.
    pub authorization: Option<RawAuthorization>,
    /// Of an `https` URL, whom to trust and who we are.
    pub tls_config: Option<RawTlsConfig>,
    /// `http` or `https` URL of a proxy, without user name and password. None is used without it, whatever the
    /// environment says.
    #[schemars(example = &"http://proxy:3128")]
    #[schemars(extend("x-type" = "URL"))]
    pub proxy_url: Option<String>,
}

impl Default for RawWebhook {
    fn default() -> Self {
        Self {
            url: None,
            secret: None,
            secret_file: None,
            severity: RawSeverity::Warning,
            timeout: DurationText::from_ms(10_000),
            give_up_after: DurationText::from_ms(3_600_000),
            basic_auth: None,
            bearer_token: None,
            bearer_token_file: None,
            authorization: None,
            tls_config: None,
            proxy_url: None,
        }
    }
}

/// How much an event matters.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(in crate::config) enum RawSeverity {
    Info,
    Warning,
    Critical,
}

impl From<RawSeverity> for Severity {
    fn from(severity: RawSeverity) -> Self {
        match severity {
            RawSeverity::Info => Self::Info,
            RawSeverity::Warning => Self::Warning,
            RawSeverity::Critical => Self::Critical,
        }
    }
}
