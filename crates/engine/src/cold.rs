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

    /// What came back as `number` is not what was put there, and is not used.
    fn reject(&mut self, _number: u64) {}

    /// Nobody asks for `number` again, unless a state is restored that was saved before this.
    fn forget(&mut self, number: u64);

    /// Bytes of memory that it takes.
    fn memory_bytes(&self) -> usize;
}

/// Keeps them in memory, as bytes without structure.
#[derive(Debug, Default)]
pub struct ColdMemory {
    states: BTreeMap<u64, Vec<u8>>,
    /// Bytes of all states.
    bytes: usize,
}

impl ColdStore for ColdMemory {
    fn put(&mut self, number: u64, state: Vec<u8>) {
        self.forget(number);
        self.bytes += state.len();
        self.states.insert(number, state);
    }

    fn get(&self, number: u64) -> Option<Vec<u8>> {
        self.states.get(&number).cloned()
    }

    fn forget(&mut self, number: u64) {
        self.bytes -= self.states.remove(&number).map_or(0, |state| state.len());
    }

    fn memory_bytes(&self) -> usize {
        // A third of the places of such a map are empty.
        self.bytes + self.states.len() * size_of::<(u64, Vec<u8>)>() * 3 / 2
    }
}
