//! Alerting, as it is written.

use bellwether_connect::sink::alertmanager::AlertmanagerOptions;
use bellwether_engine::Budget;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RawEndpoint;
use crate::config::text::DurationText;

/// How many alerts there may be, and where they go.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Alerting")]
pub(in crate::config) struct RawAlerting {
    /// How many false alarms may be raised; firing thresholds follow from it.
    pub budget: RawBudget,
    /// How often a firing alert is sent again.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1h"))]
    pub resend_interval: DurationText,
    /// How long a resolved alert is sent again, for an Alertmanager that was away.
    #[schemars(extend("x-minimum" = "1m", "x-maximum" = "1d"))]
    pub resolved_keep: DurationText,
    /// Most alerts that one Alertmanager is kept informed of, firing and lately resolved. Beyond it the oldest is given up, resolved
    /// ones first.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub alerts_max: usize,
    /// Every Alertmanager gets every alert. URLs may have a path prefix.
    #[schemars(length(max = 16))]
    pub alertmanagers: Vec<RawEndpoint>,
}

impl Default for RawAlerting {
    fn default() -> Self {
        let options = AlertmanagerOptions::default();
        Self {
            budget: RawBudget::default(),
            resend_interval: DurationText::from_ms(options.resend_ms),
            resolved_keep: DurationText::from_ms(options.resolved_keep_ms),
            alerts_max: options.alerts_max,
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
    /// Most alerts a day, of each tenant where there are tenants; what happens beyond it stays an event.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub cap_per_day: u32,
}

impl Default for RawBudget {
    fn default() -> Self {
        let Budget { per_day, per_series_per_day, cap_per_day } = Budget::default();
        Self { per_day, per_series_per_day, cap_per_day }
    }
}
