//! How much may wait for the engine, and whose turn it is to read no more.
//!
//! All partitions share the buffer. One that cannot go on, because its dead letter is not confirmed, would have all of it after a
//! while, so whoever is stuck with more than its share when the buffer is full is paused and gives back what is more than that.

use std::time::{Duration, Instant};

use super::Worker;
use crate::kafka::describe;
use crate::source::kafka::line::Line;
use crate::source::kafka::reader::Reader;

/// When nothing could be read for so long because nothing was taken, partitions are paused: whoever does not ask for records must
/// say so, or loses them to other members.
const STALLED_MAX: Duration = Duration::from_secs(1);

/// What may be read, and whether there is anything else to do.
pub(super) struct Room {
    /// Until then records may be read; one in any case.
    pub(super) bytes: usize,
    /// Of all partitions.
    pub(super) waiting_bytes: usize,
    /// Nothing waits but for somebody else.
    pub(super) is_idle: bool,
}

impl Worker {
    /// Pauses partitions that hold their share of a buffer that has been full for a while, and resumes those that hold half of it.
    pub(super) fn pause_or_resume(&mut self, reader: &Reader) -> Result<Room, String> {
        let bytes_max = self.options.buffer_bytes_max;
        let assigned = self.lines.values().filter(|line| line.is_assigned()).count();
        let share_bytes = (bytes_max / assigned.max(1)).max(1);
        for (at, line) in self.lines.iter_mut().filter(|(_, line)| line.is_paused()) {
            if line.waiting_bytes() > share_bytes / 2 {
                // When partitions came its share is less than it was.
                line.pause(share_bytes);
                continue;
            }
            let resumed = match line.resumes_at() {
                Some(offset) => reader.begin_at(at, offset),
                None => reader.resume(at),
            };
            resumed.map_err(|error| describe(&error))?;
            line.resume();
        }
        if self.is_stalled(share_bytes) {
            let since = *self.stalled_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= STALLED_MAX {
                self.pause_stuck(reader, share_bytes)?;
                self.stalled_since = None;
            }
        } else {
            self.stalled_since = None;
        }
        let (mut is_paused, mut letters) = (false, 0);
        let mut room = Room { bytes: 0, waiting_bytes: 0, is_idle: self.under_way == 0 };
        for line in self.lines.values() {
            is_paused |= line.is_paused();
            letters += line.letters();
            room.waiting_bytes += line.waiting_bytes();
            room.is_idle &= line.is_paused() || line.waiting_bytes() == 0;
        }
        room.is_idle |= room.waiting_bytes == 0;
        room.bytes = bytes_max.saturating_sub(self.held_bytes(share_bytes));
        self.shared.stats.count(|figures| {
            figures.is_paused = is_paused;
            figures.letters_under_way = letters;
        });
        Ok(room)
    }

    /// Whether the buffer is full, and somebody who is read has its share.
    fn is_stalled(&self, share_bytes: usize) -> bool {
        let is_full = self.held_bytes(share_bytes) >= self.options.buffer_bytes_max;
        is_full && self.lines.values().any(|line| is_stuck(line, share_bytes))
    }

    fn pause_stuck(&mut self, reader: &Reader, share_bytes: usize) -> Result<(), String> {
        for (at, line) in &mut self.lines {
            if is_stuck(line, share_bytes) {
                reader.pause(at).map_err(|error| describe(&error))?;
                line.pause(share_bytes);
                self.shared.stats.count(|figures| figures.pauses += 1);
            }
        }
        Ok(())
    }

    /// Bytes that wait. A partition that is paused takes no more than its share from the others, even if its next record is larger.
    fn held_bytes(&self, share_bytes: usize) -> usize {
        let held = |line: &Line| {
            let bytes = line.waiting_bytes();
            if line.is_paused() { bytes.min(share_bytes) } else { bytes }
        };
        self.lines.values().map(held).sum()
    }
}

fn is_stuck(line: &Line, share_bytes: usize) -> bool {
    line.is_assigned() && !line.is_paused() && line.waiting_bytes() >= share_bytes
}
