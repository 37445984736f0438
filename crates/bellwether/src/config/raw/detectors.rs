//! Detectors with their parameters, as they are written.

use bellwether_detect::{DetectorSpec, changepoint, flatline, forecast, iqr, seasonal, zscore};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::text::DurationText;

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
    /// Departure from a forecast with a damped trend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<RawForecast>,
    /// A limit that will be reached soon, such as a full disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exhaustion: Option<RawExhaustion>,
    /// Shifts of level and of scatter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changepoint: Option<RawChangepoint>,
    /// Values that jump about more than they used to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scatter: Option<RawNoParameters>,
    /// Drifts over days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trend: Option<RawNoParameters>,
    /// A value that is stuck.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flatline: Option<RawWarmUp>,
    /// A drop to zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absent: Option<RawWarmUp>,
    /// A rule that a human wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<RawThreshold>,
    /// Deep tier: shapes unlike those that a linear model of the past makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subspace: Option<RawNoParameters>,
    /// Deep tier: departure from the same time of other days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seasonal_residual: Option<RawNoParameters>,
    /// Deep tier: shapes that a random cut forest isolates early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub random_cut_forest: Option<RawNoParameters>,
    /// Deep tier: values and changes that an isolation forest isolates early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation_forest: Option<RawNoParameters>,
    /// Deep tier: shapes that a small network cannot reproduce.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoencoder: Option<RawNoParameters>,
}

impl RawDetector {
    /// One entry for each detector that a rule runs when it names none.
    pub(super) fn defaults() -> Vec<Self> {
        let none = Self::default;
        let nothing = || Some(RawNoParameters {});
        vec![
            Self { zscore: Some(RawZscore::default()), ..none() },
            Self { iqr: Some(RawIqr::default()), ..none() },
            Self { seasonal: Some(RawSeasonal::default()), ..none() },
            Self { forecast: Some(RawForecast::default()), ..none() },
            Self { scatter: nothing(), ..none() },
            Self { subspace: nothing(), ..none() },
            Self { seasonal_residual: nothing(), ..none() },
            Self { random_cut_forest: nothing(), ..none() },
        ]
    }

    /// Those of the detectors named here that have no parameters.
    pub(in crate::config) fn without_parameters(&self) -> Vec<DetectorSpec> {
        let named = [
            (&self.scatter, DetectorSpec::Scatter),
            (&self.trend, DetectorSpec::Trend),
            (&self.subspace, DetectorSpec::Subspace),
            (&self.seasonal_residual, DetectorSpec::SeasonalResidual),
            (&self.random_cut_forest, DetectorSpec::RandomCutForest),
            (&self.isolation_forest, DetectorSpec::IsolationForest),
            (&self.autoencoder, DetectorSpec::Autoencoder),
        ];
        named.into_iter().filter(|(raw, _)| raw.is_some()).map(|(_, spec)| spec).collect()
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

/// Parameters of `forecast`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Forecast")]
pub(in crate::config) struct RawForecast {
    /// A departure that lasts a quarter of this many samples is the new normal.
    #[schemars(range(min = 60, max = 1440))]
    pub window: u32,
    /// Samples before the first verdict.
    #[schemars(range(min = 10, max = 100_000))]
    pub warm_up_samples: u32,
}

impl Default for RawForecast {
    fn default() -> Self {
        let forecast::Params { window, warm_up_samples } = forecast::Params::default();
        Self { window: window.into(), warm_up_samples: warm_up_samples.into() }
    }
}

/// Parameters of `exhaustion`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Exhaustion")]
pub(in crate::config) struct RawExhaustion {
    /// The level that must not be reached, in the unit of the signal.
    pub limit: f64,
    /// From which side the limit is reached: `falling` as free space, `rising` as used space.
    pub approach: RawApproach,
    /// How far ahead it matters.
    #[schemars(extend("x-minimum" = "16m", "x-maximum" = "30d"))]
    pub horizon: DurationText,
}

impl Default for RawExhaustion {
    fn default() -> Self {
        let forecast::ExhaustionParams { limit, approach: _, horizon_minutes } =
            forecast::ExhaustionParams::default();
        Self {
            limit: limit.level(),
            approach: RawApproach::Falling,
            horizon: DurationText::from_ms(horizon_minutes.ms()),
        }
    }
}

/// From which side a limit is reached.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(in crate::config) enum RawApproach {
    Falling,
    Rising,
}

/// Parameters of `changepoint`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Changepoint")]
pub(in crate::config) struct RawChangepoint {
    /// Memory of the baseline in samples; a shift is adopted after a quarter of it.
    #[schemars(range(min = 60, max = 1440))]
    pub window: u32,
    /// Samples before the first verdict.
    #[schemars(range(min = 10, max = 100_000))]
    pub warm_up_samples: u32,
}

impl Default for RawChangepoint {
    fn default() -> Self {
        let changepoint::Params { window, warm_up_samples } = changepoint::Params::default();
        Self { window: window.into(), warm_up_samples: warm_up_samples.into() }
    }
}

/// Parameters of `flatline` and `absent`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "WarmUp")]
pub(in crate::config) struct RawWarmUp {
    /// Samples before the first verdict.
    #[schemars(range(min = 10, max = 100_000))]
    pub warm_up_samples: u32,
}

impl Default for RawWarmUp {
    fn default() -> Self {
        let flatline::Params { warm_up_samples } = flatline::Params::default();
        Self { warm_up_samples: warm_up_samples.into() }
    }
}

/// Parameters of `threshold`. At least one bound.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Threshold")]
pub(in crate::config) struct RawThreshold {
    /// Values above it are in breach.
    pub above: Option<f64>,
    /// Values below it are in breach.
    pub below: Option<f64>,
    /// The smallest value that is possible.
    pub valid_min: Option<f64>,
    /// The largest value that is possible.
    pub valid_max: Option<f64>,
}

/// A detector without parameters.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NoParameters")]
pub(in crate::config) struct RawNoParameters {}
