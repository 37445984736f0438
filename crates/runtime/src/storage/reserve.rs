//! The reserve: a file that is there to be removed when the disk is full, so that a checkpoint can still be
//! written.

use std::io;

use super::{Storage, StorageFile};

const RESERVE: &str = "reserve";
const DRAFT: &str = "reserve.tmp";
const WRITE_BYTES: usize = 64 * 1024;
/// What is written is made durable after so many bytes: the journal, on the same disk, would wait for all of it.
const SYNC_EVERY_BYTES: u64 = 8 << 20;

/// How large the reserve is: the smaller of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReserveOptions {
    /// Bytes; 0 means no reserve. Default 16 MiB.
    pub bytes_max: u64,
    /// Percent of the volume, 0 to 100. Default 5.
    pub volume_percent_max: u8,
}

impl Default for ReserveOptions {
    fn default() -> Self {
        Self { bytes_max: 16 << 20, volume_percent_max: 5 }
    }
}

/// The reserve file of a storage.
#[derive(Debug, Clone, Copy)]
pub struct Reserve {
    options: ReserveOptions,
}

impl Reserve {
    /// A reserve of that size; nothing is written yet.
    pub fn new(options: ReserveOptions) -> Self {
        Self { options }
    }

    /// Bytes held in reserve at present.
    pub fn held_bytes(&self, storage: &dyn Storage) -> io::Result<u64> {
        let files = storage.list("")?;
        Ok(files.iter().find(|file| file.name == RESERVE).map_or(0, |file| file.bytes))
    }

    /// Writes the reserve when there is none and there is room for it: when at least as much as it takes stays free,
    /// so that it never takes what was freed for something else. Says how many bytes are held then.
    ///
    /// # Errors
    /// When it cannot be written; what was written of it is removed.
    pub fn refill(&self, storage: &dyn Storage) -> io::Result<u64> {
        let held = self.held_bytes(storage)?;
        let space = storage.space()?;
        let percent = u64::from(self.options.volume_percent_max.min(100));
        let bytes = self.options.bytes_max.min(space.total_bytes / 100 * percent);
        if held > 0 || bytes == 0 || space.free_bytes < bytes.saturating_mul(2) {
            return Ok(held);
        }
        let written = write(storage, bytes);
        if written.is_err() {
            // The first error says more; a draft that stays is written over next time.
            _ = storage.remove(DRAFT);
        }
        written.map(|()| bytes)
    }

    /// Removes the reserve; says how many bytes that frees.
    pub fn release(&self, storage: &dyn Storage) -> io::Result<u64> {
        let held = self.held_bytes(storage)?;
        if held > 0 {
            storage.remove(RESERVE)?;
            storage.sync_folder("")?;
        }
        Ok(held)
    }
}

fn write(storage: &dyn Storage, bytes: u64) -> io::Result<()> {
    match storage.remove(DRAFT) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = storage.create(DRAFT)?;
    match file.allocate(bytes) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => fill(&mut *file, bytes)?,
        allocated => allocated?,
    }
    file.sync_data()?;
    storage.rename(DRAFT, RESERVE)?;
    storage.sync_folder("")
}

/// For file systems that give no room without being written to.
fn fill(file: &mut dyn StorageFile, bytes: u64) -> io::Result<()> {
    // Not zeros: file systems that compress would keep nothing for them.
    let mut state = 1_u64;
    let mut block = vec![0; WRITE_BYTES];
    let (mut left, mut unsynced) = (bytes, 0);
    while left > 0 {
        if unsynced >= SYNC_EVERY_BYTES {
            file.sync_data()?;
            unsynced = 0;
        }
        for word in block.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        let part = left.min(WRITE_BYTES as u64);
        file.append(&block[..part as usize])?;
        left -= part;
        unsynced += part;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FaultyStorage;

    fn reserve(bytes_max: u64) -> Reserve {
        Reserve::new(ReserveOptions { bytes_max, volume_percent_max: 5 })
    }

    #[test]
    fn it_is_the_smaller_of_a_size_and_a_share_of_the_volume() {
        let storage = FaultyStorage::new(1);
        storage.set_capacity(100_000_000);
        assert_eq!(reserve(1_000_000).refill(&storage).unwrap(), 1_000_000);
        assert_eq!(reserve(9_000_000).release(&storage).unwrap(), 1_000_000);
        assert_eq!(reserve(9_000_000).refill(&storage).unwrap(), 5_000_000);
        assert_eq!(reserve(0).held_bytes(&storage).unwrap(), 5_000_000);
    }

    #[test]
    fn it_frees_room_on_a_full_disk_and_comes_back_when_there_is_room_again() {
        let storage = FaultyStorage::new(1);
        storage.set_capacity(1_000_000);
        let reserve = reserve(16 << 20);
        assert_eq!(reserve.refill(&storage).unwrap(), 50_000);
        storage.create("x").unwrap().append(&vec![1; 950_000]).unwrap();
        let full = storage.create("y").unwrap().append(b"one more").unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        assert_eq!(reserve.release(&storage).unwrap(), 50_000);
        storage.create("z").unwrap().append(&vec![1; 40_000]).unwrap();
        assert_eq!(reserve.refill(&storage).unwrap(), 0, "it must not take what was freed");
        storage.remove("x").unwrap();
        assert_eq!(reserve.refill(&storage).unwrap(), 50_000);
    }

    #[test]
    fn what_was_begun_of_it_is_removed_when_it_fails() {
        let storage = FaultyStorage::new(1);
        storage.set_capacity(1_000_000);
        storage.fail_next(3, io::ErrorKind::StorageFull);
        assert!(reserve(16 << 20).refill(&storage).is_err());
        assert_eq!(storage.list("").unwrap(), []);
    }
}
