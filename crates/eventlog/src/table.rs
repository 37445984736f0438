//! Events as a table: the columns of the Parquet files, into them and out of them.
//!
//! A column has the name of the event's JSON field; `metric`, the metric name on its own, is there for those
//! who query. [`encode`] is the one place that names the columns and their types.

use std::io::Write;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, MapArray, RecordBatch,
    StringArray, StructArray, TimestampMillisecondArray,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{ArrowError, DataType, Field, Fields, SchemaRef};
use bellwether_detect::{DetectorName, Severity};
use bellwether_engine::{ChangeKind, DetectorEvidence, Event, ResolveReason, SignalKind};
use bellwether_series::{LabelError, LabelSet, Timestamp};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::{FileMetaData, KeyValue};
use parquet::file::properties::WriterProperties;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::de::value::StrDeserializer;

/// Version of the columns; each file says which it has.
pub(crate) const FORMAT_VERSION: &str = "1";
const FORMAT_KEY: &str = "bellwether.event_log.version";
/// Few, because the writer holds a group in memory until it is complete, and touches several times as much on the way.
pub(crate) const ROW_GROUP_ROWS: usize = 512;

/// Begins a Parquet file of events.
pub(crate) fn writer<W: Write + Send>(out: W) -> Result<ArrowWriter<W>, ParquetError> {
    let version = KeyValue::new(FORMAT_KEY.to_owned(), FORMAT_VERSION.to_owned());
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_key_value_metadata(Some(vec![version]))
        .build();
    ArrowWriter::try_new(out, schema()?, Some(properties))
}

/// The version of the columns that a file says it has.
pub(crate) fn version_of(file: &FileMetaData) -> Option<&str> {
    let pair = file.key_value_metadata()?.iter().find(|pair| pair.key == FORMAT_KEY)?;
    pair.value.as_deref()
}

fn schema() -> Result<SchemaRef, ArrowError> {
    Ok(encode(&[])?.schema())
}

/// Turns events into rows.
pub(crate) fn encode(events: &[Arc<Event>]) -> Result<RecordBatch, ArrowError> {
    let whole = |of: fn(&Event) -> u32| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(events.iter().map(|event| i64::from(of(event)))))
    };
    let number = |of: fn(&Event) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(events.iter().map(|event| of(event))))
    };
    let text = |of: fn(&Event) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(events.iter().map(|event| of(event))))
    };
    let words = |of: fn(&Event) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(events.iter().map(|event| of(event))))
    };
    let time = |of: fn(&Event) -> Option<Timestamp>| -> ArrayRef {
        let times = events.iter().map(|event| of(event).map(Timestamp::as_ms));
        Arc::new(times.collect::<TimestampMillisecondArray>().with_timezone("UTC"))
    };
    let raised_by = |event: &Arc<Event>| Some(event.threshold_raised_by).filter(|&by| by > 0.0);
    let raised_by: Float64Array = events.iter().map(raised_by).collect();
    let reason: StringArray = events.iter().map(|event| event.reason.map(word)).collect();
    let alert: BooleanArray = events.iter().map(|event| Some(event.alert)).collect();

    RecordBatch::try_from_iter_with_nullable([
        ("version", whole(|event| event.version), false),
        ("id", text(|event| &event.id), false),
        ("episode_id", words(|event| event.episode_id.to_string()), false),
        ("sequence", whole(|event| event.sequence), false),
        ("change", words(|event| word(event.change)), false),
        ("severity", text(|event| event.severity.as_str()), false),
        ("reason", Arc::new(reason), true),
        ("alert", Arc::new(alert), false),
        ("at_ms", time(|event| Some(event.at_ms)), false),
        ("starts_at_ms", time(|event| Some(event.starts_at_ms)), false),
        ("ends_at_ms", time(|event| event.ends_at_ms), true),
        ("rule", text(|event| &event.rule), false),
        ("metric", text(|event| event.labels.metric_name()), false),
        ("fingerprint", words(|event| event.fingerprint.to_string()), false),
        ("labels", Arc::new(labels(events)?), false),
        ("signal", words(|event| word(event.signal)), false),
        ("value", number(|event| event.value), false),
        ("expected", number(|event| event.expected), false),
        ("lower", number(|event| event.lower), false),
        ("upper", number(|event| event.upper), false),
        ("surprise", number(|event| event.surprise), false),
        ("peak_surprise", number(|event| event.peak_surprise), false),
        ("threshold", number(|event| event.threshold), false),
        ("threshold_raised_by", Arc::new(raised_by), true),
        ("detectors", Arc::new(detectors(events)?), false),
        ("config_digest", text(|event| &event.config_digest), false),
        ("state_digest", words(|event| event.state_digest.to_string()), false),
        ("explanation", text(|event| &event.explanation), false),
    ])
}

fn labels(events: &[Arc<Event>]) -> Result<MapArray, ArrowError> {
    let pairs: Vec<_> = events.iter().flat_map(|event| event.labels.iter()).collect();
    let names = StringArray::from_iter_values(pairs.iter().map(|&(name, _)| name));
    let values = StringArray::from_iter_values(pairs.iter().map(|&(_, value)| value));
    let fields: Fields =
        ["key", "value"].into_iter().map(|name| Field::new(name, DataType::Utf8, false)).collect();
    let offsets =
        OffsetBuffer::from_lengths(events.iter().map(|event| event.labels.iter().count()));
    let entries = StructArray::try_new(fields, vec![Arc::new(names), Arc::new(values)], None)?;
    let entry = Field::new("key_value", entries.data_type().clone(), false);
    MapArray::try_new(Arc::new(entry), offsets, entries, None, false)
}

fn detectors(events: &[Arc<Event>]) -> Result<ListArray, ArrowError> {
    let all: Vec<_> = events.iter().flat_map(|event| &event.detectors).collect();
    let number = |of: fn(&DetectorEvidence) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(all.iter().map(|evidence| of(evidence))))
    };
    let names = StringArray::from_iter_values(all.iter().map(|evidence| evidence.name.as_str()));
    let columns: [(&str, ArrayRef); 5] = [
        ("name", Arc::new(names)),
        ("surprise", number(|evidence| evidence.surprise)),
        ("expected", number(|evidence| evidence.expected)),
        ("lower", number(|evidence| evidence.lower)),
        ("upper", number(|evidence| evidence.upper)),
    ];
    let field =
        |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), false);
    let fields: Fields = columns.iter().map(field).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let offsets = OffsetBuffer::from_lengths(events.iter().map(|event| event.detectors.len()));
    let elements = StructArray::try_new(fields, arrays, None)?;
    let element = Field::new("element", elements.data_type().clone(), false);
    ListArray::try_new(Arc::new(element), offsets, Arc::new(elements), None)
}

/// Why a row is not an event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// A column is missing, or holds another type or nothing.
    #[error("column is missing, empty or of another type: column=`{0}`")]
    Column(&'static str),
    /// A word or number that is not known here.
    #[error("value is not known: column=`{column}`, value=`{value}`")]
    Value {
        /// The column.
        column: &'static str,
        /// What it holds.
        value: String,
    },
    /// The labels are none.
    #[error("labels are not a series' labels")]
    Labels(#[source] LabelError),
}

/// Turns row `row` of `batch`, which has so many, back into an event.
pub(crate) fn decode(batch: &RecordBatch, row: usize) -> Result<Event, RowError> {
    let row = Row { columns: Columns::Batch(batch), row };
    Ok(Event {
        version: row.whole("version")?,
        id: row.text("id")?.to_owned(),
        episode_id: row.word("episode_id")?,
        sequence: row.whole("sequence")?,
        change: row.word::<ChangeKind>("change")?,
        severity: row.word::<Severity>("severity")?,
        reason: row.maybe("reason", Row::word::<ResolveReason>)?,
        alert: row.flag("alert")?,
        at_ms: row.time("at_ms")?,
        starts_at_ms: row.time("starts_at_ms")?,
        ends_at_ms: row.maybe("ends_at_ms", Row::time)?,
        rule: row.text("rule")?.into(),
        fingerprint: row.word("fingerprint")?,
        labels: row.labels("labels")?,
        signal: row.word::<SignalKind>("signal")?,
        value: row.number("value")?,
        expected: row.number("expected")?,
        lower: row.number("lower")?,
        upper: row.number("upper")?,
        surprise: row.number("surprise")?,
        peak_surprise: row.number("peak_surprise")?,
        threshold: row.number("threshold")?,
        // Files from before there was such a column have none.
        threshold_raised_by: row.maybe("threshold_raised_by", Row::number)?.unwrap_or(0.0),
        detectors: row.detectors("detectors")?,
        config_digest: row.text("config_digest")?.into(),
        state_digest: row.word("state_digest")?,
        explanation: row.text("explanation")?.to_owned(),
    })
}

#[derive(Clone, Copy)]
enum Columns<'a> {
    Batch(&'a RecordBatch),
    Struct(&'a StructArray),
}

/// One row, its columns looked up by name.
#[derive(Clone, Copy)]
struct Row<'a> {
    columns: Columns<'a>,
    row: usize,
}

impl<'a> Row<'a> {
    /// The column `name`, if this row has a value in it.
    fn value_in(&self, name: &'static str) -> Option<&'a ArrayRef> {
        let column = match self.columns {
            Columns::Batch(batch) => batch.column_by_name(name),
            Columns::Struct(array) => array.column_by_name(name),
        };
        column.filter(|column| column.is_valid(self.row))
    }

    fn maybe<T>(
        &self,
        name: &'static str,
        read: impl Fn(&Self, &'static str) -> Result<T, RowError>,
    ) -> Result<Option<T>, RowError> {
        self.value_in(name).map(|_| read(self, name)).transpose()
    }

    fn primitive<P: ArrowPrimitiveType>(&self, name: &'static str) -> Result<P::Native, RowError> {
        let column = self.value_in(name).and_then(|column| column.as_primitive_opt::<P>());
        column.map(|column| column.value(self.row)).ok_or(RowError::Column(name))
    }

    fn number(&self, name: &'static str) -> Result<f64, RowError> {
        self.primitive::<Float64Type>(name)
    }

    fn whole(&self, name: &'static str) -> Result<u32, RowError> {
        let value = self.primitive::<Int64Type>(name)?;
        u32::try_from(value).map_err(|_| RowError::Value { column: name, value: value.to_string() })
    }

    fn time(&self, name: &'static str) -> Result<Timestamp, RowError> {
        self.primitive::<TimestampMillisecondType>(name).map(Timestamp::from_ms)
    }

    fn flag(&self, name: &'static str) -> Result<bool, RowError> {
        let column = self.value_in(name).and_then(|column| column.as_boolean_opt());
        column.map(|column| column.value(self.row)).ok_or(RowError::Column(name))
    }

    fn text(&self, name: &'static str) -> Result<&'a str, RowError> {
        let column = self.value_in(name).and_then(|column| column.as_string_opt::<i32>());
        column.map(|column| column.value(self.row)).ok_or(RowError::Column(name))
    }

    fn word<T: DeserializeOwned>(&self, name: &'static str) -> Result<T, RowError> {
        let text = self.text(name)?;
        T::deserialize(StrDeserializer::<serde::de::value::Error>::new(text))
            .map_err(|_| RowError::Value { column: name, value: text.to_owned() })
    }

    fn labels(&self, name: &'static str) -> Result<LabelSet, RowError> {
        let column = self.value_in(name).and_then(|column| column.as_map_opt());
        let entries = column.map(|column| column.value(self.row)).ok_or(RowError::Column(name))?;
        let part = |at: usize| {
            let column = entries.columns().get(at).and_then(|column| column.as_string_opt::<i32>());
            column.ok_or(RowError::Column(name))
        };
        let pairs = part(0)?.iter().flatten().zip(part(1)?.iter().map(Option::unwrap_or_default));
        LabelSet::from_pairs(pairs).map_err(RowError::Labels)
    }

    fn detectors(&self, name: &'static str) -> Result<Vec<DetectorEvidence>, RowError> {
        let column = self.value_in(name).and_then(|column| column.as_list_opt::<i32>());
        let elements = column.map(|column| column.value(self.row));
        let elements = elements.as_ref().and_then(|elements| elements.as_struct_opt());
        let elements = elements.ok_or(RowError::Column(name))?;
        let evidence = |row| {
            let row = Row { columns: Columns::Struct(elements), row };
            Ok(DetectorEvidence {
                name: row.word::<DetectorName>("name")?,
                surprise: row.number("surprise")?,
                expected: row.number("expected")?,
                lower: row.number("lower")?,
                upper: row.number("upper")?,
            })
        };
        (0..elements.len()).map(evidence).collect()
    }
}

/// The word by which JSON and configuration call `value`, a variant without fields.
fn word<T: Serialize + Copy>(value: T) -> String {
    struct Word<T>(T);
    impl<T: Serialize> std::fmt::Display for Word<T> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.serialize(f)
        }
    }
    Word(value).to_string()
}

#[cfg(test)]
mod tests;
