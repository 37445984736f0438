//! Arrow IPC: files (Feather) and streams.

use std::io::{Read, Seek};
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_ipc::reader::{FileReader, StreamReader};
use bellwether_engine::NumberedSample;

use super::catalog::Catalog;
use super::error::{Cause, HistoryError};
use super::guard::held;
use super::input::{InputKind, Source};
use super::layout::Mapping;
use super::read::{HistoryReader, ReadCounts};
use super::table::Table;

/// Rows of a batch that are turned at a time: a file may be one huge batch.
const SLICE_ROWS: usize = 8192;

struct IpcReader {
    kind: &'static str,
    table: Table,
    columns: Vec<usize>,
    batches: Box<dyn RecordBatchReader + Send>,
    /// The batch that is turned, and how many of its rows are.
    batch: Option<(RecordBatch, usize)>,
}

/// A reader of an Arrow IPC file or stream, and what was decided about columns.
pub(super) fn open_ipc(
    source: Source,
    kind: InputKind,
    mapping: &Mapping,
    catalog: Arc<Catalog>,
) -> Result<(Box<dyn HistoryReader>, String), HistoryError> {
    let is_file = kind == InputKind::ArrowFile;
    let kind = if is_file { "Arrow IPC file" } else { "Arrow IPC stream" };
    let path = source.path.clone();
    let damaged = |source: Cause| HistoryError::Format { path, kind, rows: 0, source };
    let opened = if is_file { file(source.counted()?) } else { stream(source.text()?) };
    let mut batches = match opened {
        Ok(batches) => batches,
        Err(cause) => return Err(damaged(cause)),
    };
    let schema = batches.schema();
    let mut table = Table::new(source, &schema, mapping, catalog)?;
    let columns = table.columns();
    let first = match next(&mut *batches, &columns) {
        Ok(first) => first,
        Err(cause) => return Err(damaged(cause)),
    };
    let note = table.look_at(first.as_ref());
    let batch = first.map(|batch| (batch, 0));
    Ok((Box::new(IpcReader { kind, table, columns, batches, batch }), note))
}

type Batches = Box<dyn RecordBatchReader + Send>;

fn file(file: impl Read + Seek + Send + 'static) -> Result<Batches, Cause> {
    held(|| FileReader::try_new(file, None).map(|reader| Box::new(reader) as Batches))
}

fn stream(stream: impl Read + Send + 'static) -> Result<Batches, Cause> {
    held(|| StreamReader::try_new(stream, None).map(|reader| Box::new(reader) as Batches))
}

impl HistoryReader for IpcReader {
    fn read(&mut self, rows: &mut Vec<NumberedSample>) -> Result<bool, HistoryError> {
        if self.batch.is_none() {
            let next = next(&mut *self.batches, &self.columns)
                .map_err(|cause| self.table.damaged(self.kind, cause))?;
            self.batch = next.map(|batch| (batch, 0));
        }
        let Some((batch, done)) = &mut self.batch else { return Ok(false) };
        let count = SLICE_ROWS.min(batch.num_rows() - *done);
        let slice = batch.slice(*done, count);
        *done += count;
        if *done == batch.num_rows() {
            self.batch = None;
        }
        self.table.take(&slice, rows)?;
        Ok(true)
    }

    fn done_bytes(&self) -> u64 {
        self.table.source().done_bytes()
    }

    fn counts(&self) -> ReadCounts {
        self.table.counts()
    }
}

fn next(
    batches: &mut (dyn RecordBatchReader + Send),
    columns: &[usize],
) -> Result<Option<RecordBatch>, Cause> {
    held(|| batches.next().transpose()?.map(|batch| batch.project(columns)).transpose())
}
