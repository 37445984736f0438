//! The same samples written in each format.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use bellwether_series::LabelSet;
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression as ParquetCompression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::json;

/// A sample of a series with a metric name and, unless it is empty, a host.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    pub(super) metric: String,
    pub(super) host: String,
    pub(super) at_ms: i64,
    pub(super) value: Option<f64>,
}

impl Sample {
    fn series(&self) -> String {
        let pairs = [("__name__", &*self.metric), ("host", &*self.host)];
        LabelSet::from_pairs(pairs).expect("labels").to_string()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    LongCsv,
    WideCsvGzip,
    JsonLines,
    SeriesLines,
    LongParquet,
    WideParquet,
    ArrowFile,
    ArrowStream,
}

impl Format {
    pub(super) const ALL: [Self; 8] = [
        Self::LongCsv,
        Self::WideCsvGzip,
        Self::JsonLines,
        Self::SeriesLines,
        Self::LongParquet,
        Self::WideParquet,
        Self::ArrowFile,
        Self::ArrowStream,
    ];

    pub(super) fn file_name(self) -> &'static str {
        match self {
            Self::LongCsv => "long.csv",
            Self::WideCsvGzip => "wide.csv.gz",
            Self::JsonLines => "samples.jsonl",
            Self::SeriesLines => "series.jsonl",
            Self::LongParquet => "long.parquet",
            Self::WideParquet => "wide.parquet",
            Self::ArrowFile => "long.arrow",
            Self::ArrowStream => "wide.arrows",
        }
    }
}

/// Writes `samples` in their order, as far as the format has one.
pub(super) fn write(format: Format, samples: &[Sample], path: &Path) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
    let mut file = File::create(path).expect("the file can be made");
    match format {
        Format::LongCsv => file.write_all(long_csv(samples).as_bytes()).expect("a file"),
        Format::WideCsvGzip => {
            let mut encoder = GzEncoder::new(file, Compression::best());
            encoder.write_all(wide_csv(samples).as_bytes()).expect("a file");
            encoder.finish().expect("a file");
        }
        Format::JsonLines => file.write_all(json_lines(samples).as_bytes()).expect("a file"),
        Format::SeriesLines => file.write_all(series_lines(samples).as_bytes()).expect("a file"),
        Format::LongParquet => parquet(file, &long_table(samples)),
        Format::WideParquet => parquet(file, &wide_table(samples)),
        Format::ArrowFile => {
            let table = long_table(samples);
            let mut writer = FileWriter::try_new(file, &table.schema()).expect("a file");
            writer.write(&table).expect("a file");
            writer.finish().expect("a file");
        }
        Format::ArrowStream => {
            let table = wide_table(samples);
            let mut writer = StreamWriter::try_new(file, &table.schema()).expect("a file");
            writer.write(&table).expect("a file");
            writer.finish().expect("a file");
        }
    }
}

fn long_csv(samples: &[Sample]) -> String {
    let mut text = "timestamp,metric,host,value\n".to_owned();
    for Sample { metric, host, at_ms, value } in samples {
        let at = jiff::Timestamp::from_millisecond(*at_ms).expect("a time");
        let value = value.map(|value| value.to_string()).unwrap_or_default();
        writeln!(text, "{at},{metric},\"{}\",{value}", host.replace('"', "\"\"")).expect("text");
    }
    text
}

/// A time, and a value of each series.
type WideRow = (i64, Vec<Option<f64>>);

/// The names of all series, and rows of a time with some of them. Samples that come one behind the other and have a time in
/// common share a row.
fn wide(samples: &[Sample]) -> (Vec<String>, Vec<WideRow>) {
    let mut series: Vec<String> = samples.iter().map(Sample::series).collect();
    series.sort();
    series.dedup();
    let mut rows: Vec<WideRow> = Vec::new();
    for sample in samples {
        let column = series.binary_search(&sample.series()).expect("a series");
        if let Some((at_ms, row)) = rows.last_mut()
            && *at_ms == sample.at_ms
            && row[column].is_none()
        {
            row[column] = sample.value;
            continue;
        }
        let mut row = vec![None; series.len()];
        row[column] = sample.value;
        rows.push((sample.at_ms, row));
    }
    (series, rows)
}

fn wide_csv(samples: &[Sample]) -> String {
    let (series, rows) = wide(samples);
    let mut text = "time".to_owned();
    for name in series {
        write!(text, ";\"{}\"", name.replace('"', "\"\"")).expect("text");
    }
    text.push('\n');
    for (at_ms, row) in rows {
        write!(text, "{}.{:03}", at_ms.div_euclid(1000), at_ms.rem_euclid(1000)).expect("text");
        for value in row {
            write!(text, ";{}", value.map(|value| value.to_string()).unwrap_or_default())
                .expect("text");
        }
        text.push('\n');
    }
    text
}

/// A number, or a text for what JSON has no number for.
fn json_value(value: Option<f64>) -> serde_json::Value {
    match value {
        Some(value) if !value.is_finite() => json!(value.to_string()),
        value => json!(value),
    }
}

fn json_lines(samples: &[Sample]) -> String {
    let line = |Sample { metric, host, at_ms, value }: &Sample| {
        let value = json_value(*value);
        let labels = if host.is_empty() { json!({}) } else { json!({ "host": host }) };
        json!({ "metric": metric, "labels": labels, "timestamp": at_ms, "value": value })
    };
    samples.iter().map(|sample| line(sample).to_string() + "\n").collect()
}

fn series_lines(samples: &[Sample]) -> String {
    let mut text = String::new();
    let key = |sample: &Sample| (sample.metric.clone(), sample.host.clone());
    let mut all: Vec<_> = samples.iter().map(key).collect();
    all.sort();
    all.dedup();
    for (metric, host) in all {
        let own: Vec<_> =
            samples.iter().filter(|one| one.metric == metric && one.host == host).collect();
        let labels = if host.is_empty() {
            json!({ "__name__": metric })
        } else {
            json!({ "__name__": metric, "host": host })
        };
        let values: Vec<_> = own.iter().map(|one| json_value(one.value)).collect();
        let timestamps: Vec<_> = own.iter().map(|one| one.at_ms).collect();
        let line = json!({ "metric": labels, "values": values, "timestamps": timestamps });
        writeln!(text, "{line}").expect("text");
    }
    text
}

fn long_table(samples: &[Sample]) -> RecordBatch {
    let times = samples.iter().map(|sample| sample.at_ms * 1000);
    let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("Europe/Berlin");
    let metrics: DictionaryArray<Int32Type> =
        samples.iter().map(|sample| Some(&*sample.metric)).collect();
    let host = |sample: &Sample| Some(sample.host.clone()).filter(|host| !host.is_empty());
    let hosts: StringArray = samples.iter().map(host).collect();
    let values: Float64Array = samples.iter().map(|sample| sample.value).collect();
    let columns: [(&str, ArrayRef, bool); 5] = [
        ("value", Arc::new(values), true),
        ("host", Arc::new(hosts), true),
        ("timestamp", Arc::new(times), false),
        ("metric", Arc::new(metrics), false),
        ("is_anomaly", Arc::new(Int64Array::from(vec![0; samples.len()])), false),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).expect("a table")
}

fn wide_table(samples: &[Sample]) -> RecordBatch {
    let (series, rows) = wide(samples);
    let times = rows.iter().map(|(at_ms, _)| at_ms * 1_000_000);
    let times: ArrayRef = Arc::new(TimestampNanosecondArray::from_iter_values(times));
    let values = |column: usize| -> ArrayRef {
        Arc::new(rows.iter().map(|(_, row)| row[column]).collect::<Float64Array>())
    };
    let columns = series.iter().enumerate().map(|(column, name)| (&**name, values(column), true));
    let all = columns.chain([("ts", times, false)]);
    RecordBatch::try_from_iter_with_nullable(all).expect("a table")
}

fn parquet(file: File, table: &RecordBatch) {
    let properties = WriterProperties::builder()
        .set_compression(ParquetCompression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(500))
        .build();
    let mut writer = ArrowWriter::try_new(file, table.schema(), Some(properties)).expect("a file");
    writer.write(table).expect("a file");
    writer.close().expect("a file");
}
