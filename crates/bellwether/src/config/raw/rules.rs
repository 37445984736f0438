//! Rules, and what they inherit, as they are written.

use bellwether_detect::Direction;
use bellwether_engine::AlertPolicy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RawDetector;
use crate::config::text::DurationText;

/// What rules inherit, and how series are judged that no rule matches.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Defaults")]
pub(in crate::config) struct RawDefaults {
    /// The detectors that judge a series.
    #[schemars(length(min = 1, max = 16))]
    pub detectors: Vec<RawDetector>,
    /// The smallest departure that counts.
    pub min_deviation: RawDefaultDeviation,
    /// The side of the expected value on which departures count.
    pub direction: RawDirection,
    /// When an anomaly becomes an alert and when that is over.
    pub alert: RawDefaultAlert,
}

impl Default for RawDefaults {
    fn default() -> Self {
        Self {
            detectors: RawDetector::defaults(),
            min_deviation: RawDefaultDeviation::default(),
            direction: RawDirection::Both,
            alert: RawDefaultAlert::default(),
        }
    }
}

/// The smallest departure that counts: the larger of both.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "DefaultDeviation")]
pub(in crate::config) struct RawDefaultDeviation {
    /// In the unit of the signal.
    #[schemars(range(min = 0.0))]
    pub absolute: f64,
    /// As a share of the expected value.
    #[schemars(range(min = 0.0))]
    pub relative: f64,
}

impl Default for RawDefaultDeviation {
    fn default() -> Self {
        let (absolute, relative) = bellwether_detect::MinDeviation::default().into();
        Self { absolute, relative }
    }
}

/// When an anomaly becomes an alert and when that is over.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "DefaultAlert")]
pub(in crate::config) struct RawDefaultAlert {
    /// How long, in event time, the anomaly must last before the alert fires.
    #[schemars(extend("x-minimum" = "0s", "x-maximum" = "1d"))]
    pub r#for: DurationText,
    /// How long the series must behave before the alert is resolved.
    #[schemars(extend("x-minimum" = "0s", "x-maximum" = "1w"))]
    pub keep_firing_for: DurationText,
    /// How much the series matter; shifts severity by a step.
    pub importance: RawImportance,
}

impl Default for RawDefaultAlert {
    fn default() -> Self {
        let policy = AlertPolicy::default();
        Self {
            r#for: DurationText::from_ms(policy.for_ms),
            keep_firing_for: DurationText::from_ms(policy.keep_firing_for_ms),
            importance: RawImportance::Normal,
        }
    }
}

/// How a set of series is judged and alerted on. What it leaves out comes from `defaults`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Rule")]
pub(in crate::config) struct RawRule {
    /// Name of the rule and of its alerts (`alertname`); unique.
    #[schemars(required, length(min = 1, max = 200), example = &"CheckoutLatency")]
    pub name: Option<String>,
    /// PromQL selector of the series that it is about.
    #[schemars(
        required,
        example = &"{__name__=\"http_request_duration_seconds\", service=\"checkout\"}"
    )]
    #[schemars(extend("x-type" = "selector"))]
    pub r#match: Option<String>,
    /// The detectors that judge them.
    #[schemars(length(min = 1, max = 16))]
    pub detectors: Option<Vec<RawDetector>>,
    /// The smallest departure that counts.
    pub min_deviation: Option<RawDeviation>,
    /// The side of the expected value on which departures count.
    pub direction: Option<RawDirection>,
    /// When an anomaly becomes an alert and when that is over.
    pub alert: Option<RawAlert>,
}

/// The smallest departure that counts: the larger of both.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Deviation")]
pub(in crate::config) struct RawDeviation {
    /// In the unit of the signal.
    #[schemars(range(min = 0.0))]
    pub absolute: Option<f64>,
    /// As a share of the expected value.
    #[schemars(range(min = 0.0))]
    pub relative: Option<f64>,
}

/// When an anomaly becomes an alert and when that is over.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Alert")]
pub(in crate::config) struct RawAlert {
    /// How long, in event time, the anomaly must last before the alert fires.
    #[schemars(extend("x-minimum" = "0s", "x-maximum" = "1d"))]
    pub r#for: Option<DurationText>,
    /// How long the series must behave before the alert is resolved.
    #[schemars(extend("x-minimum" = "0s", "x-maximum" = "1w"))]
    pub keep_firing_for: Option<DurationText>,
    /// How much the rule's series matter; shifts severity by a step.
    pub importance: Option<RawImportance>,
}

/// The side of the expected value on which departures count.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(in crate::config) enum RawDirection {
    Both,
    Up,
    Down,
}

impl From<RawDirection> for Direction {
    fn from(direction: RawDirection) -> Self {
        match direction {
            RawDirection::Both => Self::Both,
            RawDirection::Up => Self::Up,
            RawDirection::Down => Self::Down,
        }
    }
}

/// How much series matter.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(in crate::config) enum RawImportance {
    Low,
    Normal,
    High,
}

impl From<RawImportance> for bellwether_engine::Importance {
    fn from(importance: RawImportance) -> Self {
        match importance {
            RawImportance::Low => Self::Low,
            RawImportance::Normal => Self::Normal,
            RawImportance::High => Self::High,
        }
    }
}
