//! Where the states of series wait that were silent for long: out of memory, until they come back.
//!
//! A partition says what is put there, under numbers that it gives out once each, and remembers what it must find again. What
//! keeps the bytes is somebody else's business, since nothing here may touch a disk: on one thread [`ColdMemory`], in the
//! runtime files.

use std::collections::BTreeMap;
use std::fmt::Debug;

/// Keeps the states of the silent series of one partition.
pub trait ColdStore: Debug + Send {
    /// Keeps `state` under `number`, in place of what was kept under it: after a restart from an older state, numbers are
    /// given out again.
    fn put(&mut self, number: u64, state: Vec<u8>);

    /// What was kept under `number`; `None` if it cannot be had. The series begin anew then. The partition holds what
    /// comes back to a checksum of its own.
    fn get(&self, number: u64) -> Option<Vec<u8>>;

    /// Nobody asks for `number` again, unless a state is restored that was saved before this.
    fn forget(&mut self, number: u64);
}

/// Keeps them in memory, as bytes without structure.
#[derive(Debug, Default)]
pub struct ColdMemory(BTreeMap<u64, Vec<u8>>);

impl ColdStore for ColdMemory {
    fn put(&mut self, number: u64, state: Vec<u8>) {
        self.0.insert(number, state);
    }

    fn get(&self, number: u64) -> Option<Vec<u8>> {
        self.0.get(&number).cloned()
    }

    fn forget(&mut self, number: u64) {
        self.0.remove(&number);
    }
}
