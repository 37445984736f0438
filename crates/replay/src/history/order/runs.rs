//! Sorted runs of rows, put aside on disk as Arrow IPC in files that have no name and so vanish with the process.

use std::fs::File;
use std::io::{BufReader, BufWriter, IntoInnerError, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt32Type};
use arrow_array::{Float64Array, Int64Array, RecordBatch, UInt32Array};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema};
use bellwether_engine::NumberedSample;
use bellwether_series::Timestamp;

use super::super::error::{Cause, HistoryError};
use super::merge::Merge;
use super::sort_by_time;

/// Rows of a batch: what a merge holds of each run.
const BATCH_ROWS: usize = 8192;
/// Runs that are merged at a time, each of which has a file open.
const RUNS_MAX: usize = 256;

/// Runs of one sort.
pub(super) struct Runs {
    folder: PathBuf,
    schema: Arc<Schema>,
    files: Vec<File>,
}

impl Runs {
    pub(super) fn new(folder: PathBuf) -> Self {
        let column = |name, data_type| Field::new(name, data_type, false);
        let schema = Schema::new(vec![
            column("at_ms", DataType::Int64),
            column("series", DataType::UInt32),
            column("value", DataType::Float64),
        ]);
        Self { folder, schema: Arc::new(schema), files: Vec::new() }
    }

    /// Puts a run aside. When there are too many, they become one.
    pub(super) fn add(&mut self, rows: &[NumberedSample]) -> Result<(), HistoryError> {
        if self.files.len() >= RUNS_MAX {
            let files = std::mem::take(&mut self.files);
            let mut merge = self.merge_of(files, Vec::new())?;
            let mut writer = self.writer()?;
            let (mut cell, mut waiting) = (Vec::new(), Vec::new());
            let mut is_more = true;
            while is_more {
                cell.clear();
                is_more = merge.next(&mut cell)?;
                sort_by_time(&mut cell);
                waiting.append(&mut cell);
                if waiting.len() >= BATCH_ROWS || !is_more {
                    self.write(&mut writer, &waiting)?;
                    waiting.clear();
                }
            }
            self.finish(writer)?;
        }
        let mut writer = self.writer()?;
        self.write(&mut writer, rows)?;
        self.finish(writer)
    }

    /// All runs together with `last`, which is sorted too.
    pub(super) fn merge(mut self, last: Vec<NumberedSample>) -> Result<Merge, HistoryError> {
        let files = std::mem::take(&mut self.files);
        self.merge_of(files, last)
    }

    fn merge_of(&self, files: Vec<File>, last: Vec<NumberedSample>) -> Result<Merge, HistoryError> {
        let open = |file| RunReader::open(file).map_err(|source| self.refused(source));
        let runs = files.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
        Merge::new(runs, last, self.folder.clone())
    }

    fn writer(&self) -> Result<StreamWriter<BufWriter<File>>, HistoryError> {
        let file = tempfile::tempfile_in(&self.folder).map_err(|source| self.refused(source))?;
        StreamWriter::try_new_buffered(file, &self.schema).map_err(|source| self.refused(source))
    }

    fn write(
        &self,
        writer: &mut StreamWriter<BufWriter<File>>,
        rows: &[NumberedSample],
    ) -> Result<(), HistoryError> {
        for rows in rows.chunks(BATCH_ROWS) {
            let times = Int64Array::from_iter_values(rows.iter().map(|row| row.at.as_ms()));
            let series = UInt32Array::from_iter_values(rows.iter().map(|row| row.series));
            let values = Float64Array::from_iter_values(rows.iter().map(|row| row.value));
            let columns = vec![Arc::new(times) as _, Arc::new(series) as _, Arc::new(values) as _];
            RecordBatch::try_new(Arc::clone(&self.schema), columns)
                .and_then(|batch| writer.write(&batch))
                .map_err(|source| self.refused(source))?;
        }
        Ok(())
    }

    fn finish(&mut self, writer: StreamWriter<BufWriter<File>>) -> Result<(), HistoryError> {
        let finish = || -> Result<File, Cause> {
            let mut file = writer.into_inner()?.into_inner().map_err(IntoInnerError::into_error)?;
            file.seek(SeekFrom::Start(0))?;
            Ok(file)
        };
        let file = finish().map_err(|source| self.refused(source))?;
        self.files.push(file);
        Ok(())
    }

    fn refused(&self, source: impl Into<Cause>) -> HistoryError {
        HistoryError::Spill { folder: self.folder.clone(), source: source.into() }
    }
}

/// Reads a run back.
pub(super) struct RunReader {
    batches: StreamReader<BufReader<File>>,
}

impl RunReader {
    fn open(file: File) -> Result<Self, ArrowError> {
        Ok(Self { batches: StreamReader::try_new_buffered(file, None)? })
    }

    /// Puts the next rows into `rows`, which is emptied first and stays empty at the end.
    pub(super) fn read(&mut self, rows: &mut Vec<NumberedSample>) -> Result<(), ArrowError> {
        rows.clear();
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
