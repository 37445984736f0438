//! Walks through the records of one segment, and finds the next one behind damage.

use std::io;

use super::record::{FRAME_BYTES, HEAD_BYTES, Head, payload_of};
use super::segment::{HEADER_BYTES, SegmentHeader};
use crate::format::CRC_BYTES;
use crate::storage::{StorageRead, Window};

/// What is at the place where the scanner stands.
pub(super) enum Scanned {
    /// A record with its payload; the scanner now stands behind it.
    Record(Head, Vec<u8>),
    /// The end.
    End,
    /// Something that is not the record that must follow.
    Damage,
}

/// A place in a segment. Holds one record in memory, or [`READ_BYTES`](crate::storage::READ_BYTES) when that is more.
pub(super) struct Scanner {
    window: Window,
    crc_seed: u32,
    /// Where the next record begins.
    pub(super) offset: u64,
    /// The sequence that it must have.
    pub(super) next_sequence: u64,
}

impl Scanner {
    /// At the first record of the segment with that header.
    pub(super) fn new(file: Box<dyn StorageRead>, header: &SegmentHeader) -> Self {
        Self {
            window: Window::new(file),
            crc_seed: header.crc_seed(),
            offset: HEADER_BYTES as u64,
            next_sequence: header.first_sequence,
        }
    }

    /// Takes the next record, as if the file ended at `valid_bytes`.
    pub(super) fn next(&mut self, valid_bytes: Option<u64>) -> io::Result<Scanned> {
        let end = self.end(valid_bytes)?;
        if self.offset >= end {
            return Ok(Scanned::End);
        }
        let found = self.record_at(self.offset, end)?;
        let Some((head, payload)) = found.filter(|(head, _)| head.sequence == self.next_sequence)
        else {
            return Ok(Scanned::Damage);
        };
        self.offset += head.record_bytes() as u64;
        if !head.restated {
            self.next_sequence += 1;
        }
        Ok(Scanned::Record(head, payload))
    }

    /// Goes to the next place at which a valid record begins, if there is one; [`Scanner::next`] then gives it.
    pub(super) fn skip_damage(&mut self, valid_bytes: Option<u64>) -> io::Result<bool> {
        let end = self.end(valid_bytes)?;
        let mut offset = self.offset;
        while offset + FRAME_BYTES as u64 <= end {
            let head = Head::decode(self.crc_seed, self.window.get(offset, HEAD_BYTES)?);
            let Some(head) = head.filter(|head| head.sequence >= self.next_sequence) else {
                offset += 1;
                continue;
            };
            if self.record_at(offset, end)?.is_some() {
                (self.offset, self.next_sequence) = (offset, head.sequence);
                return Ok(true);
            }
            // The head verifies, so where its record ends is known, and nothing begins before that.
            offset += head.record_bytes() as u64;
        }
        Ok(false)
    }

    /// Whether what stands here, which is no valid record, is what a write leaves that did not come to its end: fewer bytes
    /// than its head says, or zeros where its last ones should be.
    pub(super) fn is_cut_off(&mut self, valid_bytes: Option<u64>) -> io::Result<bool> {
        let end = self.end(valid_bytes)?;
        let here = end.saturating_sub(self.offset);
        let head = Head::decode(self.crc_seed, self.window.get(self.offset, HEAD_BYTES)?);
        if here < head.map_or(HEAD_BYTES, |head| head.record_bytes()) as u64 {
            return Ok(true);
        }
        let last = self.window.get(end.saturating_sub(CRC_BYTES as u64), CRC_BYTES)?;
        Ok(last.iter().all(|&byte| byte == 0))
    }

    /// Bytes of the file that count at present.
    pub(super) fn end(&self, valid_bytes: Option<u64>) -> io::Result<u64> {
        Ok(self.window.len()?.min(valid_bytes.unwrap_or(u64::MAX)))
    }

    fn record_at(&mut self, offset: u64, end: u64) -> io::Result<Option<(Head, Vec<u8>)>> {
        let head = Head::decode(self.crc_seed, self.window.get(offset, HEAD_BYTES)?);
        let fits = |head: &Head| offset + head.record_bytes() as u64 <= end;
        let Some(head) = head.filter(fits) else { return Ok(None) };
        let record = self.window.get(offset, head.record_bytes())?;
        let whole = record.len() == head.record_bytes();
        let payload = payload_of(self.crc_seed, record).filter(|_| whole);
        Ok(payload.map(|payload| (head, payload.to_vec())))
    }
}
