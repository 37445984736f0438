//! A file that is read in pieces which lie close together.

use std::io;

use super::{READ_BYTES, StorageRead};

/// The part of a file that is in memory.
pub(crate) struct Window {
    file: Box<dyn StorageRead>,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// Of `file`, nothing yet.
    pub(crate) fn new(file: Box<dyn StorageRead>) -> Self {
        Self { file, start: 0, bytes: Vec::new() }
    }

    /// Length of the file in bytes at present.
    pub(crate) fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    /// `count` bytes at `offset`, fewer where the file ends.
    pub(crate) fn get(&mut self, offset: u64, count: usize) -> io::Result<&[u8]> {
        let held =
            offset >= self.start && offset + count as u64 <= self.start + self.bytes.len() as u64;
        if !held {
            self.bytes.resize(count.max(READ_BYTES), 0);
            self.bytes.shrink_to(READ_BYTES);
            let got = self.file.read_at(offset, &mut self.bytes);
            // After a failed read nothing is held.
            self.bytes.truncate(*got.as_ref().unwrap_or(&0));
            self.start = offset;
            got?;
        }
        let from = (offset - self.start) as usize;
        Ok(&self.bytes[from..self.bytes.len().min(from + count)])
    }
}
