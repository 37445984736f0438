//! CSV with a header line: comma, semicolon or tab.

use std::collections::VecDeque;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use bellwether_engine::NumberedSample;
use bellwether_series::Timestamp;
use csv::{ReaderBuilder, StringRecord};

use super::catalog::Catalog;
use super::error::{HistoryError, excerpt};
use super::input::Source;
use super::keys::SeriesKeys;
use super::layout::{Column, Content, Layout, Mapping};
use super::read::{HistoryReader, ReadCounts};
use super::time::{self, TimeUnit};

/// Rows that are looked at before anything is decided.
const LOOKED_AT_ROWS: usize = 100;
/// Rows given at a time.
const BATCH_ROWS: usize = 4096;
/// What people write where there is no value.
const EMPTY_WORDS: [&str; 7] = ["", "null", "NULL", "None", "N/A", "n/a", "-"];

/// A CSV file.
pub(super) struct CsvReader {
    path: PathBuf,
    source: Source,
    reader: csv::Reader<Box<dyn Read + Send>>,
    header: StringRecord,
    layout: Layout,
    key_columns: Vec<usize>,
    /// The unit of times that are numbers; the others are texts.
    unit: Option<TimeUnit>,
    keys: SeriesKeys,
    looked_at: VecDeque<StringRecord>,
    record: StringRecord,
    counts: ReadCounts,
    note: String,
}

impl CsvReader {
    pub(super) fn open(
        source: Source,
        mapping: &Mapping,
        catalog: Arc<Catalog>,
    ) -> Result<Self, HistoryError> {
        let path = source.path.clone();
        let (text, delimiter) = source.with_delimiter()?;
        let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(text);
        let damaged = |source: csv::Error| HistoryError::Format {
            path: path.clone(),
            kind: "CSV",
            rows: 0,
            source: source.into(),
        };
        let header = reader.headers().map_err(damaged)?.clone();
        let mut looked_at = VecDeque::new();
        while looked_at.len() < LOOKED_AT_ROWS {
            let mut record = StringRecord::new();
            if !reader.read_record(&mut record).map_err(damaged)? {
                break;
            }
            looked_at.push_back(record);
        }
        let cells = |column: usize| {
            let cells = looked_at.iter().filter_map(move |record| record.get(column));
            cells.map(str::trim).filter(|cell| !EMPTY_WORDS.contains(cell))
        };
        let column = |(index, name): (usize, &str)| Column {
            name: name.trim().trim_start_matches('\u{feff}').to_owned(),
            content: content(cells(index)),
        };
        let columns: Vec<_> = header.iter().enumerate().map(column).collect();
        let layout = Layout::guess(&columns, mapping, &source.stem)
            .map_err(|source| HistoryError::Columns { path: path.clone(), source })?;
        let unit = cells(layout.time).find_map(|cell| cell.parse().ok()).map(TimeUnit::guess);
        let unit = unit.and(mapping.time_unit.or(unit));
        let note = layout.describe(&columns, unit);
        Ok(Self {
            keys: SeriesKeys::new(&layout, catalog, path.clone()),
            key_columns: layout.keys(),
            path,
            source,
            reader,
            header,
            layout,
            unit,
            looked_at,
            record: StringRecord::new(),
            counts: ReadCounts::default(),
            note,
        })
    }

    /// What was decided about columns.
    pub(super) fn note(&self) -> &str {
        &self.note
    }

    /// Reads the next record; false at the end.
    fn advance(&mut self) -> Result<bool, HistoryError> {
        if let Some(record) = self.looked_at.pop_front() {
            self.record = record;
            return Ok(true);
        }
        self.reader.read_record(&mut self.record).map_err(|source| HistoryError::Format {
            path: self.path.clone(),
            kind: "CSV",
            rows: self.counts.rows,
            source: source.into(),
        })
    }

    fn take(&mut self, rows: &mut Vec<NumberedSample>) -> Result<(), HistoryError> {
        self.counts.rows += 1;
        let record = &self.record;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |column: usize| record.get(column).unwrap_or_default().trim();
        let refused = |column: usize, expected: &'static str| HistoryError::Cell {
            path: self.path.clone(),
            row: line,
            column: self.header.get(column).unwrap_or_default().to_owned(),
            expected,
            value: excerpt(cell(column)),
        };
        let time_cell = cell(self.layout.time);
        if EMPTY_WORDS.contains(&time_cell) {
            self.counts.rows_without_time += 1;
            return Ok(());
        }
        let at = at(time_cell, self.unit).ok_or_else(|| refused(self.layout.time, "time"))?;
        let place = self.keys.find(self.key_columns.iter().map(|&column| cell(column)), line)?;
        for (value, &series) in self.layout.values.iter().zip(self.keys.at(place)) {
            let text = cell(value.column);
            match text.parse() {
                Ok(value) => {
                    self.counts.samples += 1;
                    rows.push(NumberedSample { at, value, series });
                }
                Err(_) if EMPTY_WORDS.contains(&text) => self.counts.empty_values += 1,
                Err(_) => return Err(refused(value.column, "number")),
            }
        }
        Ok(())
    }
}

impl HistoryReader for CsvReader {
    fn read(&mut self, rows: &mut Vec<NumberedSample>) -> Result<bool, HistoryError> {
        for _ in 0..BATCH_ROWS {
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

fn at(cell: &str, unit: Option<TimeUnit>) -> Option<Timestamp> {
    unit.and_then(|unit| unit.digits(cell)).or_else(|| time::text(cell))
}

/// What a column with these cells holds.
fn content<'a>(mut cells: impl Iterator<Item = &'a str> + Clone) -> Content {
    if cells.clone().all(|cell| cell.parse::<f64>().is_ok()) {
        Content::Number
    } else if cells.all(|cell| time::text(cell).is_some()) {
        Content::Time
    } else {
        Content::Text
    }
}
