//! Sorted runs of rows, put aside on disk in files that have no name and so vanish with the process.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::PathBuf;

use bellwether_engine::NumberedSample;

use super::super::error::{Cause, HistoryError};
use super::super::rows::{BATCH_ROWS, RowsReader, RowsWriter};
use super::merge::Merge;

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

    /// Puts rows aside, as one run; those that end at one of `ends` are in order already. When there are too many runs, they
    /// become one. The memory of the rows comes back.
    pub(super) fn add(
        &mut self,
        rows: Vec<NumberedSample>,
        ends: &[usize],
    ) -> Result<Vec<NumberedSample>, HistoryError> {
        if self.files.len() >= RUNS_MAX {
            let files = std::mem::take(&mut self.files);
            let merge = self.merge_of(files, Vec::new(), &[])?;
            self.write(merge)?;
        }
        let merge = self.merge_of(Vec::new(), rows, ends)?;
        self.write(merge)
    }

    /// All runs together with those in memory that end at `ends` of `rows`.
    pub(super) fn merge(
        mut self,
        rows: Vec<NumberedSample>,
        ends: &[usize],
    ) -> Result<Merge, HistoryError> {
        let files = std::mem::take(&mut self.files);
        self.merge_of(files, rows, ends)
    }

    fn merge_of(
        &self,
        files: Vec<File>,
        rows: Vec<NumberedSample>,
        ends: &[usize],
    ) -> Result<Merge, HistoryError> {
        let open = |file| RowsReader::open(file).map_err(|source| self.refused(source));
        let files = files.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
        Merge::new(files, rows, ends, self.folder.clone())
    }

    /// Puts what comes of `merge` aside, whose memory comes back.
    fn write(&mut self, mut merge: Merge) -> Result<Vec<NumberedSample>, HistoryError> {
        let mut writer = self.writer()?;
        let (mut waiting, mut is_more) = (Vec::new(), true);
        while is_more {
            is_more = merge.next(&mut waiting)?;
            if waiting.len() >= BATCH_ROWS || !is_more {
                writer.write(&waiting).map_err(|source| self.refused(source))?;
                waiting.clear();
            }
        }
        self.finish(writer)?;
        Ok(merge.into_memory())
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
