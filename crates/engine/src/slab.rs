//! Records by slot, in chunks: growing neither copies nor doubles, and a chunk without records takes no memory.
//!
//! Slots from [`ASIDE`] on are for records that wait aside, out of the way of those that have a place.

use std::collections::BTreeMap;

use bellwether_series::prefetch;

/// Bytes of an allocation, at most.
const CHUNK_BYTES: usize = 16 * 1024;
/// The first slot of those that wait aside.
pub(crate) const ASIDE: u32 = 1 << 31;

/// Records by slot.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    /// Each is full of places, or empty.
    chunks: Vec<Vec<Option<T>>>,
    aside: BTreeMap<u32, T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), aside: BTreeMap::new() }
    }
}

impl<T> Slab<T> {
    /// A power of two: what is divided by it is found at once.
    const CHUNK: usize = 1 << (CHUNK_BYTES / size_of::<Option<T>>()).ilog2();

    /// The record in `slot`.
    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        let length = Self::CHUNK as u32;
        let (chunk, place) = ((slot / length) as usize, (slot % length) as usize);
        match self.chunks.get_mut(chunk) {
            Some(chunk) => chunk.get_mut(place)?.as_mut(),
            None => self.aside.get_mut(&slot),
        }
    }

    /// Asks for the record in `slot`, which will be needed soon.
    #[inline]
    pub(crate) fn prefetch(&self, slot: u32) {
        let length = Self::CHUNK as u32;
        let (chunk, place) = ((slot / length) as usize, (slot % length) as usize);
        if let Some(record) = self.chunks.get(chunk).and_then(|chunk| chunk.get(place)) {
            prefetch(record);
        }
    }

    /// Puts `record` into `slot`.
    pub(crate) fn insert(&mut self, slot: u32, record: T) {
        if slot >= ASIDE {
            self.aside.insert(slot, record);
            return;
        }
        let slot = slot as usize;
        if self.chunks.len() <= slot / Self::CHUNK {
            self.chunks.resize_with(slot / Self::CHUNK + 1, Vec::new);
        }
        let chunk = &mut self.chunks[slot / Self::CHUNK];
        if chunk.is_empty() {
            chunk.reserve_exact(Self::CHUNK);
            chunk.resize_with(Self::CHUNK, || None);
        }
        chunk[slot % Self::CHUNK] = Some(record);
    }

    /// Takes the record out of `slot`.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<T> {
        if slot >= ASIDE {
            return self.aside.remove(&slot);
        }
        let slot = slot as usize;
        let chunk = self.chunks.get_mut(slot / Self::CHUNK)?;
        let record = chunk.get_mut(slot % Self::CHUNK)?.take();
        if chunk.iter().all(Option::is_none) {
            *chunk = Vec::new();
        }
        record
    }

    /// A slot aside where nothing is.
    pub(crate) fn free_aside(&self) -> u32 {
        match self.aside.last_key_value() {
            None => ASIDE,
            Some((&last, _)) if last < u32::MAX => last + 1,
            // Only after billions of series that came while the one before was still there.
            Some(_) => {
                (ASIDE..u32::MAX).find(|slot| !self.aside.contains_key(slot)).unwrap_or(ASIDE)
            }
        }
    }

    /// Slots with a place up to the last one that is taken.
    pub(crate) fn slots(&self) -> usize {
        let taken = |chunk: &Vec<Option<T>>| chunk.iter().rposition(Option::is_some);
        let mut chunks = self.chunks.iter().enumerate().rev();
        let last = chunks.find_map(|(number, chunk)| Some((number, taken(chunk)?)));
        last.map_or(0, |(number, place)| number * Self::CHUNK + place + 1)
    }

    /// What is in each of [`Slab::slots`].
    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<&T>> {
        let at = |slot: usize| self.chunks[slot / Self::CHUNK].get(slot % Self::CHUNK)?.as_ref();
        (0..self.slots()).map(at)
    }

    /// Those that wait aside, by slot.
    pub(crate) fn aside(&self) -> &BTreeMap<u32, T> {
        &self.aside
    }

    /// All records, by slot.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        let in_chunks = self.chunks.iter_mut().enumerate().flat_map(|(number, chunk)| {
            let first = number * Self::CHUNK;
            chunk.iter_mut().enumerate().map(move |(place, record)| (first + place, record))
        });
        let placed = in_chunks.filter_map(|(slot, record)| Some((slot as u32, record.as_mut()?)));
        placed.chain(self.aside.iter_mut().map(|(&slot, record)| (slot, record)))
    }

    /// Bytes allocated.
    pub(crate) fn bytes(&self) -> usize {
        let chunks = self.chunks.iter().filter(|chunk| !chunk.is_empty()).count();
        chunks * Self::CHUNK * size_of::<Option<T>>()
            + self.aside.len() * (size_of::<u32>() + size_of::<T>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Large, so that a few make a chunk.
    type Record = [u64; 512];

    #[test]
    fn a_slot_holds_what_was_put_into_it_last() {
        let mut slab = Slab::<Record>::default();
        assert!(slab.get_mut(7).is_none() && slab.remove(7).is_none());
        for slot in [40, 0, 7] {
            slab.insert(slot, [u64::from(slot); 512]);
        }
        slab.insert(7, [1; 512]);
        assert_eq!(slab.get_mut(7), Some(&mut [1; 512]));
        assert_eq!(slab.remove(40), Some([40; 512]));
        assert!(slab.get_mut(40).is_none() && slab.get_mut(39).is_none());
    }

    #[test]
    fn records_are_visited_by_slot() {
        let mut slab = Slab::<Record>::default();
        for slot in [100, 3, 64, 0] {
            slab.insert(slot, [u64::from(slot); 512]);
        }
        slab.remove(64);
        let visited: Vec<_> = slab.iter_mut().map(|(slot, record)| (slot, record[0])).collect();
        assert_eq!(visited, [(0, 0), (3, 3), (100, 100)]);
    }

    #[test]
    fn what_waits_aside_takes_nobodys_place() {
        let mut slab = Slab::<Record>::default();
        slab.insert(5, [5; 512]);
        let aside = [(); 3].map(|()| {
            let slot = slab.free_aside();
            slab.insert(slot, [u64::from(slot); 512]);
            slot
        });
        assert_eq!(aside, [ASIDE, ASIDE + 1, ASIDE + 2]);
        assert_eq!((slab.slots(), slab.iter().flatten().count()), (6, 1));
        assert_eq!(slab.remove(aside[1]), Some([u64::from(aside[1]); 512]));
        let visited: Vec<_> = slab.iter_mut().map(|(slot, _)| slot).collect();
        assert_eq!(visited, [5, aside[0], aside[2]]);
    }

    #[test]
    fn a_chunk_in_which_nothing_is_takes_no_memory() {
        let mut slab = Slab::<Record>::default();
        (0..100).for_each(|slot| slab.insert(slot, [u64::from(slot); 512]));
        (0..99).for_each(|slot| _ = slab.remove(slot));
        let one = slab.bytes();
        assert_eq!((one <= CHUNK_BYTES, slab.slots()), (true, 100));
        assert_eq!(slab.iter().flatten().count(), 1);
        assert!(slab.get_mut(7).is_none());
        slab.insert(7, [7; 512]);
        assert_eq!(slab.get_mut(7), Some(&mut [7; 512]));
        assert_eq!(slab.bytes(), 2 * one);
    }

    #[test]
    fn bytes_are_those_of_whole_chunks() {
        let mut slab = Slab::<Record>::default();
        assert_eq!(slab.bytes(), 0);
        slab.insert(0, [0; 512]);
        let one = slab.bytes();
        assert!((4096..=CHUNK_BYTES).contains(&one));
        slab.insert(1, [0; 512]);
        assert_eq!(slab.bytes(), one);
    }
}
