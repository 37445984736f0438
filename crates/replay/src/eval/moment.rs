//! Times as corpora write them: unix seconds, or a date and time of day.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::de::{self, Deserialize, Deserializer, Visitor};

/// What a date and time looks like where NAB has written it; any digit is a 0.
const NABS_SHAPE: &[u8] = b"0000-00-00 00:00:00.000000";

/// A time; its unix seconds are finite.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    seconds: f64,
    is_nabs: bool,
}

impl Moment {
    /// Unix seconds.
    pub(super) fn seconds(self) -> f64 {
        self.seconds
    }

    /// Whether it was written as NAB writes its own, as in `2014-04-10 07:15:00.000000`.
    pub(super) fn is_nabs(self) -> bool {
        self.is_nabs
    }

    /// Reads unix seconds, RFC 3339, or a date and time without a zone, which is UTC; `None` when it is none of
    /// them.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_matches('"');
        if let Ok(seconds) = text.parse::<f64>() {
            return Self::of_seconds(seconds);
        }
        let time = text.parse::<jiff::Timestamp>().ok().or_else(|| {
            // The zone of a time that says one and no offset is passed over by jiff.
            let civil = Some(text).filter(|text| !text.contains('['))?.parse::<DateTime>().ok()?;
            Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
        })?;
        let shape = text.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
        let is_nabs = shape.eq(NABS_SHAPE.iter().copied());
        Some(Self { seconds: time.as_microsecond() as f64 / 1e6, is_nabs })
    }

    fn of_seconds(seconds: f64) -> Option<Self> {
        // Without the sign of a zero, so that equal times are equal bit by bit.
        seconds.is_finite().then_some(Self { seconds: seconds + 0.0, is_nabs: false })
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MomentVisitor)
    }
}

/// Written by hand, because an untagged enum would forget at which line it failed.
struct MomentVisitor;

impl Visitor<'_> for MomentVisitor {
    type Value = Moment;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("unix seconds or a date and time")
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Moment, E> {
        self.visit_f64(seconds as f64)
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Moment, E> {
        self.visit_f64(seconds as f64)
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Moment, E> {
        Moment::of_seconds(seconds)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Float(seconds), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Moment, E> {
        Moment::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_however_it_is_written() {
        for text in [
            "1397130600",
            " 1397130600.0 ",
            "2014-04-10 11:50:00.000000",
            "2014-04-10T11:50:00Z",
            "2014-04-10T13:50:00+02:00",
        ] {
            assert_eq!(Moment::parse(text).map(Moment::seconds), Some(1_397_130_600.0), "{text}");
        }
        let half = Moment::parse("2014-04-10 11:50:00.5").map(Moment::seconds);
        assert_eq!(half, Some(1_397_130_600.5));
        for text in [
            "",
            "yesterday",
            "nan",
            "inf",
            "2014-13-10 00:00:00",
            "2014-04-10T11:50:00[Europe/Berlin]",
        ] {
            assert!(Moment::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn only_what_is_written_as_nab_writes_it_is_nabs() {
        let is_nabs = |text| Moment::parse(text).map(Moment::is_nabs);
        assert_eq!(is_nabs("2014-04-10 11:50:00.000000"), Some(true));
        for text in [
            "1397130600",
            "2014-04-10 11:50:00",
            "2014-04-10 11:50:00.000",
            "2014-04-10T11:50:00.000000",
            "2014-04-10T11:50:00Z",
            "2014-04-10 11:50:00.00000Z",
        ] {
            assert_eq!(is_nabs(text), Some(false), "{text}");
        }
    }
}
