//! Values written as text: durations and numbers of bytes with a unit, secrets.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
const BYTE_UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// What a text is a number of. A schema says so under [`Unit::KEYWORD`], and keys with such a schema may
/// bound it under [`Unit::MINIMUM`] and [`Unit::MAXIMUM`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Milliseconds,
    Bytes,
}

impl Unit {
    pub(super) const KEYWORD: &str = "x-unit";
    pub(super) const MINIMUM: &str = "x-minimum";
    pub(super) const MAXIMUM: &str = "x-maximum";

    /// The unit of what `schema` takes, if it has one.
    pub(super) fn of(schema: &Value) -> Option<Self> {
        match schema.get(Self::KEYWORD)?.as_str()? {
            "milliseconds" => Some(Self::Milliseconds),
            "bytes" => Some(Self::Bytes),
            _ => None,
        }
    }

    /// The number that `text` stands for, in milliseconds or bytes.
    pub(super) fn number(self, text: &str) -> Option<u64> {
        match self {
            Self::Milliseconds => DurationText::parse(text)?.ms().try_into().ok(),
            Self::Bytes => Some(BytesText::parse(text)?.bytes()),
        }
    }

    /// What such a text is called.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "duration",
            Self::Bytes => "number of bytes",
        }
    }

    /// How such a text is written.
    pub(super) const fn how_to_write(self) -> &'static str {
        match self {
            Self::Milliseconds => {
                "write a number and a unit, for example `30s`, `2m`, `1h30m` or `1d`"
            }
            Self::Bytes => {
                "write a whole number with `B`, `KiB`, `MiB`, `GiB` or `TiB`, for example `32MiB`"
            }
        }
    }
}

/// A duration as Prometheus writes it: `90s`, `1h30m`, `1d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct DurationText(i64);

impl DurationText {
    /// A duration of `ms` milliseconds, not below 0.
    pub(super) const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// The duration in milliseconds, 0 and up.
    pub(super) const fn ms(self) -> i64 {
        self.0
    }

    /// `None` when `text` is not numbers with units, largest unit first.
    fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
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
        Some(Self(total_ms))
    }
}

/// Reads a duration as in a configuration file, such as `5m` or `1h30m`, as milliseconds, 0 and up.
///
/// # Errors
/// When `text` is none.
pub fn parse_duration_ms(text: &str) -> Result<i64, String> {
    let duration = DurationText::parse(text).map(DurationText::ms);
    duration.ok_or_else(|| "expected a duration like 90s, 5m or 1h30m".to_owned())
}

/// The shortest text.
impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = DURATION_UNITS.iter().find(|(_, unit_ms)| self.0 > 0 && self.0 % unit_ms == 0);
        let &(name, unit_ms) = unit.unwrap_or(&("s", 1_000));
        write!(f, "{}{name}", self.0 / unit_ms)
    }
}

impl From<DurationText> for String {
    fn from(duration: DurationText) -> Self {
        duration.to_string()
    }
}

impl TryFrom<String> for DurationText {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a duration")
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
            "x-unit": "milliseconds",
            "examples": ["30s", "2m", "1h30m", "1d"]
        })
    }
}

/// A number of bytes: `33554432` or `32MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PlainOrWithUnit", into = "PlainOrWithUnit")]
pub(super) struct BytesText(u64);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum PlainOrWithUnit {
    Plain(u64),
    WithUnit(String),
}

impl BytesText {
    /// A number of `bytes`.
    pub(super) const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub(super) const fn bytes(self) -> u64 {
        self.0
    }

    /// `None` when `text` is not a number, with or without a unit.
    fn parse(text: &str) -> Option<Self> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = if unit.is_empty() { "B" } else { unit };
        let (_, size) = BYTE_UNITS.iter().find(|(name, _)| *name == unit)?;
        Some(Self(number.parse::<u64>().ok()?.checked_mul(*size)?))
    }

    /// The largest unit that divides it.
    fn unit(self) -> (&'static str, u64) {
        let unit = BYTE_UNITS.iter().find(|(_, size)| self.0 > 0 && self.0.is_multiple_of(*size));
        *unit.unwrap_or(&("B", 1))
    }
}

/// The shortest text.
impl fmt::Display for BytesText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit() {
            (_, 1) => write!(f, "{}", self.0),
            (name, size) => write!(f, "{}{name}", self.0 / size),
        }
    }
}

impl From<BytesText> for PlainOrWithUnit {
    fn from(bytes: BytesText) -> Self {
        match bytes.unit() {
            (_, 1) => Self::Plain(bytes.0),
            _ => Self::WithUnit(bytes.to_string()),
        }
    }
}

impl TryFrom<PlainOrWithUnit> for BytesText {
    type Error = &'static str;

    fn try_from(written: PlainOrWithUnit) -> Result<Self, Self::Error> {
        match written {
            PlainOrWithUnit::Plain(bytes) => Ok(Self(bytes)),
            PlainOrWithUnit::WithUnit(text) => Self::parse(&text).ok_or("not a number of bytes"),
        }
    }
}

impl JsonSchema for BytesText {
    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of bytes, plain or with a unit: `B`, `KiB`, `MiB`, `GiB` or `TiB`.",
            "type": ["integer", "string"],
            "minimum": 0,
            "pattern": "^[0-9]+(B|KiB|MiB|GiB|TiB)$",
            "x-unit": "bytes",
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
        DurationText::parse(text).map(DurationText::ms)
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
        let bytes = |text: &str| BytesText::parse(text).map(BytesText::bytes);
        assert_eq!(bytes("7"), Some(7));
        assert_eq!(bytes("32MiB"), Some(32 << 20));
        assert_eq!(bytes("12B"), Some(12));
        assert_eq!(bytes("100TiB"), Some(100 << 40));
        for bad in ["", "MiB", "-7", "1.5MiB", "32MB", "32 MiB", "99999999999TiB"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }

    /// A bound that is no text of its unit would bound nothing.
    #[test]
    fn every_bound_of_the_schema_can_be_written() {
        fn check(schema: &Value, checked: &mut usize) {
            for bound in [Unit::MINIMUM, Unit::MAXIMUM].map(|name| schema.get(name)) {
                let Some(bound) = bound.and_then(Value::as_str) else { continue };
                let units = [Unit::Milliseconds, Unit::Bytes];
                assert!(units.iter().any(|unit| unit.number(bound).is_some()), "{bound}");
                *checked += 1;
            }
            let parts = schema.as_object().into_iter().flat_map(|members| members.values());
            parts.for_each(|part| check(part, checked));
        }
        let mut checked = 0;
        check(&crate::config::json_schema(), &mut checked);
        assert!(checked > 50, "{checked}");
    }

    #[test]
    fn values_are_written_in_their_largest_unit() {
        let duration = |ms| serde_json::to_value(DurationText::from_ms(ms)).unwrap();
        assert_eq!((duration(0), duration(90_000)), ("0s".into(), "90s".into()));
        assert_eq!((duration(86_400_000), duration(1_500)), ("1d".into(), "1500ms".into()));
        let bytes = |bytes| serde_json::to_value(BytesText::from_bytes(bytes)).unwrap();
        assert_eq!((bytes(32 << 20), bytes(1000)), ("32MiB".into(), 1000.into()));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for ms in [0, 1, 90_000, 31_536_000_000] {
            assert_eq!(
                ms,
                DurationText::parse(&DurationText::from_ms(ms).to_string()).unwrap().ms()
            );
        }
        for bytes in [0, 1, 1 << 20, 3 << 29] {
            let text = serde_json::to_value(BytesText::from_bytes(bytes)).unwrap();
            assert_eq!(serde_json::from_value::<BytesText>(text).unwrap().bytes(), bytes);
        }
    }
}
