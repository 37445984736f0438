//! Values written as text: durations and numbers of bytes with a unit, secrets.
//!
//! Durations and bytes are read as they stand and judged later by [`DurationText::to_ms`] and
//! [`BytesText::to_bytes`], so that a bad one is reported together with every other fault of the file.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Units of a duration, longest first, with their milliseconds.
const DURATION_UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Units of a number of bytes, largest first.
const BYTE_UNITS: [(&str, u64); 4] =
    [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A duration as Prometheus writes it: `90s`, `1h30m`, `1d`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct DurationText(String);

impl DurationText {
    /// The shortest text for `ms` milliseconds.
    pub(super) fn from_ms(ms: i64) -> Self {
        let unit = DURATION_UNITS.iter().find(|(_, unit_ms)| ms > 0 && ms % unit_ms == 0);
        let &(name, unit_ms) = unit.unwrap_or(&("s", 1_000));
        Self(format!("{}{name}", ms / unit_ms))
    }

    /// The text itself.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Milliseconds; `None` when the text is not numbers with units, largest unit first.
    pub(super) fn to_ms(&self) -> Option<i64> {
        let mut rest = self.0.as_str();
        let mut total_ms = 0_i64;
        let mut units = DURATION_UNITS.iter();
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let (number, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
            let (unit, tail) =
                tail.split_at(tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len()));
            let (_, unit_ms) = units.find(|(name, _)| *name == unit)?;
            total_ms = total_ms.checked_add(number.parse::<i64>().ok()?.checked_mul(*unit_ms)?)?;
            rest = tail;
        }
        Some(total_ms)
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration with its unit, as Prometheus writes it: `ms`, `s`, `m`, `h`, `d`, `w` or `y`, largest first.",
            "type": "string",
            "pattern": "^([0-9]+(ms|[smhdwy]))+$",
            "examples": ["30s", "2m", "1h30m", "1d"]
        })
    }
}

/// A number of bytes: `33554432` or `32MiB`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum BytesText {
    /// Plain bytes.
    Plain(u64),
    /// A number with a unit.
    WithUnit(String),
}

impl BytesText {
    /// The shortest text for a number of bytes.
    pub(super) fn from_bytes(bytes: u64) -> Self {
        let unit = BYTE_UNITS.iter().find(|(_, size)| bytes > 0 && bytes.is_multiple_of(*size));
        match unit {
            Some((name, size)) if *size > 1 => Self::WithUnit(format!("{}{name}", bytes / size)),
            _ => Self::Plain(bytes),
        }
    }

    /// Bytes; `None` when the text is not a number with a unit.
    pub(super) fn to_bytes(&self) -> Option<u64> {
        let text = match self {
            Self::Plain(bytes) => return Some(*bytes),
            Self::WithUnit(text) => text,
        };
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
        let (_, size) = BYTE_UNITS.iter().find(|(name, _)| *name == unit)?;
        number.parse::<u64>().ok()?.checked_mul(*size)
    }
}

impl JsonSchema for BytesText {
    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of bytes, plain or with a unit: `B`, `KiB`, `MiB` or `GiB`.",
            "type": ["integer", "string"],
            "minimum": 0,
            "pattern": "^[0-9]+(B|KiB|MiB|GiB)$",
            "examples": ["32MiB", 33_554_432]
        })
    }
}

/// How a secret looks in the schema.
pub(super) enum SecretText {}

impl JsonSchema for SecretText {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A secret, best taken from the environment: `${NAME}`, without quotes.",
            "type": "string",
            "writeOnly": true
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> Option<i64> {
        DurationText(text.to_owned()).to_ms()
    }

    #[test]
    fn durations_read_as_in_prometheus() {
        assert_eq!(ms("0s"), Some(0));
        assert_eq!(ms("250ms"), Some(250));
        assert_eq!(ms("1h30m"), Some(5_400_000));
        assert_eq!(ms("1w2d"), Some(9 * 86_400_000));
        for bad in ["", "5", "5 m", "m", "-1s", "1.5h", "30m1h", "1h1h", "1M", "99999999999y"] {
            assert_eq!(ms(bad), None, "{bad}");
        }
    }

    #[test]
    fn bytes_read_with_and_without_a_unit() {
        assert_eq!(BytesText::Plain(7).to_bytes(), Some(7));
        let bytes = |text: &str| BytesText::WithUnit(text.to_owned()).to_bytes();
        assert_eq!(bytes("32MiB"), Some(32 << 20));
        assert_eq!(bytes("12B"), Some(12));
        for bad in ["", "MiB", "1.5MiB", "32MB", "32 MiB", "99999999999GiB"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }

    #[test]
    fn defaults_are_written_in_their_largest_unit() {
        assert_eq!(DurationText::from_ms(0).as_str(), "0s");
        assert_eq!(DurationText::from_ms(90_000).as_str(), "90s");
        assert_eq!(DurationText::from_ms(86_400_000).as_str(), "1d");
        assert_eq!(BytesText::from_bytes(32 << 20), BytesText::WithUnit("32MiB".into()));
        assert_eq!(BytesText::from_bytes(1000), BytesText::Plain(1000));
    }
}
