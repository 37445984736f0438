//! Parameters of [`Exhaustion`](super::Exhaustion).

use serde::{Deserialize, Serialize};

use crate::params::ParamError;

/// The level that must not be reached, in the unit of the signal; finite.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Limit(f64);

impl Limit {
    /// The level in the unit of the signal.
    pub const fn level(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Limit {
    type Error = ParamError;

    fn try_from(value: f64) -> Result<Self, ParamError> {
        if value.is_finite() {
            return Ok(Self(value));
        }
        Err(ParamError { param: "limit", expected: "-inf < limit < inf", value })
    }
}

impl From<Limit> for f64 {
    fn from(limit: Limit) -> Self {
        limit.0
    }
}

/// How far ahead exhaustion matters, in minutes: 16 to 43,200 (30 days).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Horizon(u32);

impl Horizon {
    /// Its length in milliseconds.
    pub const fn ms(self) -> i64 {
        self.0 as i64 * 60_000
    }
}

impl Default for Horizon {
    fn default() -> Self {
        Self(240)
    }
}

impl TryFrom<u32> for Horizon {
    type Error = ParamError;

    fn try_from(minutes: u32) -> Result<Self, ParamError> {
        if (16..=43_200).contains(&minutes) {
            return Ok(Self(minutes));
        }
        let (param, expected) = ("horizon_minutes", "16 <= horizon_minutes <= 43200");
        Err(ParamError { param, expected, value: f64::from(minutes) })
    }
}

impl From<Horizon> for u32 {
    fn from(horizon: Horizon) -> Self {
        horizon.0
    }
}

/// From which side the limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Approach {
    /// From above, as free space reaches 0.
    #[default]
    Falling,
    /// From below, as use reaches 1.
    Rising,
}

/// Parameters of [`Exhaustion`](super::Exhaustion). Its default: what falls to 0 within four hours.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExhaustionParams {
    /// The level that must not be reached.
    pub limit: Limit,
    /// From which side.
    pub approach: Approach,
    /// How far ahead it matters.
    pub horizon_minutes: Horizon,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_parameters_are_refused() {
        assert!(Limit::try_from(f64::NAN).is_err());
        assert!(Horizon::try_from(15).is_err());
        assert!(Horizon::try_from(43_201).is_err());
        assert_eq!(Horizon::try_from(16).map(Horizon::ms), Ok(960_000));
    }
}
