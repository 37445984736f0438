//! A label set in a saved state: its canonical bytes. Whatever is read is checked to be canonical, since equal label sets
//! must have equal bytes.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{LabelLimits, LabelSet};

/// A set that was admitted once is not refused later: what it takes is bounded by the bytes that are there.
const NO_LIMITS: LabelLimits = LabelLimits {
    labels_max: usize::MAX,
    name_bytes_max: usize::MAX,
    value_bytes_max: usize::MAX,
    total_bytes_max: usize::MAX,
};

impl Serialize for LabelSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.as_wire())
    }
}

impl<'de> Deserialize<'de> for LabelSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Canonical)
    }
}

struct Canonical;

impl Visitor<'_> for Canonical {
    type Value = LabelSet;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the canonical bytes of a label set")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<LabelSet, E> {
        let labels = LabelSet::from_wire(bytes, &NO_LIMITS).map_err(E::custom)?;
        if labels.as_wire() == bytes {
            return Ok(labels);
        }
        Err(E::custom("labels are not in their canonical form"))
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::{BytesDeserializer, Error};

    use super::*;

    fn read(bytes: &[u8]) -> Result<LabelSet, Error> {
        let deserializer: BytesDeserializer<'_, Error> = bytes.into_deserializer();
        LabelSet::deserialize(deserializer)
    }

    #[test]
    fn only_canonical_bytes_are_a_label_set() {
        let labels = LabelSet::from_pairs([("__name__", "up"), ("a", "1"), ("b", "2")]).unwrap();
        let bytes = labels.as_wire();
        assert_eq!(read(bytes), Ok(labels.clone()));
        for end in 1..bytes.len() {
            let whole = read(&bytes[..end]).is_ok_and(|read| bytes.starts_with(read.as_wire()));
            let is_cut_between_labels = LabelSet::from_wire(&bytes[..end], &NO_LIMITS).is_ok();
            assert_eq!(whole, is_cut_between_labels, "{end}");
        }
        let (first, rest) = bytes.split_at(bytes.len() - 8);
        let swapped = [rest, first].concat();
        assert_eq!(LabelSet::from_wire(&swapped, &NO_LIMITS).as_ref(), Ok(&labels));
        assert!(read(&swapped).is_err(), "the order of labels");
        let long_varint = [&[0x8A, 0x00][..], &bytes[1..]].concat();
        assert!(read(&long_varint).is_err(), "a tag in two bytes");
    }
}
