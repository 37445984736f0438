//! Sorted runs of rows, put aside on disk in files that have no name and so vanish with the process.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::PathBuf;

use bellwether_engine::NumberedSample;

use super::super::error::{Cause, HistoryError};
use super::super::rows::{BATCH_ROWS, RowsReader, RowsWriter};
use super::merge::Merge;
use super::sort_by_time;

/// Runs that are merged at a time, each of which has a file open.
const RUNS_MAX: usize = 256;

/// Runs of one sort.
pub(super) struct Runs {
    folder: PathBuf,
    files: Vec<File>,
}

impl Runs {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, files: Vec::new() }
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
                    writer.write(&waiting).map_err(|source| self.refused(source))?;
                    waiting.clear();
                }
            }
            self.finish(writer)?;
        }
        let mut writer = self.writer()?;
        writer.write(rows).map_err(|source| self.refused(source))?;
        self.finish(writer)
    }

    /// All runs together with `last`, which is sorted too.
    pub(super) fn merge(mut self, last: Vec<NumberedSample>) -> Result<Merge, HistoryError> {
        let files = std::mem::take(&mut self.files);
        self.merge_of(files, last)
    }

    fn merge_of(&self, files: Vec<File>, last: Vec<NumberedSample>) -> Result<Merge, HistoryError> {
        let open = |file| RowsReader::open(file).map_err(|source| self.refused(source));
        let runs = files.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
        Merge::new(runs, last, self.folder.clone())
    }

    fn writer(&self) -> Result<RowsWriter, HistoryError> {
        let file = tempfile::tempfile_in(&self.folder).map_err(|source| self.refused(source))?;
        RowsWriter::new(file).map_err(|source| self.refused(source))
    }

    fn finish(&mut self, writer: RowsWriter) -> Result<(), HistoryError> {
        let finish = || -> Result<File, Cause> {
            let mut file = writer.finish()?;
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
