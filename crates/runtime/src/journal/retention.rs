//! Which segments may go: those that a checkpoint covers, once they are beyond what is kept for replay.

use std::collections::VecDeque;
use std::io;

use bellwether_series::Timestamp;

use super::segment::{Segment, path_of};
use super::{Journal, JournalError};

/// A segment that is not written to any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) number: u64,
    pub(super) first_sequence: u64,
    pub(super) created_at: Timestamp,
    pub(super) bytes: u64,
}

/// The segments found on disk, oldest first. One that is lost as a whole goes with the one behind it.
pub(super) fn closed_segments(segments: &[Segment], next_sequence: u64) -> VecDeque<Closed> {
    let mut behind = (next_sequence, Timestamp::from_ms(i64::MAX));
    let mut closed = VecDeque::with_capacity(segments.len());
    for segment in segments.iter().rev() {
        if let Some(header) = segment.header {
            behind = (header.first_sequence, header.created_at);
        }
        let (first_sequence, created_at) = behind;
        let Segment { number, bytes, .. } = *segment;
        closed.push_front(Closed { number, first_sequence, created_at, bytes });
    }
    closed
}

impl Journal {
    /// Removes segments, oldest first, of which all records are below `covered_below`, while all segments together
    /// exceed the retention's bytes or the oldest its age. `covered_below` is what *every* checkpoint covers that is
    /// kept and may be fallen back to. The newest segment always stays. Says how many were removed.
    ///
    /// # Errors
    /// `Write`: the disk refused to remove one. The journal goes on.
    pub fn retain(&mut self, covered_below: u64, now: Timestamp) -> Result<u64, JournalError> {
        self.covered_below = covered_below;
        self.remove_void()?;
        let mut removed = 0;
        while self.oldest_covered().is_some_and(|closed_at| self.is_beyond(closed_at, now)) {
            self.remove_oldest()?;
            removed += 1;
            self.counts.segments_removed += 1;
        }
        Ok(removed)
    }

    /// Removes the oldest segment if it is kept for replay only, because there is no room for anything else, unless the options
    /// say that it stays. Says whether there was one: of what [`Journal::retain`] was told last.
    ///
    /// # Errors
    /// `Write`: the disk refused to remove it.
    pub fn give_up_oldest(&mut self) -> Result<bool, JournalError> {
        if self.options.keep_when_full || self.oldest_covered().is_none() {
            return Ok(false);
        }
        self.remove_void()?;
        self.remove_oldest()?;
        self.counts.segments_given_up += 1;
        Ok(true)
    }

    fn remove_oldest(&mut self) -> Result<(), JournalError> {
        let Some(oldest) = self.closed.front() else { return Ok(()) };
        self.remove(oldest.number)?;
        self.closed.pop_front();
        Ok(())
    }

    /// Removes void segments, before any that says that they are void. The newest ones stay until there is one that
    /// does: until then they may still say from where on what is before them is void.
    pub(super) fn remove_void(&mut self) -> Result<(), JournalError> {
        let newest = match &self.segment.file {
            Some(_) => self.segment.number,
            None => self.closed.back().map_or(0, |closed| closed.number),
        };
        let (gone, kept): (Vec<u64>, Vec<u64>) =
            std::mem::take(&mut self.void).into_iter().partition(|&number| number < newest);
        self.void = kept;
        for (index, &number) in gone.iter().enumerate() {
            if let Err(error) = self.remove(number) {
                self.void.extend(&gone[index..]);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Removes a segment's file for good. One at a time: were a later one gone and this one back after a crash, it
    /// would look like damage.
    fn remove(&self, number: u64) -> Result<(), JournalError> {
        let folder = &self.options.folder;
        let path = path_of(folder, number);
        match self.storage.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(JournalError::write(&path)(error));
            }
            _ => {}
        }
        self.storage.sync_folder(folder).map_err(JournalError::write(folder))
    }

    /// When the oldest segment was left, if all its records are covered.
    fn oldest_covered(&self) -> Option<Timestamp> {
        self.closed.front()?;
        let open = self.segment.file.is_some();
        // What begins behind it, and when: its records are older.
        let (end, closed_at) = match self.closed.get(1) {
            Some(next) => (next.first_sequence, next.created_at),
            None if open => (self.segment.first_sequence, self.segment.created_at),
            None => return None,
        };
        (end <= self.covered_below).then_some(closed_at)
    }

    /// Whether the oldest segment, left at `closed_at`, is beyond what is kept for replay.
    fn is_beyond(&self, closed_at: Timestamp, now: Timestamp) -> bool {
        self.figures().bytes > self.options.retention_bytes_max
            || now.ms_since(closed_at) > self.options.retention_ms_max
    }
}
