//! JSON lines: a sample a line, or a series a line as `VictoriaMetrics` exports them.
//!
//! ```json
//! {"metric": "up", "labels": {"job": "a"}, "timestamp": 1750032000, "value": 1}
//! {"metric": {"__name__": "up", "job": "a"}, "timestamps": [1750032000000], "values": [1]}
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;

use bellwether_engine::NumberedSample;
use bellwether_series::{LabelSet, METRIC_NAME, Timestamp};
use serde::Deserialize;

use super::catalog::Catalog;
use super::error::{Cause, HistoryError};
use super::input::Source;
use super::notation;
use super::read::{HistoryReader, ReadCounts};
use super::time::{self, TimeUnit};

/// Longest line, in bytes: a series of a year with a sample a minute is shorter.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Samples given at a time, unless a line has more.
const BATCH_ROWS: usize = 4096;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    metric: Metric<'a>,
    #[serde(default, borrow)]
    labels: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    #[serde(default, borrow)]
    timestamp: Option<Time<'a>>,
    #[serde(default, borrow)]
    value: Option<Value<'a>>,
    #[serde(default, borrow)]
    timestamps: Vec<Time<'a>>,
    #[serde(default, borrow)]
    values: Vec<Option<Value<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a metric name, or labels with `__name__`")]
enum Metric<'a> {
    Name(#[serde(borrow)] Cow<'a, str>),
    Labels(#[serde(borrow)] BTreeMap<Cow<'a, str>, Cow<'a, str>>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a time")]
enum Time<'a> {
    Whole(i64),
    Fraction(f64),
    Text(#[serde(borrow)] Cow<'a, str>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a number")]
enum Value<'a> {
    Number(f64),
    Text(#[serde(borrow)] Cow<'a, str>),
}

/// A file of JSON lines.
pub(super) struct JsonReader {
    path: PathBuf,
    source: Source,
    reader: BufReader<Box<dyn Read + Send>>,
    catalog: Arc<Catalog>,
    unit: Option<TimeUnit>,
    line: Vec<u8>,
    /// The labels of the line before, and their number.
    last: Option<(LabelSet, u32)>,
    counts: ReadCounts,
}

impl JsonReader {
    pub(super) fn open(
        source: Source,
        unit: Option<TimeUnit>,
        catalog: Arc<Catalog>,
    ) -> Result<Self, HistoryError> {
        let reader = BufReader::new(source.text()?);
        Ok(Self {
            path: source.path.clone(),
            source,
            reader,
            catalog,
            unit,
            line: Vec::new(),
            last: None,
            counts: ReadCounts::default(),
        })
    }

    /// Reads the next line; false at the end.
    fn advance(&mut self) -> Result<bool, HistoryError> {
        self.line.clear();
        let mut limited = self.reader.by_ref().take(LINE_BYTES_MAX as u64 + 1);
        limited.read_until(b'\n', &mut self.line).map_err(HistoryError::file(&self.path))?;
        if self.line.len() > LINE_BYTES_MAX {
            let (path, line) = (self.path.clone(), self.counts.rows + 1);
            return Err(HistoryError::LongLine { path, line, limit_bytes: LINE_BYTES_MAX });
        }
        Ok(!self.line.is_empty())
    }

    fn take(&mut self, rows: &mut Vec<NumberedSample>) -> Result<(), HistoryError> {
        self.counts.rows += 1;
        if self.line.trim_ascii().is_empty() {
            return Ok(());
        }
        let (path, line) = (&self.path, self.counts.rows);
        let refused = |source: Cause| HistoryError::Line { path: path.clone(), line, source };
        let parsed: Line<'_> =
            serde_json::from_slice(&self.line).map_err(|source| refused(source.into()))?;
        let labels = labels(&parsed)
            .ok_or_else(|| refused("metric is no series in Prometheus' notation".into()))?
            .map_err(|source| HistoryError::Labels { path: path.clone(), row: line, source })?;
        let series = match &self.last {
            Some((last, number)) if *last == labels => *number,
            _ => self.catalog.number(labels.clone())?,
        };
        self.last = Some((labels, series));
        if parsed.timestamps.len() != parsed.values.len() {
            return Err(refused("timestamps and values are not equally many".into()));
        }
        let one = parsed.timestamp.iter().map(|time| (time, parsed.value.as_ref()));
        let many = parsed.timestamps.iter().zip(parsed.values.iter().map(Option::as_ref));
        if parsed.timestamp.is_none() && parsed.timestamps.is_empty() {
            self.counts.rows_without_time += 1;
        }
        for (time, value) in one.chain(many) {
            let at =
                at(time, &mut self.unit).ok_or_else(|| refused("timestamp is no time".into()))?;
            let value = match value {
                None => None,
                Some(Value::Number(number)) => Some(*number),
                Some(Value::Text(text)) => {
                    Some(text.parse().map_err(|_| refused("value is no number".into()))?)
                }
            };
            if let Some(value) = value {
                self.counts.samples += 1;
                rows.push(NumberedSample { at, value, series });
            } else {
                self.counts.empty_values += 1;
            }
        }
        Ok(())
    }
}

impl HistoryReader for JsonReader {
    fn read(&mut self, rows: &mut Vec<NumberedSample>) -> Result<bool, HistoryError> {
        let enough = rows.len() + BATCH_ROWS;
        while rows.len() < enough {
            if !self.advance()? {
                return Ok(false);
            }
            self.take(rows)?;
        }
        Ok(true)
    }

    fn done_bytes(&self) -> u64 {
        self.source.done_bytes()
    }

    fn counts(&self) -> ReadCounts {
        self.counts
    }
}

/// The labels of a line; `None` if its metric is no series.
fn labels(line: &Line<'_>) -> Option<Result<LabelSet, bellwether_series::LabelError>> {
    let own = line.labels.iter().map(|(name, value)| (&**name, &**value));
    Some(match &line.metric {
        Metric::Name(name) if name.contains('{') => {
            let parsed = notation::parse(name)?;
            let parsed = parsed.iter().map(|(name, value)| (&**name, &**value));
            LabelSet::from_pairs(parsed.chain(own))
        }
        Metric::Name(name) => LabelSet::from_pairs([(METRIC_NAME, &**name)].into_iter().chain(own)),
        Metric::Labels(all) => {
            LabelSet::from_pairs(all.iter().map(|(name, value)| (&**name, &**value)).chain(own))
        }
    })
}

/// The first number decides about the unit, unless it is known.
fn at(time: &Time<'_>, unit: &mut Option<TimeUnit>) -> Option<Timestamp> {
    match time {
        Time::Whole(number) => {
            unit.get_or_insert_with(|| TimeUnit::guess(*number as f64)).whole(*number)
        }
        Time::Fraction(number) => {
            unit.get_or_insert_with(|| TimeUnit::guess(*number)).fraction(*number)
        }
        Time::Text(text) => time::text(text),
    }
}
