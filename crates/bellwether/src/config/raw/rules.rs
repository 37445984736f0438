//! Rules, and what they inherit, as they are written.

use bellwether_detect::{Direction, iqr, seasonal, zscore};
use bellwether_engine::AlertPolicy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// One detector with its parameters, named by its key.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
#[schemars(rename = "Detector")]
pub(in crate::config) struct RawDetector {
    /// Departure from a running mean, or from a running median in the robust form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zscore: Option<RawZscore>,
    /// Departure from the quartiles of a sliding window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iqr: Option<RawIqr>,
    /// Departure from an hour-of-day and hour-of-week profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seasonal: Option<RawSeasonal>,
}

impl RawDetector {
    /// One entry for each detector that a rule runs when it names none.
    fn defaults() -> Vec<Self> {
        let none = Self::default;
        vec![
            Self { zscore: Some(RawZscore::default()), ..none() },
            Self { iqr: Some(RawIqr::default()), ..none() },
            Self { seasonal: Some(RawSeasonal::default()), ..none() },
        ]
    }
}

/// Parameters of `zscore`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Zscore")]
pub(in crate::config) struct RawZscore {
    /// Memory in samples.
    #[schemars(range(min = 60, max = 1440))]
    pub window: u32,
    /// Use median and median absolute deviation, which outliers do not move.
    pub robust: bool,
    /// Samples before the first verdict.
    #[schemars(range(min = 10, max = 100_000))]
    pub warm_up_samples: u32,
}

impl Default for RawZscore {
    fn default() -> Self {
        let zscore::Params { window, robust, warm_up_samples } = zscore::Params::default();
        Self { window: window.into(), robust, warm_up_samples: warm_up_samples.into() }
    }
}

/// Parameters of `iqr`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Iqr")]
pub(in crate::config) struct RawIqr {
    /// Memory in samples.
    #[schemars(range(min = 60, max = 1440))]
    pub window: u32,
    /// Samples before the first verdict.
    #[schemars(range(min = 10, max = 100_000))]
    pub warm_up_samples: u32,
}

impl Default for RawIqr {
    fn default() -> Self {
        let iqr::Params { window, warm_up_samples } = iqr::Params::default();
        Self { window: window.into(), warm_up_samples: warm_up_samples.into() }
    }
}

/// Parameters of `seasonal`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Seasonal")]
pub(in crate::config) struct RawSeasonal {
    /// Days of data before the first verdict.
    #[schemars(range(min = 1, max = 60))]
    pub warm_up_days: u32,
    /// Learn a profile over the hours of the week besides the one over the hours of the day.
    pub hour_of_week: bool,
}

impl Default for RawSeasonal {
    fn default() -> Self {
        let seasonal::Params { warm_up_days, hour_of_week } = seasonal::Params::default();
        Self { warm_up_days: warm_up_days.into(), hour_of_week }
    }
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
