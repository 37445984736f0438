//! Units of timestamps, where a format leaves them to its sender.

use bellwether_series::Timestamp;

/// What a timestamp counts since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Nanoseconds; what is below a millisecond is cut.
    Nanoseconds,
    /// Microseconds; what is below a millisecond is cut.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
}

impl Precision {
    /// Every precision, the finest first.
    pub const ALL: [Self; 4] =
        [Self::Nanoseconds, Self::Microseconds, Self::Milliseconds, Self::Seconds];

    /// The time that `count` means; `None` beyond what milliseconds can say.
    pub(crate) fn timestamp(self, count: i64) -> Option<Timestamp> {
        let ms = match self {
            Self::Nanoseconds => count.div_euclid(1_000_000),
            Self::Microseconds => count.div_euclid(1_000),
            Self::Milliseconds => count,
            Self::Seconds => count.checked_mul(1_000)?,
        };
        Some(Timestamp::from_ms(ms))
    }

    /// As `InfluxDB`'s `precision` parameter says it: `ns`, `us`, `ms` or `s`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Microseconds => "us",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_become_milliseconds() {
        let ms = |precision: Precision, count| precision.timestamp(count).map(Timestamp::as_ms);
        assert_eq!(ms(Precision::Nanoseconds, 1_700_000_000_123_999_999), Some(1_700_000_000_123));
        assert_eq!(ms(Precision::Nanoseconds, -1), Some(-1));
        assert_eq!(ms(Precision::Microseconds, 1_700_000_000_123_999), Some(1_700_000_000_123));
        assert_eq!(ms(Precision::Milliseconds, i64::MIN), Some(i64::MIN));
        assert_eq!(ms(Precision::Seconds, 1_700_000_000), Some(1_700_000_000_000));
        assert_eq!(ms(Precision::Seconds, i64::MAX), None);
        assert_eq!(Precision::ALL.map(Precision::as_str), ["ns", "us", "ms", "s"]);
    }
}
