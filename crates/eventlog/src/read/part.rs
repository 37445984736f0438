//! One Parquet file, read row group by row group so that a damaged one spoils no other.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use bellwether_engine::Event;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;

use super::{ReadError, checked};
use crate::bounded_file::BoundedFile;
use crate::guard::hold_panic;
use crate::{pages, table};

const BATCH_ROWS: usize = 1024;

/// A Parquet file.
pub(super) struct Part {
    path: PathBuf,
    file: File,
    metadata: ArrowReaderMetadata,
    /// The row group that is opened next.
    next_row_group: usize,
    batches: Option<ParquetRecordBatchReader>,
    batch: Option<(RecordBatch, usize)>,
    /// Rows before `batch`.
    rows_before: u64,
}

impl Part {
    pub(super) fn open(path: &Path, file: File) -> Result<Self, ReadError> {
        let metadata = held(|| ArrowReaderMetadata::load(&file, ArrowReaderOptions::default()))
            .map_err(|source| ReadError::Table { path: path.to_owned(), source })?;
        let version = table::version_of(metadata.metadata().file_metadata());
        if version != Some(table::FORMAT_VERSION) {
            let version = version.unwrap_or("none").to_owned();
            return Err(ReadError::FileVersion { path: path.to_owned(), version });
        }
        let path = path.to_owned();
        Ok(Self {
            path,
            file,
            metadata,
            next_row_group: 0,
            batches: None,
            batch: None,
            rows_before: 0,
        })
    }

    pub(super) fn next(&mut self) -> Option<Result<Event, ReadError>> {
        loop {
            if let Some((batch, row)) = &mut self.batch {
                if *row < batch.num_rows() {
                    let number = self.rows_before + *row as u64 + 1;
                    let event = table::decode(batch, *row);
                    *row += 1;
                    return Some(match event {
                        Ok(event) => checked(event, &self.path, number),
                        Err(source) => {
                            Err(ReadError::Row { path: self.path.clone(), row: number, source })
                        }
                    });
                }
                self.rows_before += batch.num_rows() as u64;
                self.batch = None;
            }
            if let Err(source) = self.next_batch()? {
                self.batches = None;
                let row_group = self.next_row_group - 1;
                return Some(Err(ReadError::RowGroup {
                    path: self.path.clone(),
                    row_group,
                    source,
                }));
            }
        }
    }

    /// Reads on; `None` behind the last row group.
    fn next_batch(&mut self) -> Option<Result<(), ParquetError>> {
        if let Some(batches) = &mut self.batches {
            match held(|| batches.next().transpose().map_err(ParquetError::from)) {
                Ok(Some(batch)) => self.batch = Some((batch, 0)),
                Ok(None) => self.batches = None,
                Err(error) => return Some(Err(error)),
            }
            return Some(Ok(()));
        }
        if self.next_row_group == self.metadata.metadata().num_row_groups() {
            return None;
        }
        let row_group = self.next_row_group;
        self.next_row_group += 1;
        let before = &self.metadata.metadata().row_groups()[..row_group];
        self.rows_before = before.iter().map(|group| group.num_rows().unsigned_abs()).sum();
        let open = || {
            let metadata = self.metadata.clone();
            let groups = &metadata.metadata().row_groups()[row_group..=row_group];
            pages::check(&self.file, groups, |_| true)
                .map_err(|error| ParquetError::External(Box::new(error)))?;
            let file = BoundedFile(self.file.try_clone()?);
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
                .with_row_groups(vec![row_group])
                .with_batch_size(BATCH_ROWS)
                .build()
        };
        match held(open) {
            Ok(batches) => self.batches = Some(batches),
            Err(error) => return Some(Err(error)),
        }
        Some(Ok(()))
    }
}

/// Runs `action`; a panic in it is an error too.
fn held<T>(action: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    hold_panic(action)
        .unwrap_or_else(|| Err(ParquetError::General("file makes the reader panic".to_owned())))
}
