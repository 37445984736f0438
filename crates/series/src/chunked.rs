//! A sorted map that takes hardly more memory than its entries: they lie side by side in chunks, which it shares with its clones.
//!
//! A third of the places of a `BTreeMap` are empty, and each is as large as alignment wants it. Here a sixteenth is empty at
//! most, and keys that need no alignment, as [`BareFingerprint`], leave nothing between them. A change copies the chunk that it
//! is in if that is shared, and no other one.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Bound;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::Fingerprint;

/// Most entries of a chunk: what can be moved at once without anybody noticing.
const CHUNK_MAX: usize = 128;
/// A chunk that is full gets room for one in so many of its entries.
const ROOM_PER: usize = 16;

/// A fingerprint that needs no alignment; in the same order, and written in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(Rust, packed)]
pub struct BareFingerprint(u128);

/// The least one.
impl Default for BareFingerprint {
    fn default() -> Self {
        Self(0)
    }
}

impl From<Fingerprint> for BareFingerprint {
    fn from(fingerprint: Fingerprint) -> Self {
        Self(fingerprint.as_u128())
    }
}

impl From<BareFingerprint> for Fingerprint {
    fn from(bare: BareFingerprint) -> Self {
        Self::from_u128(bare.0)
    }
}

impl Serialize for BareFingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Fingerprint::from(*self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for BareFingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Fingerprint::deserialize(deserializer).map(Self::from)
    }
}

type Chunk<K, V> = Arc<Vec<(K, V)>>;

/// Values by key. The default of a key must be the least one.
///
/// ```
/// use bellwether_series::Chunked;
///
/// let mut names = Chunked::default();
/// assert_eq!(names.insert(7_u64, "seven"), None);
/// names.insert(3, "three");
/// assert_eq!((names.len(), names.get(7), names.first()), (2, Some(&"seven"), Some(&(3, "three"))));
/// assert_eq!(names.remove(7), Some("seven"));
/// ```
#[derive(Debug, Clone)]
pub struct Chunked<K, V> {
    /// Each by a key that is at most its least one, and more than all of the chunk before. None is empty.
    chunks: BTreeMap<K, Chunk<K, V>>,
    count: usize,
}

impl<K, V> Default for Chunked<K, V> {
    fn default() -> Self {
        Self { chunks: BTreeMap::new(), count: 0 }
    }
}

impl<K: Copy + Default + Ord, V: Clone> Chunked<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All entries, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = &(K, V)> {
        self.chunks.values().flat_map(|chunk| chunk.iter())
    }

    /// The one with the least key.
    pub fn first(&self) -> Option<&(K, V)> {
        self.chunks.values().next()?.first()
    }

    /// What is under `key`.
    pub fn get(&self, key: K) -> Option<&V> {
        let (_, chunk) = self.chunks.range(..=key).next_back()?;
        place_of(chunk, key).ok().map(|place| &chunk[place].1)
    }

    /// Puts a value under `key`: what was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (begins, _) = self.reach(key);
        let chunk = Arc::make_mut(self.chunks.entry(begins).or_default());
        let place = match place_of(chunk, key) {
            Ok(place) => return Some(std::mem::replace(&mut chunk[place].1, value)),
            Err(place) => place,
        };
        self.count += 1;
        if chunk.len() == chunk.capacity() {
            chunk.reserve_exact(1 + chunk.len() / ROOM_PER);
        }
        chunk.insert(place, (key, value));
        if chunk.len() > CHUNK_MAX {
            // Where keys come in their order, what they leave behind stays full.
            let is_last = place + 1 == chunk.len();
            let upper = chunk.split_off(if is_last { place } else { chunk.len() / 2 });
            chunk.shrink_to_fit();
            self.chunks.insert(upper[0].0, Arc::new(upper));
        }
        None
    }

    /// Takes out what is under `key`.
    pub fn remove(&mut self, key: K) -> Option<V> {
        let (&begins, chunk) = self.chunks.range_mut(..=key).next_back()?;
        // What is shared should stay so if it is not there.
        let place = place_of(chunk, key).ok()?;
        let chunk = Arc::make_mut(chunk);
        let (_, value) = chunk.remove(place);
        self.count -= 1;
        if chunk.is_empty() {
            self.chunks.remove(&begins);
        } else if chunk.len() < chunk.capacity() / 2 {
            chunk.shrink_to_fit();
        }
        Some(value)
    }

    /// From where to where the chunk reaches that `key` belongs to: its bounds, the second one left out; `None` is the end.
    pub fn reach(&self, key: K) -> (K, Option<K>) {
        let begins = self.chunks.range(..=key).next_back();
        let mut behind = self.chunks.range((Bound::Excluded(key), Bound::Unbounded));
        let begins = begins.map(|(&begins, _)| begins).unwrap_or_default();
        (begins, behind.next().map(|(&next, _)| next))
    }

    /// The chunks between these bounds with where they begin. Insertion may make two of one, removal none.
    pub fn chunks(&self, (from, to): (K, Option<K>)) -> impl Iterator<Item = (K, &[(K, V)])> {
        let to = to.map_or(Bound::Unbounded, Bound::Excluded);
        let chunks = self.chunks.range((Bound::Included(from), to));
        chunks.map(|(&begins, chunk)| (begins, &***chunk))
    }

    /// Bytes that it takes, about, but for what values own elsewhere.
    pub fn bytes(&self) -> usize {
        // With counters of references, in a node of which two thirds are taken.
        let node = size_of::<(K, Chunk<K, V>)>() * 3 / 2;
        let head = node + 2 * size_of::<usize>() + size_of::<Vec<(K, V)>>();
        let chunk = |chunk: &Chunk<K, V>| head + chunk.capacity() * size_of::<(K, V)>();
        self.chunks.values().map(chunk).sum()
    }
}

/// Where `key` is in a chunk, or else would be.
fn place_of<K: Copy + Ord, V>(chunk: &[(K, V)], key: K) -> Result<usize, usize> {
    chunk.binary_search_by(|(other, _)| other.cmp(&key))
}

/// As a map.
impl<K, V> Serialize for Chunked<K, V>
where
    K: Copy + Default + Ord + Serialize,
    V: Clone + Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.count))?;
        for (key, value) in self.iter() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de, K, V> Deserialize<'de> for Chunked<K, V>
where
    K: Copy + Default + Ord + Deserialize<'de>,
    V: Clone + Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

struct Entries<K, V>(PhantomData<(K, V)>);

impl<'de, K, V> Visitor<'de> for Entries<K, V>
where
    K: Copy + Default + Ord + Deserialize<'de>,
    V: Clone + Deserialize<'de>,
{
    type Value = Chunked<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut all = Chunked::default();
        while let Some((key, value)) = map.next_entry()? {
            all.insert(key, value);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The entries of `map`, and that its chunks are as they should be.
    fn entries(map: &Chunked<u64, u64>) -> Vec<(u64, u64)> {
        assert!(map.chunks.values().all(|chunk| (1..=CHUNK_MAX).contains(&chunk.len())));
        let reach = (0, None);
        for (begins, chunk) in map.chunks(reach) {
            assert!(chunk.iter().all(|(key, _)| map.reach(*key).0 == begins));
        }
        map.iter().copied().collect()
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_map(
            changes in prop::collection::vec((0..900_u64, any::<u64>(), 0..3_u8), 0..2000),
        ) {
            let (mut map, mut model) = (Chunked::default(), BTreeMap::new());
            let mut clone = (map.clone(), model.clone());
            for (index, (key, value, what)) in changes.into_iter().enumerate() {
                if what == 0 {
                    prop_assert_eq!(map.remove(key), model.remove(&key));
                } else {
                    prop_assert_eq!(map.insert(key, value), model.insert(key, value));
                }
                prop_assert_eq!(map.get(key), model.get(&key));
                prop_assert_eq!(map.len(), model.len());
                if index % 500 == 100 {
                    clone = (map.clone(), model.clone());
                }
            }
            for (map, model) in [(map, model), clone] {
                prop_assert_eq!(map.first().copied(), model.first_key_value().map(|(k, v)| (*k, *v)));
                let text = serde_json::to_string(&map).unwrap();
                prop_assert_eq!(&text, &serde_json::to_string(&model).unwrap());
                prop_assert_eq!(entries(&map), model.into_iter().collect::<Vec<_>>());
                let read: Chunked<u64, u64> = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(entries(&read), entries(&map));
            }
        }
    }

    #[test]
    fn a_change_copies_one_chunk_of_what_is_shared() {
        let mut map = Chunked::default();
        (0..4096_u64).for_each(|key| _ = map.insert(2 * key, ()));
        let clone = map.clone();
        map.remove(8);
        assert!(map.remove(999).is_none());
        let is_copied = |(one, other): (&Chunk<_, _>, &Chunk<_, _>)| !Arc::ptr_eq(one, other);
        let chunks = clone.chunks.values().zip(map.chunks.values());
        assert_eq!(chunks.filter(|pair| is_copied(*pair)).count(), 1);
        assert_eq!((clone.len(), map.len()), (4096, 4095));
    }

    #[test]
    fn it_takes_little_more_than_its_entries() {
        let count = 20_000_u64;
        let key =
            |index: u64| BareFingerprint::from(Fingerprint::of_parts(&[&index.to_le_bytes()]));
        let mut map = Chunked::default();
        (0..count).for_each(|index| _ = map.insert(key(index), [0_u8; 12]));
        let each = map.bytes() as f64 / count as f64;
        assert!((28.0..31.0).contains(&each), "{each}");
        (count / 10..count).for_each(|index| _ = map.remove(key(index)));
        let each = map.bytes() as f64 / map.len() as f64;
        // Each chunk is a tenth full and has given back half of its places at the least.
        assert!(each < 56.0, "{each}");
    }
}
