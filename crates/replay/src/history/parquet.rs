//! Parquet files. Only the columns that are needed are read, texts as indices into dictionaries.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema};
use bellwether_engine::NumberedSample;
use bellwether_eventlog::{BoundedFile, pages};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;

use super::catalog::Catalog;
use super::error::{Cause, HistoryError};
use super::guard::held;
use super::input::Source;
use super::layout::Mapping;
use super::read::{HistoryReader, ReadCounts};
use super::table::Table;

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

struct ParquetReader {
    table: Table,
    batches: ParquetRecordBatchReader,
    /// The batch that was looked at already.
    first: Option<RecordBatch>,
    total_rows: u64,
}

/// A reader of a Parquet file, and what was decided about columns.
pub(super) fn open_parquet(
    source: Source,
    mapping: &Mapping,
    catalog: Arc<Catalog>,
) -> Result<(Box<dyn HistoryReader>, String), HistoryError> {
    let (file, path) = (source.file()?, source.path.clone());
    let damaged = |source: Cause| HistoryError::Format {
        path: path.clone(),
        kind: "Parquet file",
        rows: 0,
        source,
    };
    let load = |options| held(|| ArrowReaderMetadata::load(&file, options));
    let metadata = load(ArrowReaderOptions::new()).map_err(damaged)?;
    let mut table = Table::new(source, metadata.schema(), mapping, catalog)?;
    let hinted = with_dictionaries(metadata.schema(), &table.key_columns());
    // What the file cannot give as a dictionary comes as it is.
    let metadata = load(ArrowReaderOptions::new().with_schema(hinted)).unwrap_or(metadata);
    let total_rows = metadata.metadata().file_metadata().num_rows().unsigned_abs();
    let columns = ProjectionMask::roots(metadata.parquet_schema(), table.columns());
    let is_read = |column| columns.leaf_included(column);
    held(|| pages::check(&file, metadata.metadata().row_groups(), is_read)).map_err(damaged)?;
    let build = || {
        ParquetRecordBatchReaderBuilder::new_with_metadata(BoundedFile(file), metadata)
            .with_projection(columns)
            .with_batch_size(BATCH_ROWS)
            .build()
    };
    let mut batches = held(build).map_err(damaged)?;
    let first = next(&mut batches).map_err(damaged)?;
    let note = table.look_at(first.as_ref());
    Ok((Box::new(ParquetReader { table, batches, first, total_rows }), note))
}

impl HistoryReader for ParquetReader {
    fn read(&mut self, rows: &mut Vec<NumberedSample>) -> Result<bool, HistoryError> {
        let batch = match self.first.take() {
            Some(first) => Some(first),
            None => next(&mut self.batches)
                .map_err(|cause| self.table.damaged("Parquet file", cause))?,
        };
        let Some(batch) = batch else { return Ok(false) };
        self.table.take(&batch, rows)?;
        Ok(true)
    }

    fn done_bytes(&self) -> u64 {
        let (size, rows) = (self.table.source().size_bytes, self.table.counts().rows);
        (u128::from(size) * u128::from(rows) / u128::from(self.total_rows.max(1))) as u64
    }

    fn counts(&self) -> ReadCounts {
        self.table.counts()
    }
}

fn next(batches: &mut ParquetRecordBatchReader) -> Result<Option<RecordBatch>, Cause> {
    held(|| batches.next().transpose().map_err(ParquetError::from))
}

fn with_dictionaries(schema: &Schema, columns: &[usize]) -> Arc<Schema> {
    let field = |(index, field): (usize, &Arc<Field>)| {
        let is_text =
            matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        if is_text && columns.contains(&index) {
            let texts = DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into());
            Arc::new(field.as_ref().clone().with_data_type(texts))
        } else {
            Arc::clone(field)
        }
    };
    let fields: Vec<_> = schema.fields().iter().enumerate().map(field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}
