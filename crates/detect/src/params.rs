//! Parameters of detectors: once parsed, always valid.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::number::larger;
use crate::profile::SignalClass;
use crate::{absent, changepoint, flatline, forecast, iqr, seasonal, threshold, zscore};

/// Why a parameter was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("parameter is out of range: param=`{param}`, expected=`{expected}`, value=`{value}`")]
pub struct ParamError {
    /// Name of the parameter.
    pub param: &'static str,
    /// The range that it must be in.
    pub expected: &'static str,
    /// The value given.
    pub value: f64,
}

/// Length of a detector's memory in samples: 60 to 1440.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Window(u32);

impl Window {
    /// The length in samples.
    pub const fn samples(self) -> u32 {
        self.0
    }
}

impl Default for Window {
    fn default() -> Self {
        Self(360)
    }
}

impl TryFrom<u32> for Window {
    type Error = ParamError;

    fn try_from(samples: u32) -> Result<Self, ParamError> {
        if (60..=1440).contains(&samples) {
            return Ok(Self(samples));
        }
        let value = f64::from(samples);
        Err(ParamError { param: "window", expected: "60 <= window <= 1440", value })
    }
}

impl From<Window> for u32 {
    fn from(window: Window) -> Self {
        window.0
    }
}

/// Samples that a detector sees before its first verdict: 10 to 100,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct WarmUp(u32);

impl WarmUp {
    /// The number of samples.
    pub const fn samples(self) -> u32 {
        self.0
    }
}

impl Default for WarmUp {
    fn default() -> Self {
        Self(60)
    }
}

impl TryFrom<u32> for WarmUp {
    type Error = ParamError;

    fn try_from(samples: u32) -> Result<Self, ParamError> {
        if (10..=100_000).contains(&samples) {
            return Ok(Self(samples));
        }
        let (param, expected) = ("warm_up_samples", "10 <= warm_up_samples <= 100000");
        Err(ParamError { param, expected, value: f64::from(samples) })
    }
}

impl From<WarmUp> for u32 {
    fn from(warm_up: WarmUp) -> Self {
        warm_up.0
    }
}

/// Days of data that a detector sees before its first verdict: 1 to 60.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct WarmUpDays(u32);

impl WarmUpDays {
    /// The number of days.
    pub const fn days(self) -> u32 {
        self.0
    }
}

impl Default for WarmUpDays {
    fn default() -> Self {
        Self(2)
    }
}

impl TryFrom<u32> for WarmUpDays {
    type Error = ParamError;

    fn try_from(days: u32) -> Result<Self, ParamError> {
        if (1..=60).contains(&days) {
            return Ok(Self(days));
        }
        let (param, expected) = ("warm_up_days", "1 <= warm_up_days <= 60");
        Err(ParamError { param, expected, value: f64::from(days) })
    }
}

impl From<WarmUpDays> for u32 {
    fn from(warm_up: WarmUpDays) -> Self {
        warm_up.0
    }
}

/// The smallest departure from the expected value that is worth anybody's attention, however
/// unlikely it is. A departure counts only if it reaches the larger of both.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "(f64, f64)", into = "(f64, f64)")]
pub struct MinDeviation {
    absolute: f64,
    relative: f64,
}

impl MinDeviation {
    /// `absolute` in the unit of the signal; `relative` as a share of the expected value.
    ///
    /// # Errors
    /// When either is negative or not finite.
    pub fn new(absolute: f64, relative: f64) -> Result<Self, ParamError> {
        for (param, value) in [("absolute", absolute), ("relative", relative)] {
            if !(0.0..f64::INFINITY).contains(&value) {
                return Err(ParamError { param, expected: "0 <= deviation < inf", value });
            }
        }
        Ok(Self { absolute, relative })
    }

    /// The smallest departure from `expected` that counts, in the unit of the signal.
    pub fn at(self, expected: f64) -> f64 {
        larger(self.relative * expected.abs(), self.absolute)
    }

    /// The same in single precision, of an expected value of this `size`.
    #[inline]
    pub(crate) fn at_size(self, size: f32) -> f32 {
        larger(self.relative as f32 * size, self.absolute as f32)
    }
}

impl Default for MinDeviation {
    fn default() -> Self {
        Self { absolute: 0.0, relative: 0.02 }
    }
}

impl TryFrom<(f64, f64)> for MinDeviation {
    type Error = ParamError;

    fn try_from((absolute, relative): (f64, f64)) -> Result<Self, ParamError> {
        Self::new(absolute, relative)
    }
}

impl From<MinDeviation> for (f64, f64) {
    fn from(deviation: MinDeviation) -> Self {
        (deviation.absolute, deviation.relative)
    }
}

/// The side of the expected value on which departures matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Above and below.
    #[default]
    Both,
    /// Above only.
    Up,
    /// Below only.
    Down,
}

/// The detectors there are. Bounded, so it can label a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DetectorName {
    /// [`crate::zscore`]
    Zscore,
    /// [`crate::iqr`]
    Iqr,
    /// [`crate::seasonal`]
    Seasonal,
    /// [`crate::forecast`]
    Forecast,
    /// [`crate::forecast::Exhaustion`]
    Exhaustion,
    /// [`crate::changepoint`]
    Changepoint,
    /// [`crate::scatter`]
    Scatter,
    /// [`crate::trend`]
    Trend,
    /// [`crate::flatline`]
    Flatline,
    /// [`crate::absent`]
    Absent,
    /// [`crate::threshold`]
    Threshold,
    /// [`crate::subspace`]
    Subspace,
    /// [`crate::seasonal_residual`]
    SeasonalResidual,
    /// [`crate::random_cut_forest`]
    RandomCutForest,
    /// [`crate::isolation_forest`]
    IsolationForest,
    /// [`crate::autoencoder`]
    Autoencoder,
}

impl DetectorName {
    /// Whether the detector has something to say about signals of `class`. Where most values are one and the same,
    /// there are no quartiles, and a forecast repeats what a mean says; where they are few, they move in bursts.
    pub const fn suits(self, class: SignalClass) -> bool {
        match self {
            Self::Iqr | Self::Forecast => {
                !matches!(class, SignalClass::Binary | SignalClass::Sparse)
            }
            Self::Scatter => matches!(class, SignalClass::Bounded | SignalClass::Continuous),
            _ => true,
        }
    }

    /// Whether the default chain has this detector of the base tier for series that the deep tier judges as well. Shapes of many
    /// samples tell restlessness from what looks like it.
    pub const fn is_for_deep(self) -> bool {
        !matches!(self, Self::Scatter)
    }

    /// The word used in configuration, labels and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Zscore => "zscore",
            Self::Iqr => "iqr",
            Self::Seasonal => "seasonal",
            Self::Forecast => "forecast",
            Self::Exhaustion => "exhaustion",
            Self::Changepoint => "changepoint",
            Self::Scatter => "scatter",
            Self::Trend => "trend",
            Self::Flatline => "flatline",
            Self::Absent => "absent",
            Self::Threshold => "threshold",
            Self::Subspace => "subspace",
            Self::SeasonalResidual => "seasonal_residual",
            Self::RandomCutForest => "random_cut_forest",
            Self::IsolationForest => "isolation_forest",
            Self::Autoencoder => "autoencoder",
        }
    }
}

impl fmt::Display for DetectorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A detector with its parameters, as a rule asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DetectorSpec {
    /// Departure from a running mean, or from a running median in the robust form.
    Zscore(zscore::Params),
    /// Departure from the quartiles of a sliding window.
    Iqr(iqr::Params),
    /// Departure from an hour-of-day and hour-of-week profile.
    Seasonal(seasonal::Params),
    /// Departure from a forecast.
    Forecast(forecast::Params),
    /// A limit that will be reached soon.
    Exhaustion(forecast::ExhaustionParams),
    /// Shifts of level and of scatter.
    Changepoint(changepoint::Params),
    /// Values that jump about more than they used to.
    Scatter,
    /// Drifts over days.
    Trend,
    /// A value that is stuck.
    Flatline(flatline::Params),
    /// A drop to zero.
    Absent(absent::Params),
    /// A rule that a human wrote.
    Threshold(threshold::Params),
    /// Shapes unlike those that a linear model of the past makes. Deep tier, like those below.
    Subspace,
    /// Departure from the same time of other days.
    SeasonalResidual,
    /// Shapes that a random cut forest isolates early.
    RandomCutForest,
    /// Values and changes that an isolation forest isolates early.
    IsolationForest,
    /// Shapes that a small network cannot reproduce.
    Autoencoder,
}

impl DetectorSpec {
    /// Which detector this is.
    pub const fn name(&self) -> DetectorName {
        match self {
            Self::Zscore(_) => DetectorName::Zscore,
            Self::Iqr(_) => DetectorName::Iqr,
            Self::Seasonal(_) => DetectorName::Seasonal,
            Self::Forecast(_) => DetectorName::Forecast,
            Self::Exhaustion(_) => DetectorName::Exhaustion,
            Self::Changepoint(_) => DetectorName::Changepoint,
            Self::Scatter => DetectorName::Scatter,
            Self::Trend => DetectorName::Trend,
            Self::Flatline(_) => DetectorName::Flatline,
            Self::Absent(_) => DetectorName::Absent,
            Self::Threshold(_) => DetectorName::Threshold,
            Self::Subspace => DetectorName::Subspace,
            Self::SeasonalResidual => DetectorName::SeasonalResidual,
            Self::RandomCutForest => DetectorName::RandomCutForest,
            Self::IsolationForest => DetectorName::IsolationForest,
            Self::Autoencoder => DetectorName::Autoencoder,
        }
    }

    /// Bytes that a series takes at most, if this is a detector of the deep tier; 0 for one of the base tier, which
    /// judges every series.
    pub const fn deep_bytes(&self) -> usize {
        match self {
            Self::Subspace => 10 * 1024,
            Self::SeasonalResidual => 37 * 1024,
            Self::RandomCutForest | Self::IsolationForest => 64 * 1024,
            Self::Autoencoder => 1024,
            _ => 0,
        }
    }

    /// The detectors that a rule runs when it names none.
    pub fn defaults() -> Vec<Self> {
        vec![
            Self::Zscore(zscore::Params::default()),
            Self::Iqr(iqr::Params::default()),
            Self::Seasonal(seasonal::Params::default()),
            Self::Forecast(forecast::Params::default()),
            Self::Scatter,
            Self::Subspace,
            Self::SeasonalResidual,
            Self::RandomCutForest,
        ]
    }
}
