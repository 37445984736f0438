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
