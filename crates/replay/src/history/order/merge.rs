//! Sorted runs, merged second by second.

use std::path::{Path, PathBuf};

use bellwether_engine::NumberedSample;

use super::super::error::HistoryError;
use super::super::rows::RowsReader;
use super::end_of_cell;

/// Runs that are merged.
pub(super) struct Merge {
    folder: PathBuf,
    cursors: Vec<Cursor>,
}

/// A run, and where in it the merge is: always on a row, since a run without any is left out.
struct Cursor {
    /// What is not read yet; the last run was never put aside.
    rest: Option<RowsReader>,
    rows: Vec<NumberedSample>,
    next: usize,
}

impl Merge {
    pub(super) fn new(
        runs: Vec<RowsReader>,
        last: Vec<NumberedSample>,
        folder: PathBuf,
    ) -> Result<Self, HistoryError> {
        let mut merge = Self { folder, cursors: Vec::with_capacity(runs.len() + 1) };
        for run in runs {
            merge.cursors.push(Cursor { rest: Some(run), rows: Vec::new(), next: 0 });
        }
        merge.cursors.push(Cursor { rest: None, rows: last, next: 0 });
        merge.load()?;
        Ok(merge)
    }

    /// Appends the rows of the next second that has any to `cell`: those of a run in its order, one run behind the other.
    /// False when there are none.
    pub(super) fn next(&mut self, cell: &mut Vec<NumberedSample>) -> Result<bool, HistoryError> {
        let Some(first) = self.cursors.iter().map(|cursor| cursor.rows[cursor.next].at).min()
        else {
            return Ok(false);
        };
        let end = end_of_cell(first);
        for cursor in &mut self.cursors {
            loop {
                let rest = &cursor.rows[cursor.next..];
                let rows = &rest[..rest.partition_point(|row| row.at < end)];
                cell.extend_from_slice(rows);
                cursor.next += rows.len();
                if cursor.next < cursor.rows.len() || !cursor.load(&self.folder)? {
                    break;
                }
            }
        }
        self.cursors.retain(|cursor| cursor.next < cursor.rows.len());
        Ok(true)
    }

    fn load(&mut self) -> Result<(), HistoryError> {
        for cursor in &mut self.cursors {
            if cursor.rows.is_empty() {
                cursor.load(&self.folder)?;
            }
        }
        self.cursors.retain(|cursor| cursor.next < cursor.rows.len());
        Ok(())
    }
}

impl Cursor {
    /// Reads on; false if there is nothing more.
    fn load(&mut self, folder: &Path) -> Result<bool, HistoryError> {
        let Some(run) = &mut self.rest else { return Ok(false) };
        self.next = 0;
        self.rows.clear();
        run.read(&mut self.rows).map_err(|source| HistoryError::Spill {
            folder: folder.to_owned(),
            source: source.into(),
        })?;
        Ok(!self.rows.is_empty())
    }
}
