//! Rows in the order of event time, second by second, within a bound on memory.
//!
//! What is in order but for small disorder streams through a window. What is not, a file that is sorted by series above
//! all, is cut into runs that are sorted while they are in the processor's cache, and then all are merged. When they fill the
//! memory, they become one that is put aside on disk. Which of both is right is decided when the memory is nearly full for
//! the first time. Whoever looks in order then and turns out not to be has to be read again: that is [`Next::Disorder`].

mod merge;
mod runs;

use std::path::PathBuf;

use bellwether_engine::NumberedSample;
use bellwether_series::Timestamp;

use self::merge::Merge;
use self::runs::Runs;
use super::error::HistoryError;

/// What lies in one of these is one record.
pub(super) const CELL_MS: i64 = 1000;
/// Memory that a row takes in a window: itself, and its part of the scratch that sorting needs.
const ROW_BYTES: usize = 40;
/// The same in runs, which are sorted one at a time.
const RUN_ROW_BYTES: usize = 25;
/// Rows of a run: with the scratch that sorting them needs they fit into the cache of a core.
const RUN_ROWS: usize = 1 << 15;
/// A source may give so many rows more than it takes.
const SURPLUS_ROWS: usize = 1 << 16;
/// Fewest rows that are sorted at a time.
const ROWS_MIN: usize = 1024;
/// Rows that a window reads at a time.
const REFILL_ROWS: usize = 1 << 18;
/// Disorder may reach so far into what the memory holds, as a part of its span, to pass for a small one.
const SMALL_PART: i64 = 4;

/// Where rows come from: appends some, false when there are no more.
pub(super) type Source<'a> = dyn FnMut(&mut Vec<NumberedSample>) -> Result<bool, HistoryError> + 'a;

/// How rows are ordered.
#[derive(Debug, Clone)]
pub(super) struct OrderOptions {
    /// Most memory for rows, in bytes.
    pub(super) memory_bytes: usize,
    /// Where rows are put aside.
    pub(super) folder: PathBuf,
    /// Whether all rows are read before any is given, as is right for what is not in order.
    pub(super) sorts: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// All rows of a second that has any, in the order of time.
    Cell,
    /// Nothing any more.
    End,
    /// A row that should have come before others that were given: all must be read again and sorted.
    Disorder,
}

/// Brings the rows of a source into order.
pub(super) struct Ordered<'a> {
    source: Box<Source<'a>>,
    options: OrderOptions,
    /// Rows that a window may hold, and all runs in memory.
    rows_max: usize,
    run_rows_max: usize,
    buffer: Vec<NumberedSample>,
    /// Where in the buffer the runs end, as long as rows are gathered in runs.
    run_ends: Vec<usize>,
    /// Rows of the buffer that were given.
    given: usize,
    /// Everything before this was given.
    given_until: Timestamp,
    /// Everything before this has come, as far as anybody knows.
    complete_until: Timestamp,
    newest: Timestamp,
    lag_ms: i64,
    is_begun: bool,
    is_ended: bool,
    merge: Option<Merge>,
    spilled_rows: u64,
}

impl<'a> Ordered<'a> {
    pub(super) fn new(source: Box<Source<'a>>, options: OrderOptions) -> Self {
        Self {
            source,
            rows_max: (options.memory_bytes / ROW_BYTES).max(ROWS_MIN),
            run_rows_max: (options.memory_bytes / RUN_ROW_BYTES).max(ROWS_MIN),
            options,
            buffer: Vec::new(),
            run_ends: Vec::new(),
            given: 0,
            given_until: Timestamp::MIN,
            complete_until: Timestamp::MIN,
            newest: Timestamp::MIN,
            lag_ms: 0,
            is_begun: false,
            is_ended: false,
            merge: None,
            spilled_rows: 0,
        }
    }

    /// Rows that were put aside on disk.
    pub(super) fn spilled_rows(&self) -> u64 {
        self.spilled_rows
    }

    /// Puts the rows of the next second that has any into `cell`, which is emptied first.
    pub(super) fn next(&mut self, cell: &mut Vec<NumberedSample>) -> Result<Next, HistoryError> {
        cell.clear();
        loop {
            if let Some(merge) = &mut self.merge {
                return Ok(if merge.next(cell)? { Next::Cell } else { Next::End });
            }
            if let Some(first) = self.buffer.get(self.given) {
                let end = end_of_cell(first.at);
                if end <= self.complete_until {
                    let rest = &self.buffer[self.given..];
                    let rows = &rest[..rest.partition_point(|row| row.at < end)];
                    cell.extend_from_slice(rows);
                    self.given += rows.len();
                    self.given_until = end;
                    return Ok(Next::Cell);
                }
            }
            if self.is_ended {
                return Ok(Next::End);
            }
            if !self.refill()? {
                return Ok(Next::Disorder);
            }
        }
    }

    /// Reads on; false if that shows that what was given was not in order.
    fn refill(&mut self) -> Result<bool, HistoryError> {
        self.buffer.drain(..self.given);
        self.given = 0;
        if self.is_begun {
            let kept = self.buffer.len();
            if kept >= self.rows_max {
                return Ok(false);
            }
            self.read_up_to((kept + REFILL_ROWS).min(self.rows_max))?;
            if self.buffer[kept..].iter().any(|row| row.at < self.given_until) {
                return Ok(false);
            }
        } else {
            self.is_begun = true;
            // Memory that is never touched costs nothing; what grows step by step is cleared and copied over and over. Where
            // there is not that much it grows all the same.
            _ = self.buffer.try_reserve_exact(self.run_rows_max + SURPLUS_ROWS);
            self.gather_up_to(self.rows_max)?;
            let oldest = self.buffer.iter().map(|row| row.at).min().unwrap_or(self.newest);
            let is_small = self.lag_ms <= self.newest.ms_since(oldest) / SMALL_PART;
            if self.is_ended || self.options.sorts || !is_small {
                self.merge = Some(self.sort_all()?);
                return Ok(true);
            }
        }
        sort_by_time(&mut self.buffer);
        self.complete_until = if self.is_ended {
            Timestamp::from_ms(i64::MAX)
        } else {
            self.newest.plus_ms(-2 * self.lag_ms)
        };
        Ok(true)
    }

    /// Reads until the buffer holds `rows`, or there are no more.
    fn read_up_to(&mut self, rows: usize) -> Result<(), HistoryError> {
        while self.buffer.len() < rows && !self.is_ended {
            let before = self.buffer.len();
            self.is_ended = !(self.source)(&mut self.buffer)?;
            for row in &self.buffer[before..] {
                self.newest = self.newest.max(row.at);
                self.lag_ms = self.lag_ms.max(self.newest.ms_since(row.at));
            }
        }
        Ok(())
    }

    /// Reads until the buffer holds `rows`, or there are no more, and sorts them run by run, each as soon as it is there.
    fn gather_up_to(&mut self, rows: usize) -> Result<(), HistoryError> {
        while self.buffer.len() < rows && !self.is_ended {
            let begin = self.buffer.len();
            self.read_up_to((begin + RUN_ROWS).min(rows))?;
            sort_by_time(&mut self.buffer[begin..]);
            self.run_ends.push(self.buffer.len());
        }
        Ok(())
    }

    /// Reads everything, putting aside what is more than the memory takes.
    fn sort_all(&mut self) -> Result<Merge, HistoryError> {
        let mut runs = Runs::new(self.options.folder.clone());
        loop {
            self.gather_up_to(self.run_rows_max)?;
            let rows = std::mem::take(&mut self.buffer);
            let ends = std::mem::take(&mut self.run_ends);
            if self.is_ended {
                return runs.merge(rows, &ends);
            }
            self.spilled_rows += rows.len() as u64;
            self.buffer = runs.add(rows, &ends)?;
        }
    }
}

/// Rows of the same time stay as they come; who needs another order makes it second by second.
fn sort_by_time(rows: &mut [NumberedSample]) {
    rows.sort_by_key(|row| row.at);
}

/// The end of the second that `at` is in.
fn end_of_cell(at: Timestamp) -> Timestamp {
    Timestamp::from_ms((at.as_ms().div_euclid(CELL_MS) + 1).saturating_mul(CELL_MS))
}

#[cfg(test)]
mod tests;
