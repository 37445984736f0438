//! Arrow tables, as Parquet and Arrow IPC files hold them, turned into rows.

mod column;

use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_schema::Schema;
use bellwether_engine::NumberedSample;

use super::catalog::Catalog;
use super::error::{HistoryError, excerpt};
use super::input::Source;
use super::keys::SeriesKeys;
use super::layout::{Column, Content, Layout, LayoutError, Mapping};
use super::read::ReadCounts;
use super::time::TimeUnit;

use self::column::{KeyColumn, content_of, number_unit, times, values};

/// The rows of one file, batch by batch.
#[derive(Debug)]
pub(super) struct Table {
    source: Source,
    layout: Layout,
    /// Names of the columns of a batch.
    names: Vec<String>,
    all: Vec<Column>,
    whole: Layout,
    unit: Option<TimeUnit>,
    keys: SeriesKeys,
    counts: ReadCounts,
}

impl Table {
    /// The rows of a file with columns as in `schema`, of which its reader gives [`Table::columns`] only.
    pub(super) fn new(
        source: Source,
        schema: &Schema,
        mapping: &Mapping,
        catalog: Arc<Catalog>,
    ) -> Result<Self, HistoryError> {
        let column = |field: &Arc<arrow_schema::Field>| Column {
            name: field.name().clone(),
            content: content_of(field.data_type()),
        };
        let all: Vec<_> = schema.fields().iter().map(column).collect();
        let refused = |cause| HistoryError::Columns { path: source.path.clone(), source: cause };
        let whole = Layout::guess(&all, mapping, &source.stem).map_err(refused)?;
        let mut values = whole.values.iter().map(|value| &all[value.column]);
        if let Some(column) = values.find(|column| column.content != Content::Number) {
            let name = column.name.clone();
            return Err(refused(LayoutError::Content { name, expected: "numbers" }));
        }
        let layout = whole.projected();
        let names = whole.columns().into_iter().map(|column| all[column].name.clone()).collect();
        Ok(Self {
            keys: SeriesKeys::new(&layout, catalog, source.path.clone()),
            source,
            layout,
            names,
            all,
            whole,
            unit: mapping.time_unit,
            counts: ReadCounts::default(),
        })
    }

    /// The columns that are needed, by index into the schema.
    pub(super) fn columns(&self) -> Vec<usize> {
        self.whole.columns()
    }

    /// Those of them that name series, by index into the schema.
    pub(super) fn key_columns(&self) -> Vec<usize> {
        self.whole.keys()
    }

    /// Looks at the first batch; says what was decided.
    pub(super) fn look_at(&mut self, batch: Option<&RecordBatch>) -> String {
        let times = batch.map(|batch| batch.column(self.layout.time));
        let guess = times.and_then(number_unit);
        self.unit = guess.and(self.unit.or(guess));
        self.whole.describe(&self.all, self.unit)
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    pub(super) fn counts(&self) -> ReadCounts {
        self.counts
    }

    /// What a reader of `kind` complains about here.
    pub(super) fn damaged(&self, kind: &'static str, source: super::error::Cause) -> HistoryError {
        let path = self.source.path.clone();
        HistoryError::Format { path, kind, rows: self.counts.rows, source }
    }

    /// Appends the samples of `batch` to `rows`.
    pub(super) fn take(
        &mut self,
        batch: &RecordBatch,
        rows: &mut Vec<NumberedSample>,
    ) -> Result<(), HistoryError> {
        let first_row = self.counts.rows + 1;
        let path = &self.source.path;
        let refused =
            |row: usize, column: usize, expected: &'static str, value: String| HistoryError::Cell {
                path: path.clone(),
                row: first_row + row as u64,
                column: self.names[column].clone(),
                expected,
                value: excerpt(&value),
            };
        let times = times(batch.column(self.layout.time), self.unit)
            .map_err(|(row, value)| refused(row, self.layout.time, "time", value))?;
        let values: Vec<_> =
            self.layout.values.iter().map(|value| values(batch.column(value.column))).collect();
        let keys: Vec<KeyColumn> = self
            .layout
            .keys()
            .into_iter()
            .map(|column| KeyColumn::new(batch.column(column)))
            .collect();
        let nulls = |column: usize| batch.column(column).nulls();
        let time_nulls = nulls(self.layout.time);
        let value_nulls: Vec<_> =
            self.layout.values.iter().map(|value| nulls(value.column)).collect();
        rows.reserve(batch.num_rows() * values.len());
        let mut last: Option<(usize, u32)> = None;
        for row in 0..batch.num_rows() {
            if time_nulls.is_some_and(|nulls| nulls.is_null(row)) {
                self.counts.rows_without_time += 1;
                continue;
            }
            let place = match last {
                Some((before, place)) if keys.iter().all(|key| key.is_same(before, row)) => place,
                _ => {
                    let cells = keys.iter().map(|key| key.text(row));
                    self.keys.find(cells, first_row + row as u64)?
                }
            };
            last = Some((row, place));
            let columns = values.iter().zip(&value_nulls).zip(self.keys.at(place));
            for ((values, nulls), &series) in columns {
                if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                    self.counts.empty_values += 1;
                    continue;
                }
                self.counts.samples += 1;
                rows.push(NumberedSample { at: times[row], value: values[row], series });
            }
        }
        self.counts.rows += batch.num_rows() as u64;
        Ok(())
    }
}
