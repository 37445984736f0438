//! Results of `replay --scores`: one Parquet file with the judgements of all series.
//!
//! Series are known by their labels: as Prometheus writes them, in any order of labels. The file is read once, and what it has of
//! labelled series is kept, some 17 bytes for each of their rows.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMillisecondType, UInt32Type};
use bellwether_eventlog::{BoundedFile, pages};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};

use super::error::EvalError;
use super::results::ResultRows;
use crate::history::guard::held;
use crate::history::notation;

/// Its name in a folder of results.
pub(super) const FILE: &str = "scores.parquet";
/// The columns that matter, in the order of the file.
const COLUMNS: [&str; 4] = ["series", "timestamp", "score", "is_alert"];
/// Rows of a batch.
const BATCH_ROWS: usize = 1 << 14;

/// What is wrong within the library.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The rows of series by id.
#[derive(Debug, Clone, Default)]
pub struct Judgements(HashMap<String, ResultRows>);

impl Judgements {
    /// Reads what the file at `path` has of the series `ids`; those that are no labels of a series have nothing in it.
    ///
    /// # Errors
    /// When the file cannot be read, or is not one of `replay --scores`, or two ids are of the same series.
    pub(super) fn read<'a>(
        path: &Path,
        ids: impl Iterator<Item = &'a str>,
    ) -> Result<Self, EvalError> {
        let mut rows: HashMap<String, (String, ResultRows)> = HashMap::new();
        for id in ids {
            if let Some(labels) = notation::labels(id) {
                let empty = ResultRows { is_alert: Some(Vec::new()), ..ResultRows::default() };
                if let Some((other, _)) = rows.insert(labels.to_string(), (id.to_owned(), empty)) {
                    return Err(EvalError::Twice { id: id.to_owned(), other });
                }
            }
        }
        let refused = |source| EvalError::Scores { path: path.to_owned(), source };
        fill(path, &mut rows).map_err(refused)?;
        let rows = rows.into_values().filter(|(_, rows)| !rows.times_s.is_empty());
        Ok(Self(rows.collect()))
    }

    /// The rows of the series with this id, if it has any.
    pub(super) fn of(&self, id: &str) -> Option<&ResultRows> {
        self.0.get(id)
    }
}

fn fill(path: &Path, rows: &mut HashMap<String, (String, ResultRows)>) -> Result<(), Cause> {
    let file = File::open(path)?;
    let batches = held(|| -> Result<_, Cause> {
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::default())?;
        let columns = ProjectionMask::columns(metadata.parquet_schema(), COLUMNS);
        let is_read = |column| columns.leaf_included(column);
        pages::check(&file, metadata.metadata().row_groups(), is_read)?;
        let builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(BoundedFile(file), metadata);
        Ok(builder.with_projection(columns).with_batch_size(BATCH_ROWS).build()?)
    });
    let mut batches = batches?;
    while let Some(batch) = held(|| batches.next().transpose())? {
        add(&batch, rows).ok_or("columns are not those of a replay with --scores")?;
    }
    Ok(())
}

/// Adds the rows of a batch; `None` if it has other columns.
fn add(batch: &RecordBatch, rows: &mut HashMap<String, (String, ResultRows)>) -> Option<()> {
    let column = |name| batch.column_by_name(name);
    let series = column("series")?.as_dictionary_opt::<UInt32Type>()?;
    let names = series.values().as_string_opt::<i32>()?;
    let times = column("timestamp")?.as_primitive_opt::<TimestampMillisecondType>()?.values();
    let scores = column("score")?.as_primitive_opt::<Float64Type>()?.values();
    let alerts = column("is_alert")?.as_boolean_opt()?.values();
    let is_wanted: Vec<bool> =
        names.iter().map(|name| name.is_some_and(|name| rows.contains_key(name))).collect();
    for (row, &key) in series.keys().values().iter().enumerate() {
        let key = key as usize;
        if !is_wanted.get(key).copied()? {
            continue;
        }
        let (_, its) = rows.get_mut(names.value(key))?;
        its.times_s.push(times[row] as f64 / 1000.0);
        its.scores.push(if scores[row].is_finite() { scores[row] } else { 0.0 });
        its.is_alert.get_or_insert_default().push(alerts.value(row));
    }
    Some(())
}
