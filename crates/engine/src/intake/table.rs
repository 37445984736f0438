//! Finds series by the hash of their label bytes.
//!
//! Half of each hash is kept, so that a table that grows looks at no labels: those of a million series would take a fifth of a
//! second, in which no request is answered.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;

/// Indices of entries by hash.
#[derive(Debug, Default)]
pub(super) struct Table(HashTable<Slot>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    index: u32,
    /// The lower half of the hash.
    hash: u32,
}

impl Slot {
    fn new(hash: u64, index: usize) -> Self {
        Self { index: index as u32, hash: hash as u32 }
    }

    /// What the table takes for its hash: it looks at the highest bits as well as at the lowest. Fibonacci hashing, Knuth, "The
    /// Art of Computer Programming" 3, section 6.4.
    fn spread(self) -> u64 {
        u64::from(self.hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl Table {
    /// An empty one with room for `series`.
    pub(super) fn with_capacity(series: usize) -> Self {
        Self(HashTable::with_capacity(series))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.0.allocation_size()
    }

    /// The entry under `hash` that `is_it` says yes to.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let wanted = Slot::new(hash, 0);
        let is_same = |slot: &Slot| slot.hash == wanted.hash && is_it(slot.index as usize);
        self.0.find(wanted.spread(), is_same).map(|slot| slot.index as usize)
    }

    /// Enters the entry `index` under `hash`, if `is_same` says yes to none that is there under it. Whether it did.
    pub(super) fn enter(
        &mut self,
        hash: u64,
        index: usize,
        is_same: impl Fn(usize) -> bool,
    ) -> bool {
        let new = Slot::new(hash, index);
        let is_there = |slot: &Slot| slot.hash == new.hash && is_same(slot.index as usize);
        match self.0.entry(new.spread(), is_there, |slot| slot.spread()) {
            Place::Occupied(_) => false,
            Place::Vacant(vacant) => {
                vacant.insert(new);
                true
            }
        }
    }

    /// Removes the entry `index`, which is under `hash`.
    pub(super) fn remove(&mut self, hash: u64, index: usize) {
        let slot = Slot::new(hash, index);
        if let Ok(found) = self.0.find_entry(slot.spread(), |other| *other == slot) {
            found.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_equal_hashes_are_told_apart_and_survive_growth() {
        let mut table = Table::default();
        // Each hash is that of three entries, and halves are equal as well.
        let hash = |index: usize| (index as u64 / 3 % 2) << 40 | (index as u64 / 6);
        for index in 0..600 {
            assert!(table.enter(hash(index), index, |other| other == index));
            assert!(!table.enter(hash(index), index, |other| other == index));
        }
        assert_eq!(table.len(), 600);
        for index in (0..600).step_by(2) {
            table.remove(hash(index), index);
        }
        for index in 0..600 {
            let found = table.find(hash(index), |other| other == index);
            assert_eq!(found, (index % 2 == 1).then_some(index));
        }
    }
}
