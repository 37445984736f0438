//! Rows that are put aside in a file, as Arrow IPC.

use std::fs::File;
use std::io::{BufReader, BufWriter, IntoInnerError};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt32Type};
use arrow_array::{Float64Array, Int64Array, RecordBatch, UInt32Array};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use bellwether_engine::NumberedSample;
use bellwether_series::Timestamp;

use super::error::Cause;

/// Rows of a batch: what whoever reads holds at a time.
pub(super) const BATCH_ROWS: usize = 8192;

/// Writes rows, in the order in which they come, with the bits of a NaN intact.
pub(super) struct RowsWriter {
    schema: SchemaRef,
    batches: StreamWriter<BufWriter<File>>,
}

impl RowsWriter {
    pub(super) fn new(file: File) -> Result<Self, ArrowError> {
        let column = |name, data_type| Field::new(name, data_type, false);
        let schema = Arc::new(Schema::new(vec![
            column("at_ms", DataType::Int64),
            column("series", DataType::UInt32),
            column("value", DataType::Float64),
        ]));
        Ok(Self { batches: StreamWriter::try_new_buffered(file, &schema)?, schema })
    }

    pub(super) fn write(&mut self, rows: &[NumberedSample]) -> Result<(), ArrowError> {
        for rows in rows.chunks(BATCH_ROWS) {
            let times = Int64Array::from_iter_values(rows.iter().map(|row| row.at.as_ms()));
            let series = UInt32Array::from_iter_values(rows.iter().map(|row| row.series));
            let values = Float64Array::from_iter_values(rows.iter().map(|row| row.value));
            let columns = vec![Arc::new(times) as _, Arc::new(series) as _, Arc::new(values) as _];
            self.batches.write(&RecordBatch::try_new(Arc::clone(&self.schema), columns)?)?;
        }
        Ok(())
    }

    /// Ends the file, which comes back.
    pub(super) fn finish(self) -> Result<File, Cause> {
        Ok(self.batches.into_inner()?.into_inner().map_err(IntoInnerError::into_error)?)
    }
}

/// Reads them back.
pub(super) struct RowsReader {
    batches: StreamReader<BufReader<File>>,
}

impl RowsReader {
    /// From where `file` stands, which is its beginning.
    pub(super) fn open(file: File) -> Result<Self, ArrowError> {
        Ok(Self { batches: StreamReader::try_new_buffered(file, None)? })
    }

    /// Appends the next rows to `rows`; none at the end.
    pub(super) fn read(&mut self, rows: &mut Vec<NumberedSample>) -> Result<(), ArrowError> {
        let Some(batch) = self.batches.next().transpose()? else { return Ok(()) };
        let times = batch.column(0).as_primitive::<Int64Type>().values();
        let series = batch.column(1).as_primitive::<UInt32Type>().values();
        let values = batch.column(2).as_primitive::<Float64Type>().values();
        let row =
            |((&ms, &series), &value)| NumberedSample { at: Timestamp::from_ms(ms), value, series };
        rows.extend(times.iter().zip(series).zip(values).map(row));
        Ok(())
    }
}
