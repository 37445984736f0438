//! Alerting and logging, as they are written.

use bellwether_connect::Secret;
use bellwether_connect::sink::alertmanager::AlertmanagerOptions;
use bellwether_engine::Budget;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::text::{DurationText, SecretText};

/// How many alerts there may be, and where they go.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Alerting")]
pub(in crate::config) struct RawAlerting {
    /// How many false alarms may be raised; firing thresholds follow from it.
    pub budget: RawBudget,
    /// How often a firing alert is sent again.
    pub resend_interval: DurationText,
    /// How long a resolved alert is sent again, for an Alertmanager that was away.
    pub resolved_keep: DurationText,
    /// Every Alertmanager gets every alert. Without one, anomalies are only printed and served.
    #[schemars(length(max = 16))]
    pub alertmanagers: Vec<RawAlertmanager>,
}

impl Default for RawAlerting {
    fn default() -> Self {
        let options = AlertmanagerOptions::default();
        Self {
            budget: RawBudget::default(),
            resend_interval: DurationText::from_ms(options.resend_ms),
            resolved_keep: DurationText::from_ms(options.resolved_keep_ms),
            alertmanagers: Vec::new(),
        }
    }
}

/// How many false alarms may be raised; firing thresholds follow from it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Budget")]
#[expect(clippy::struct_field_names, reason = "these are the keys of the file")]
pub(in crate::config) struct RawBudget {
    /// False alarms a day, all series together. 0.2 is one in five days.
    #[schemars(range(min = 0.0001, max = 1_000_000.0))]
    pub per_day: f64,
    /// False alarms a day and series.
    #[schemars(range(min = 0.000_001, max = 1000.0))]
    pub per_series_per_day: f64,
    /// Most alerts a day; what happens beyond it stays an event.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub cap_per_day: u32,
}

impl Default for RawBudget {
    fn default() -> Self {
        let Budget { per_day, per_series_per_day, cap_per_day } = Budget::default();
        Self { per_day, per_series_per_day, cap_per_day }
    }
}

/// One Alertmanager.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Alertmanager")]
pub(in crate::config) struct RawAlertmanager {
    /// Its URL, with the path prefix if it has one.
    #[schemars(required, example = &"http://alertmanager-0:9093")]
    pub url: Option<String>,
    /// User name and password to log in with.
    pub basic_auth: Option<RawBasicAuth>,
    /// Token to log in with, instead of `basic_auth`.
    #[schemars(with = "Option<SecretText>")]
    pub bearer_token: Option<Secret>,
    /// File that holds the token. Relative to the folder of this file; read again on reload.
    #[schemars(example = &"/etc/bellwether/token")]
    pub bearer_token_file: Option<String>,
}

/// User name and password.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "BasicAuth")]
pub(in crate::config) struct RawBasicAuth {
    /// The user name.
    #[schemars(required, example = &"bellwether")]
    pub username: Option<String>,
    /// The password.
    #[schemars(with = "Option<SecretText>")]
    pub password: Option<Secret>,
    /// File that holds the password. Relative to the folder of this file; read again on reload.
    #[schemars(example = &"/etc/bellwether/password")]
    pub password_file: Option<String>,
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
    /// Print each change of an alert on standard output.
    pub anomalies: bool,
}

impl Default for RawLog {
    fn default() -> Self {
        Self { format: RawLogFormat::Text, level: RawLogLevel::Info, anomalies: true }
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
