//! What the columns of a batch say of a row.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, MapArray, PrimitiveArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use bellwether_series::{METRIC_NAME, Timestamp};

use super::text::{Text, is_text};
use crate::Precision;

/// Which column is what; by place.
#[derive(Debug)]
pub(super) struct Columns {
    timestamp: usize,
    precision: Precision,
    value: usize,
    labels: Option<usize>,
    /// Columns that hold one label each, and its name.
    texts: Vec<(usize, String)>,
}

impl Columns {
    /// Those of `schema`, or what is wrong with it.
    pub(super) fn find(schema: &Schema) -> Result<Self, String> {
        let (mut timestamp, mut value, mut labels, mut texts) = (None, None, None, Vec::new());
        for (place, field) in schema.fields().iter().enumerate() {
            match (field.name().as_str(), field.data_type()) {
                ("timestamp" | "timestamp_ms", _) if timestamp.is_some() => {
                    return Err("there are two columns of timestamps".to_owned());
                }
                ("timestamp", DataType::Timestamp(unit, _)) => {
                    timestamp = Some((place, precision(*unit)));
                }
                ("timestamp_ms", DataType::Int64) => {
                    timestamp = Some((place, Precision::Milliseconds));
                }
                ("value", _) if value.is_some() => {
                    return Err("there are two columns of values".to_owned());
                }
                ("value", kind) if kind.is_integer() || is_float(kind) => value = Some(place),
                ("labels", _) if labels.is_some() => {
                    return Err("there are two columns of labels".to_owned());
                }
                ("labels", DataType::Map(entries, _)) if is_map_of_texts(entries) => {
                    labels = Some(place);
                }
                ("timestamp" | "timestamp_ms" | "value" | "labels", _) => return Err(unfit(field)),
                ("name" | "metric", kind) if is_text(kind) => {
                    texts.push((place, METRIC_NAME.to_owned()));
                }
                (name, kind) if is_text(kind) => texts.push((place, name.to_owned())),
                _ => return Err(unfit(field)),
            }
        }
        let (timestamp, precision) =
            timestamp.ok_or("there is no column `timestamp` and none `timestamp_ms`".to_owned())?;
        let value = value.ok_or("there is no column `value`".to_owned())?;
        Ok(Self { timestamp, precision, value, labels, texts })
    }

    /// The rows of a batch of that schema.
    ///
    /// # Errors
    /// When it is of another one, which the decoder should not let happen.
    pub(super) fn rows<'a>(&'a self, batch: &'a RecordBatch) -> Result<Rows<'a>, String> {
        let column = |place: usize| batch.columns().get(place).map(|column| &**column);
        let found = (|| {
            let texts =
                self.texts.iter().map(|(place, name)| Some((&**name, Text::new(column(*place)?)?)));
            Some(Rows {
                count: batch.num_rows(),
                timestamps: counts(column(self.timestamp)?)?,
                precision: self.precision,
                values: numbers(column(self.value)?)?,
                labels: match self.labels {
                    Some(place) => Some(Labels::new(column(place)?.as_map_opt()?)?),
                    None => None,
                },
                texts: texts.collect::<Option<_>>()?,
            })
        })();
        found.ok_or_else(|| "batch is not of its schema".to_owned())
    }
}

fn unfit(field: &Field) -> String {
    let (name, kind) = (field.name(), field.data_type());
    format!("column is of a type that it cannot be of: column=`{name}`, type=`{kind}`")
}

fn is_float(kind: &DataType) -> bool {
    matches!(kind, DataType::Float32 | DataType::Float64)
}

fn is_map_of_texts(entries: &Field) -> bool {
    match entries.data_type() {
        DataType::Struct(fields) => {
            fields.len() == 2 && fields.iter().all(|field| is_text(field.data_type()))
        }
        _ => false,
    }
}

fn precision(unit: TimeUnit) -> Precision {
    match unit {
        TimeUnit::Second => Precision::Seconds,
        TimeUnit::Millisecond => Precision::Milliseconds,
        TimeUnit::Microsecond => Precision::Microseconds,
        TimeUnit::Nanosecond => Precision::Nanoseconds,
    }
}

/// The rows of a batch.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    count: usize,
    timestamps: PrimitiveArray<Int64Type>,
    precision: Precision,
    values: PrimitiveArray<Float64Type>,
    labels: Option<Labels<'a>>,
    texts: Vec<(&'a str, Text<'a>)>,
}

impl Rows<'_> {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The value of a row, if it has one.
    pub(super) fn value(&self, row: usize) -> Option<f64> {
        self.values.is_valid(row).then(|| self.values.value(row))
    }

    /// When it was measured, or why that is not known.
    pub(super) fn timestamp(&self, row: usize) -> Result<Timestamp, &'static str> {
        if self.timestamps.is_null(row) {
            return Err("timestamp is missing");
        }
        self.precision.timestamp(self.timestamps.value(row)).ok_or("timestamp is out of range")
    }

    /// Its labels. Those that are null are left out.
    pub(super) fn labels(&self, row: usize) -> impl Iterator<Item = (&str, &str)> {
        let texts = self.texts.iter().filter_map(move |(name, text)| Some((*name, text.get(row)?)));
        let labels = self.labels.iter().flat_map(move |labels| labels.of(row));
        texts.chain(labels)
    }
}

/// A column of maps.
#[derive(Debug)]
struct Labels<'a> {
    maps: &'a MapArray,
    names: Text<'a>,
    values: Text<'a>,
}

impl<'a> Labels<'a> {
    fn new(maps: &'a MapArray) -> Option<Self> {
        Some(Self { maps, names: Text::new(maps.keys())?, values: Text::new(maps.values())? })
    }

    fn of(&self, row: usize) -> impl Iterator<Item = (&str, &str)> {
        let offsets = self.maps.value_offsets();
        let entries = if self.maps.is_valid(row) {
            offsets[row] as usize..offsets[row + 1] as usize
        } else {
            0..0
        };
        entries.filter_map(|entry| Some((self.names.get(entry)?, self.values.get(entry)?)))
    }
}

/// Timestamps of any unit, or milliseconds, as they are counted.
fn counts(column: &dyn Array) -> Option<PrimitiveArray<Int64Type>> {
    Some(match column.data_type() {
        DataType::Int64 => column.as_primitive_opt::<Int64Type>()?.clone(),
        DataType::Timestamp(TimeUnit::Second, _) => {
            column.as_primitive_opt::<TimestampSecondType>()?.reinterpret_cast()
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            column.as_primitive_opt::<TimestampMillisecondType>()?.reinterpret_cast()
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            column.as_primitive_opt::<TimestampMicrosecondType>()?.reinterpret_cast()
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            column.as_primitive_opt::<TimestampNanosecondType>()?.reinterpret_cast()
        }
        _ => return None,
    })
}

/// Numbers of any type as floats; integers beyond 2⁵³ become the nearest one.
fn numbers(column: &dyn Array) -> Option<PrimitiveArray<Float64Type>> {
    macro_rules! numbers {
        ($($kind:ident: $type:ty => $float:expr),*) => {
            match column.data_type() {
                DataType::Float64 => Some(column.as_primitive_opt::<Float64Type>()?.clone()),
                $(DataType::$kind => Some(column.as_primitive_opt::<$type>()?.unary($float)),)*
                _ => None,
            }
        };
    }
    numbers!(
        Float32: Float32Type => f64::from,
        Int8: Int8Type => f64::from,
        Int16: Int16Type => f64::from,
        Int32: Int32Type => f64::from,
        Int64: Int64Type => |number| number as f64,
        UInt8: UInt8Type => f64::from,
        UInt16: UInt16Type => f64::from,
        UInt32: UInt32Type => f64::from,
        UInt64: UInt64Type => |number| number as f64
    )
}
