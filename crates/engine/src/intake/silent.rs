//! Silent series by fingerprint, in chunks that are shared with states that were saved and are not written yet: a change copies
//! one chunk and not all.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_series::Fingerprint;
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::cold::Silent;

/// Bits of a fingerprint that say in which chunk it is: of a million silent series there are 61 in one. The first ones, so that the chunks are
/// in the order of what is in them.
const CHUNK_BITS: u32 = 14;

type Chunk = Arc<BTreeMap<Fingerprint, Silent>>;

/// All silent series.
#[derive(Debug, Clone)]
pub(super) struct SilentSeries {
    chunks: Vec<Chunk>,
    count: usize,
}

impl Default for SilentSeries {
    fn default() -> Self {
        Self { chunks: vec![Chunk::default(); 1 << CHUNK_BITS], count: 0 }
    }
}

impl SilentSeries {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// In the order of their fingerprints.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Fingerprint, Silent)> {
        let all = self.chunks.iter().flat_map(|chunk| chunk.iter());
        all.map(|(&fingerprint, &silent)| (fingerprint, silent))
    }

    /// Whether it is there.
    pub(super) fn contains(&self, fingerprint: Fingerprint) -> bool {
        self.chunks[chunk_index(fingerprint)].contains_key(&fingerprint)
    }

    /// Puts it in; what was known of it.
    pub(super) fn insert(&mut self, fingerprint: Fingerprint, silent: Silent) -> Option<Silent> {
        let before = Arc::make_mut(self.chunk_of(fingerprint)).insert(fingerprint, silent);
        self.count += usize::from(before.is_none());
        before
    }

    /// Takes it out, if it is there.
    pub(super) fn remove(&mut self, fingerprint: Fingerprint) -> Option<Silent> {
        if self.count == 0 {
            return None;
        }
        let chunk = self.chunk_of(fingerprint);
        // Most of those who ask are new, and what is shared should stay so.
        if !chunk.contains_key(&fingerprint) {
            return None;
        }
        let removed = Arc::make_mut(chunk).remove(&fingerprint);
        self.count -= usize::from(removed.is_some());
        removed
    }

    fn chunk_of(&mut self, fingerprint: Fingerprint) -> &mut Chunk {
        &mut self.chunks[chunk_index(fingerprint)]
    }
}

fn chunk_index(fingerprint: Fingerprint) -> usize {
    (fingerprint.as_u128() >> (128 - CHUNK_BITS)) as usize
}

/// As one map.
impl Serialize for SilentSeries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.count))?;
        for (fingerprint, silent) in self.iter() {
            map.serialize_entry(&fingerprint, &silent)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for SilentSeries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut all = Self::default();
        for (fingerprint, silent) in BTreeMap::deserialize(deserializer)? {
            all.insert(fingerprint, silent);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent(seen_ms: i64) -> Silent {
        Silent { seen_ms, ..Silent::default() }
    }

    #[test]
    fn all_are_in_order_and_counted() {
        let mut all = SilentSeries::default();
        let keys = [u128::MAX, 3 << 120, 0, 1 << 118, 7].map(Fingerprint::from_u128);
        for (index, key) in keys.into_iter().enumerate() {
            assert!(all.insert(key, silent(index as i64)).is_none());
        }
        assert!(all.insert(keys[0], silent(9)).is_some());
        let mut sorted = keys;
        sorted.sort_unstable();
        assert_eq!(all.iter().map(|(key, _)| key).collect::<Vec<_>>(), sorted);
        assert!(all.remove(keys[2]).is_some() && all.remove(keys[2]).is_none());
        assert_eq!((all.len(), all.iter().count()), (4, 4));
    }

    #[test]
    fn a_change_copies_one_chunk_of_what_is_shared() {
        let mut all = SilentSeries::default();
        for key in 0..4096_u128 {
            all.insert(Fingerprint::from_u128(key << 112), silent(0));
        }
        let saved = all.clone();
        all.remove(Fingerprint::from_u128(0));
        assert!(all.remove(Fingerprint::from_u128(1)).is_none());
        let copied = |(one, other): (&Chunk, &Chunk)| !Arc::ptr_eq(one, other);
        assert_eq!(saved.chunks.iter().zip(&all.chunks).filter(|pair| copied(*pair)).count(), 1);
        assert_eq!((saved.len(), all.len()), (4096, 4095));
    }
}
