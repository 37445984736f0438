//! What one partition sees of the files.

use std::fmt;
use std::sync::Arc;

use bellwether_engine::ColdStore;

use super::ColdFiles;

/// The states of the silent series of one partition.
pub(crate) struct ColdShelf {
    files: Arc<ColdFiles>,
    partition: u8,
}

impl ColdShelf {
    pub(crate) fn new(files: Arc<ColdFiles>, partition: u8) -> Self {
        Self { files, partition }
    }
}

impl fmt::Debug for ColdShelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ColdShelf({})", self.partition)
    }
}

impl ColdStore for ColdShelf {
    fn put(&mut self, number: u64, state: Vec<u8>) {
        self.files.put((self.partition, number), state);
    }

    fn get(&self, number: u64) -> Option<Vec<u8>> {
        self.files.get((self.partition, number))
    }

    fn reject(&mut self, number: u64) {
        self.files.reject((self.partition, number));
    }

    fn forget(&mut self, number: u64) {
        self.files.forget((self.partition, number));
    }

    fn memory_bytes(&self) -> usize {
        self.files.places_bytes(self.partition)
    }
}
