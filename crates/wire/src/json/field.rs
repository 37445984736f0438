//! The values that fields of records have.

use bellwether_series::Timestamp;

use super::{JsonReader, Kind};
use crate::remote_write::DecodeError;

/// What a field holds: a value, nothing, or what is wrong with it.
pub(super) type Field<T> = Result<Option<T>, &'static str>;

/// Whether a part of a record is as it should be, or what is wrong with it.
pub(super) type Verdict = Result<(), &'static str>;

/// Reads a number: as such, or as text, which is how JSON says `NaN` and `+Inf`.
pub(super) fn value(reader: &mut JsonReader<'_>) -> Result<Field<f64>, DecodeError> {
    scalar(reader, "value is not a number", |text| text.parse().ok())
}

/// Reads an integer, as a number or as text, also where it is written as a float.
pub(super) fn integer(reader: &mut JsonReader<'_>) -> Result<Field<i64>, DecodeError> {
    scalar(reader, "timestamp is not an integer", parse_integer)
}

/// Reads a time in RFC 3339 notation.
pub(super) fn rfc3339(reader: &mut JsonReader<'_>) -> Result<Field<Timestamp>, DecodeError> {
    scalar(reader, "timestamp is not RFC 3339", |text| {
        let time: jiff::Timestamp = text.parse().ok()?;
        Some(Timestamp::from_ms(time.as_millisecond()))
    })
}

/// Reads what `parse` makes of a number or a text; nothing of `null`. Anything else is a `fault`.
fn scalar<T>(
    reader: &mut JsonReader<'_>,
    fault: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Field<T>, DecodeError> {
    Ok(match reader.kind()? {
        Kind::Number => parse(reader.number()?).map(Some).ok_or(fault),
        Kind::String => parse(reader.string()?.trim()).map(Some).ok_or(fault),
        Kind::Null => {
            reader.word()?;
            Ok(None)
        }
        _ => {
            reader.skip()?;
            Err(fault)
        }
    })
}

/// Reads a name into `name`.
pub(super) fn name(reader: &mut JsonReader<'_>, name: &mut String) -> Result<Verdict, DecodeError> {
    if reader.kind()? != Kind::String {
        reader.skip()?;
        return Ok(Err("name is not a string"));
    }
    name.clear();
    name.push_str(&reader.string()?);
    Ok(Ok(()))
}

/// The largest magnitude up to which every integer is a float.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

fn parse_integer(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| {
        let float: f64 = text.parse().ok()?;
        (float.fract() == 0.0 && float.abs() <= EXACT_MAX).then_some(float as i64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(
        of: impl Fn(&mut JsonReader<'_>) -> Result<Field<T>, DecodeError>,
        text: &str,
    ) -> Field<T> {
        let mut reader = JsonReader::new(text.as_bytes());
        let field = of(&mut reader).unwrap();
        assert!(reader.is_done(), "{text}");
        field
    }

    #[test]
    fn values_are_numbers_or_texts_of_numbers() {
        assert_eq!(read(value, "1.5"), Ok(Some(1.5)));
        assert_eq!(read(value, "\"9.8\""), Ok(Some(9.8)));
        assert_eq!(read(value, "\"+Inf\""), Ok(Some(f64::INFINITY)));
        assert_eq!(read(value, "\"-Inf\""), Ok(Some(f64::NEG_INFINITY)));
        assert!(read(value, "\"NaN\"").unwrap().unwrap().is_nan());
        assert_eq!(read(value, "null"), Ok(None));
        for bad in ["\"\"", "\"1 2\"", "true", "{\"a\":[]}"] {
            assert_eq!(read(value, bad), Err("value is not a number"), "{bad}");
        }
    }

    #[test]
    fn times_are_integers_or_rfc_3339() {
        for good in ["1700000000000", "\"1700000000000\"", "1.7e12", "1700000000000.0"] {
            assert_eq!(read(integer, good), Ok(Some(1_700_000_000_000)), "{good}");
        }
        assert_eq!(read(integer, "-1"), Ok(Some(-1)));
        for bad in ["1.5", "1e300", "\"x\"", "[]"] {
            assert!(read(integer, bad).is_err(), "{bad}");
        }
        for good in ["\"2023-11-14T22:13:20Z\"", "\"2023-11-14T23:13:20.000999+01:00\""] {
            let at = Timestamp::from_ms(1_700_000_000_000);
            assert_eq!(read(rfc3339, good), Ok(Some(at)), "{good}");
        }
        for bad in ["1700000000", "\"2023-11-14\"", "\"\"", "false"] {
            assert!(read(rfc3339, bad).is_err(), "{bad}");
        }
        assert_eq!((read(integer, "null"), read(rfc3339, "null")), (Ok(None), Ok(None)));
    }
}
