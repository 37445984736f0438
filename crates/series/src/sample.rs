//! Timestamps, values and samples.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The bit pattern of a Prometheus stale marker (`prometheus/prometheus:model/value/value.go`).
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// Event time in milliseconds since the Unix epoch; may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest representable time; no sample is older.
    pub const MIN: Self = Self(i64::MIN);

    /// The time `ms` milliseconds after the Unix epoch.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_ms(self) -> i64 {
        self.0
    }

    /// Milliseconds from `earlier` to `self`, negative when `earlier` is later; saturates.
    pub const fn ms_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// `self` moved by `ms` milliseconds; saturates.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

/// One observation of a series: a time and a finite value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Event time.
    pub timestamp: Timestamp,
    /// A finite value; what is not finite was settled by [`Value::classify`] before.
    pub value: f64,
}

/// What a value on the wire means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// An ordinary number.
    Finite(f64),
    /// A stale marker: the series ended here.
    Stale,
    /// NaN or an infinity: legal on the wire, counted, never learned from.
    NonFinite,
}

impl Value {
    /// Sorts a value off the wire into what it means. The payload of a NaN decides between a stale
    /// marker and an ordinary NaN, so the bits must have been moved unchanged.
    pub fn classify(value: f64) -> Self {
        if value.is_finite() {
            Self::Finite(value)
        } else if value.to_bits() == STALE_NAN_BITS {
            Self::Stale
        } else {
            Self::NonFinite
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_marker_is_told_from_an_ordinary_nan_by_its_bits() {
        assert_eq!(Value::classify(f64::from_bits(STALE_NAN_BITS)), Value::Stale);
        assert_eq!(Value::classify(f64::from_bits(0x7ff8_0000_0000_0001)), Value::NonFinite);
        assert_eq!(Value::classify(f64::INFINITY), Value::NonFinite);
        assert_eq!(Value::classify(-0.0), Value::Finite(-0.0));
    }

    #[test]
    fn arithmetic_on_extreme_timestamps_saturates() {
        assert_eq!(Timestamp::from_ms(i64::MAX).ms_since(Timestamp::MIN), i64::MAX);
        assert_eq!(Timestamp::MIN.plus_ms(-1), Timestamp::MIN);
    }
}
