//! What the engine says about itself: self-alerts and logs, as they are written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::text::DurationText;

/// When the engine raises an alert about itself.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Health")]
pub(in crate::config) struct RawHealth {
    /// How long health must be degraded or critical before the alert `BellwetherHealth` is raised.
    #[schemars(extend("x-minimum" = "0s", "x-maximum" = "1d"))]
    pub alert_after: DurationText,
    /// Most changes of health that `/health?history=1` remembers.
    #[schemars(range(min = 1, max = 100_000))]
    pub history_max: usize,
}

impl Default for RawHealth {
    fn default() -> Self {
        Self { alert_after: DurationText::from_ms(60_000), history_max: 1000 }
    }
}

/// What is logged, and how.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Log")]
pub(in crate::config) struct RawLog {
    /// Lines for people or JSON objects for machines; both on standard error.
    pub format: RawLogFormat,
    /// The least important messages that are logged.
    pub level: RawLogLevel,
    /// Most messages that wait for whoever reads standard error; beyond it messages are lost, and counted.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub messages_max: usize,
}

impl Default for RawLog {
    fn default() -> Self {
        Self { format: RawLogFormat::Text, level: RawLogLevel::Info, messages_max: 10_000 }
    }
}

/// How log messages are written.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(in crate::config) enum RawLogFormat {
    Text,
    Json,
}

/// Importance of log messages.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(in crate::config) enum RawLogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}
