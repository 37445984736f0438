//! Sorted runs, merged second by second.
//!
//! Which run goes on first is kept in a heap: of hundreds of runs a second may be in one only, or in all of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::ops::Range;
use std::path::{Path, PathBuf};

use bellwether_engine::NumberedSample;
use bellwether_series::Timestamp;

use super::super::error::HistoryError;
use super::super::rows::RowsReader;
use super::{end_of_cell, sort_by_time};

/// Runs that are merged.
pub(super) struct Merge {
    folder: PathBuf,
    /// The rows of all runs in memory.
    memory: Vec<NumberedSample>,
    runs: Vec<Run>,
    /// When each run goes on that has rows left, and its number.
    waiting: BinaryHeap<Reverse<(Timestamp, usize)>>,
}

/// What is left of a run.
enum Run {
    /// Rows in memory.
    Memory(Range<usize>),
    /// Rows in a file, and those that were read of it, of which the first ones were taken.
    File { rest: RowsReader, rows: Vec<NumberedSample>, taken: usize },
}

impl Merge {
    /// Of `files`, and of the runs in memory that end at `ends` of `memory`.
    pub(super) fn new(
        files: Vec<RowsReader>,
        memory: Vec<NumberedSample>,
        ends: &[usize],
        folder: PathBuf,
    ) -> Result<Self, HistoryError> {
        let begins = std::iter::once(0).chain(ends.iter().copied());
        let in_memory = begins.zip(ends).map(|(begin, &end)| Run::Memory(begin..end));
        let in_file = |rest| Run::File { rest, rows: Vec::new(), taken: 0 };
        let runs = files.into_iter().map(in_file).chain(in_memory).collect();
        let mut merge = Self { folder, memory, runs, waiting: BinaryHeap::new() };
        for (number, run) in merge.runs.iter_mut().enumerate() {
            let first = run.next(&merge.memory, &merge.folder)?;
            merge.waiting.extend(first.map(|first| Reverse((first, number))));
        }
        Ok(merge)
    }

    /// Appends the rows of the next second that has any to `rows`, in the order of time. False when there are none.
    pub(super) fn next(&mut self, rows: &mut Vec<NumberedSample>) -> Result<bool, HistoryError> {
        let Some(&Reverse((first, _))) = self.waiting.peek() else { return Ok(false) };
        let (begin, end) = (rows.len(), end_of_cell(first));
        while let Some(mut earliest) = self.waiting.peek_mut() {
            let Reverse((at, number)) = *earliest;
            if at >= end {
                break;
            }
            let run = &mut self.runs[number];
            run.take_until(end, &self.memory, rows);
            match run.next(&self.memory, &self.folder)? {
                Some(next) => *earliest = Reverse((next, number)),
                None => _ = PeekMut::pop(earliest),
            }
        }
        sort_by_time(&mut rows[begin..]);
        Ok(true)
    }

    /// The memory that the rows were in, without them.
    pub(super) fn into_memory(self) -> Vec<NumberedSample> {
        let mut memory = self.memory;
        memory.clear();
        memory
    }
}

impl Run {
    /// Appends those rows before `end` to `rows` that are in memory.
    fn take_until(
        &mut self,
        end: Timestamp,
        memory: &[NumberedSample],
        rows: &mut Vec<NumberedSample>,
    ) {
        let left = match self {
            Self::Memory(left) => &memory[left.clone()],
            Self::File { rows, taken, .. } => &rows[*taken..],
        };
        // They are copied anyway, so to look at each costs less than to jump back and forth.
        let count = left.iter().take_while(|row| row.at < end).count();
        rows.extend_from_slice(&left[..count]);
        match self {
            Self::Memory(left) => left.start += count,
            Self::File { taken, .. } => *taken += count,
        }
    }

    /// The time of its next row; reads on in a file for that. `None` if there is none.
    fn next(
        &mut self,
        memory: &[NumberedSample],
        folder: &Path,
    ) -> Result<Option<Timestamp>, HistoryError> {
        let next = match self {
            Self::Memory(left) => memory[left.clone()].first(),
            Self::File { rest, rows, taken } => {
                if *taken == rows.len() {
                    *taken = 0;
                    rows.clear();
                    rest.read(rows).map_err(|source| HistoryError::Spill {
                        folder: folder.to_owned(),
                        source: source.into(),
                    })?;
                }
                rows.get(*taken)
            }
        };
        Ok(next.map(|row| row.at))
    }
}
