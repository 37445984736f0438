//! What every reader of history does, whatever the format.

use bellwether_engine::NumberedSample;

use super::error::HistoryError;

/// Gives the rows of a history bit by bit. Readers on sockets implement it too.
pub trait HistoryReader: Send {
    /// Appends some rows to `rows`, some ten thousand at the most and in any order; false when there are no more.
    ///
    /// # Errors
    /// When the source cannot be read or understood; what was read before is whole.
    fn read(&mut self, rows: &mut Vec<NumberedSample>) -> Result<bool, HistoryError>;

    /// How far it is, in bytes of the source.
    fn done_bytes(&self) -> u64;

    /// What it has met so far.
    fn counts(&self) -> ReadCounts;
}

/// What a reader has met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct ReadCounts {
    /// Rows of the source: lines of text, rows of tables.
    pub rows: u64,
    /// Samples among them.
    pub samples: u64,
    /// Cells without a value.
    pub empty_values: u64,
    /// Rows without a time, which are left out.
    pub rows_without_time: u64,
}

impl ReadCounts {
    /// Adds `other` to `self`.
    pub fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.samples += other.samples;
        self.empty_values += other.empty_values;
        self.rows_without_time += other.rows_without_time;
    }
}
