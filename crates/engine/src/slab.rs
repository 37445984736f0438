//! Records by slot, in chunks: growing neither copies nor doubles.

/// Bytes of an allocation.
const CHUNK_BYTES: usize = 16 * 1024;

/// Records by slot.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<Option<T>>>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<T> Slab<T> {
    const CHUNK: usize = CHUNK_BYTES / size_of::<Option<T>>();

    /// The record in `slot`.
    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        let slot = slot as usize;
        self.chunks.get_mut(slot / Self::CHUNK)?.get_mut(slot % Self::CHUNK)?.as_mut()
    }

    /// Puts `record` into `slot`.
    pub(crate) fn insert(&mut self, slot: u32, record: T) {
        let slot = slot as usize;
        while self.chunks.len() <= slot / Self::CHUNK {
            let mut chunk = Vec::with_capacity(Self::CHUNK);
            chunk.resize_with(Self::CHUNK, || None);
            self.chunks.push(chunk);
        }
        self.chunks[slot / Self::CHUNK][slot % Self::CHUNK] = Some(record);
    }

    /// Takes the record out of `slot`.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<T> {
        let slot = slot as usize;
        self.chunks.get_mut(slot / Self::CHUNK)?.get_mut(slot % Self::CHUNK)?.take()
    }

    /// Slots up to the last one that is taken.
    pub(crate) fn slots(&self) -> usize {
        let (mut slots, mut all) = (0, 0);
        for record in self.chunks.iter().flatten() {
            all += 1;
            slots = if record.is_some() { all } else { slots };
        }
        slots
    }

    /// What is in each of [`Slab::slots`].
    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<&T>> {
        self.chunks.iter().flatten().map(Option::as_ref).take(self.slots())
    }

    /// All records, by slot.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        let records = self.chunks.iter_mut().flatten().enumerate();
        records.filter_map(|(slot, record)| Some((slot as u32, record.as_mut()?)))
    }

    /// Bytes allocated.
    pub(crate) fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK_BYTES
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
