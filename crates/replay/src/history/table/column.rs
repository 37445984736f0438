//! Columns of an Arrow table: what each type can be, and its cells as times, numbers or texts.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit as ArrowUnit};
use bellwether_series::Timestamp;

use super::super::layout::Content;
use super::super::time::{self, TimeUnit};

const DAY_S: i64 = 86_400;

/// What a column of this type can be.
pub(super) fn content_of(data_type: &DataType) -> Content {
    match data_type {
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Content::Time,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Content::Text,
        DataType::Dictionary(_, values) if content_of(values) == Content::Text => Content::Text,
        DataType::Null | DataType::Boolean | DataType::Float32 | DataType::Float64 => {
            Content::Number
        }
        data_type if data_type.is_integer() => Content::Number,
        _ => Content::Other,
    }
}

/// The unit that the first number of a column of times suggests; `None` if it holds no numbers.
pub(super) fn number_unit(column: &ArrayRef) -> Option<TimeUnit> {
    if content_of(column.data_type()) != Content::Number {
        return None;
    }
    let numbers = values(column);
    let row = (0..column.len()).find(|&row| column.is_valid(row))?;
    Some(TimeUnit::guess(numbers[row]))
}

/// The times in a column, whatever where it is null. Fails with the row, and what is there.
pub(super) fn times(
    column: &ArrayRef,
    unit: Option<TimeUnit>,
) -> Result<Vec<Timestamp>, (usize, String)> {
    let unit = unit.unwrap_or(TimeUnit::Milliseconds);
    match column.data_type() {
        DataType::Timestamp(ArrowUnit::Second, _) => {
            whole(column.as_primitive::<TimestampSecondType>(), TimeUnit::Seconds)
        }
        DataType::Timestamp(ArrowUnit::Millisecond, _) => {
            whole(column.as_primitive::<TimestampMillisecondType>(), TimeUnit::Milliseconds)
        }
        DataType::Timestamp(ArrowUnit::Microsecond, _) => {
            whole(column.as_primitive::<TimestampMicrosecondType>(), TimeUnit::Microseconds)
        }
        DataType::Timestamp(ArrowUnit::Nanosecond, _) => {
            whole(column.as_primitive::<TimestampNanosecondType>(), TimeUnit::Nanoseconds)
        }
        DataType::Date64 => whole(column.as_primitive::<Date64Type>(), TimeUnit::Milliseconds),
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>();
            let seconds = |&days: &i32| i64::from(days) * DAY_S;
            each(column, days.values(), |day| TimeUnit::Seconds.whole(seconds(day)))
        }
        DataType::Int64 => whole(column.as_primitive::<Int64Type>(), unit),
        data_type if content_of(data_type) == Content::Number => {
            each(column, &values(column), |&number| unit.fraction(number))
        }
        _ => {
            let texts = KeyColumn::new(column);
            let rows: Vec<_> = (0..column.len()).collect();
            each(column, &rows, |&row| time::text(&texts.text(row)))
                .map_err(|(row, _)| (row, texts.text(row).into_owned()))
        }
    }
}

fn whole<P: arrow_array::ArrowPrimitiveType<Native = i64>>(
    column: &PrimitiveArray<P>,
    unit: TimeUnit,
) -> Result<Vec<Timestamp>, (usize, String)> {
    each(column, column.values(), |&number| unit.whole(number))
}

fn each<T: std::fmt::Debug>(
    column: &dyn Array,
    cells: &[T],
    read: impl Fn(&T) -> Option<Timestamp>,
) -> Result<Vec<Timestamp>, (usize, String)> {
    let mut times = Vec::with_capacity(cells.len());
    for (row, cell) in cells.iter().enumerate() {
        match read(cell) {
            Some(at) => times.push(at),
            None if column.is_null(row) => times.push(Timestamp::MIN),
            None => return Err((row, format!("{cell:?}"))),
        }
    }
    Ok(times)
}

/// The numbers in a column, whatever where it is null.
pub(super) fn values(column: &ArrayRef) -> Cow<'_, [f64]> {
    macro_rules! converted {
        ($type:ty) => {
            column.as_primitive::<$type>().values().iter().map(|&value| f64::from(value)).collect()
        };
    }
    macro_rules! rounded {
        ($type:ty) => {
            column.as_primitive::<$type>().values().iter().map(|&value| value as f64).collect()
        };
    }
    match column.data_type() {
        DataType::Float64 => Cow::Borrowed(column.as_primitive::<Float64Type>().values()),
        DataType::Float32 => converted!(Float32Type),
        DataType::Int8 => converted!(Int8Type),
        DataType::Int16 => converted!(Int16Type),
        DataType::Int32 => converted!(Int32Type),
        DataType::Int64 => rounded!(Int64Type),
        DataType::UInt8 => converted!(UInt8Type),
        DataType::UInt16 => converted!(UInt16Type),
        DataType::UInt32 => converted!(UInt32Type),
        DataType::UInt64 => rounded!(UInt64Type),
        DataType::Boolean => {
            column.as_boolean().values().iter().map(|bit| f64::from(u8::from(bit))).collect()
        }
        // Columns of other types are not taken for values.
        _ => vec![f64::NAN; column.len()].into(),
    }
}

/// A column whose cells name a series.
pub(super) enum KeyColumn<'a> {
    Texts(Texts<'a>),
    /// Indices into a dictionary.
    Codes {
        column: &'a ArrayRef,
        codes: Vec<usize>,
        texts: Texts<'a>,
    },
    /// Numbers and times, as texts.
    Made(Vec<String>),
}

/// A column of texts.
pub(super) struct Texts<'a>(&'a dyn Array);

impl<'a> Texts<'a> {
    /// An empty one where there is none.
    fn at(&self, row: usize) -> &'a str {
        if self.0.is_null(row) {
            return "";
        }
        match self.0.data_type() {
            DataType::Utf8 => self.0.as_string::<i32>().value(row),
            DataType::LargeUtf8 => self.0.as_string::<i64>().value(row),
            DataType::Utf8View => self.0.as_string_view().value(row),
            _ => "",
        }
    }
}

impl<'a> KeyColumn<'a> {
    pub(super) fn new(column: &'a ArrayRef) -> Self {
        match column.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Texts(Texts(column)),
            DataType::Dictionary(..) => {
                let dictionary = column.as_any_dictionary();
                let texts = Texts(dictionary.values());
                let codes = if texts.0.is_empty() {
                    vec![0; column.len()]
                } else {
                    dictionary.normalized_keys()
                };
                Self::Codes { column, codes, texts }
            }
            _ => Self::Made(made(column)),
        }
    }

    /// Whether two rows have the same cell.
    #[inline]
    pub(super) fn is_same(&self, one: usize, other: usize) -> bool {
        match self {
            Self::Codes { column, codes, .. } if column.null_count() == 0 => {
                codes[one] == codes[other]
            }
            _ => self.text(one) == self.text(other),
        }
    }

    /// The cell as a text; empty where there is none.
    pub(super) fn text(&self, row: usize) -> Cow<'_, str> {
        match self {
            Self::Texts(texts) => Cow::Borrowed(texts.at(row)),
            Self::Codes { column, .. } if column.is_null(row) => Cow::Borrowed(""),
            Self::Codes { codes, texts, .. } => Cow::Borrowed(texts.at(codes[row])),
            Self::Made(texts) => Cow::Borrowed(&texts[row]),
        }
    }
}

/// The cells of a column that holds no texts, as texts.
fn made(column: &ArrayRef) -> Vec<String> {
    let cells = |text: &dyn Fn(usize) -> String| {
        let cell = |row| if column.is_null(row) { String::new() } else { text(row) };
        (0..column.len()).map(cell).collect()
    };
    macro_rules! digits {
        ($type:ty) => {{
            let numbers = column.as_primitive::<$type>();
            cells(&|row| numbers.value(row).to_string())
        }};
    }
    match column.data_type() {
        DataType::Int8 => digits!(Int8Type),
        DataType::Int16 => digits!(Int16Type),
        DataType::Int32 => digits!(Int32Type),
        DataType::Int64 => digits!(Int64Type),
        DataType::UInt8 => digits!(UInt8Type),
        DataType::UInt16 => digits!(UInt16Type),
        DataType::UInt32 => digits!(UInt32Type),
        DataType::UInt64 => digits!(UInt64Type),
        DataType::Float32 => digits!(Float32Type),
        DataType::Float64 => digits!(Float64Type),
        DataType::Boolean => cells(&|row| column.as_boolean().value(row).to_string()),
        data_type if content_of(data_type) == Content::Time => match times(column, None) {
            Ok(times) => cells(&|row| times[row].as_ms().to_string()),
            Err(_) => cells(&|_| String::new()),
        },
        // Columns of other types name no series.
        _ => cells(&|_| String::new()),
    }
}
