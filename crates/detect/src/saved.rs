//! What states need to be saved besides serde's derives, for `#[serde(with = ...)]` and for invariants.
//!
//! serde itself knows arrays of up to 32 elements. [`array`] writes longer ones in the same way, element by element and
//! without a length, since their length is part of the format. [`bytes`] and [`halves`] write bytes and half-precision
//! numbers in one piece, which is several times as fast. [`completed`] is for states that have an invariant, or parts that
//! are found out again rather than written.

use std::fmt;

use serde::de::{Error, Visitor};

/// Implements serde's traits for a state that derives them with `#[serde(remote = "Self")]`. What was read goes through its
/// `fn completed(self) -> Option<Self>`, which fills in what is not written and refuses what would be out of bounds later.
macro_rules! completed {
    ($state:ty) => {
        impl serde::Serialize for $state {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                <$state>::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $state {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let fault = concat!("no sound state: ", stringify!($state));
                let read = <$state>::deserialize(deserializer)?;
                read.completed().ok_or_else(|| serde::de::Error::custom(fault))
            }
        }
    };
}
pub(crate) use completed;

/// `values` with room for `capacity`, as much as a state that grew by itself has; `None` if they are more.
pub(crate) fn with_room<T>(values: Vec<T>, capacity: usize) -> Option<Vec<T>> {
    if values.len() > capacity {
        return None;
    }
    let mut roomy = Vec::with_capacity(capacity);
    roomy.extend(values);
    Some(roomy)
}

/// An array of any length.
pub(crate) mod array {
    use std::fmt;
    use std::marker::PhantomData;

    use serde::de::{Error, SeqAccess, Visitor};
    use serde::ser::SerializeTuple;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer, T: Serialize, const N: usize>(
        array: &[T; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(N)?;
        for element in array {
            tuple.serialize_element(element)?;
        }
        tuple.end()
    }

    pub(crate) fn deserialize<'de, D, T, const N: usize>(
        deserializer: D,
    ) -> Result<[T; N], D::Error>
    where
        D: Deserializer<'de>,
        T: Deserialize<'de> + Copy + Default,
    {
        deserializer.deserialize_tuple(N, Elements(PhantomData))
    }

    struct Elements<T, const N: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de> + Copy + Default, const N: usize> Visitor<'de> for Elements<T, N> {
        type Value = [T; N];

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{N} elements")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<[T; N], A::Error> {
            let mut array = [T::default(); N];
            for (place, element) in array.iter_mut().enumerate() {
                let next = elements.next_element()?;
                *element = next.ok_or_else(|| A::Error::invalid_length(place, &self))?;
            }
            Ok(array)
        }
    }
}

/// Any number of bytes.
pub(crate) mod bytes {
    use serde::{Deserializer, Serializer};

    use super::Bytes;

    pub(crate) fn serialize<S: Serializer>(
        bytes: &impl AsRef<[u8]>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes.as_ref())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, C: From<Vec<u8>>>(
        deserializer: D,
    ) -> Result<C, D::Error> {
        deserializer.deserialize_bytes(Bytes).map(C::from)
    }
}

/// Half-precision numbers, an array or any number of them: two bytes each, the lower one first.
pub(crate) mod halves {
    use half::f16;
    use serde::de::Error;
    use serde::{Deserializer, Serializer};

    use super::Bytes;

    pub(crate) fn serialize<S: Serializer>(
        halves: &impl AsRef<[f16]>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let bytes: Vec<[u8; 2]> = halves.as_ref().iter().map(|half| half.to_le_bytes()).collect();
        serializer.serialize_bytes(bytes.as_flattened())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, C: TryFrom<Vec<f16>>>(
        deserializer: D,
    ) -> Result<C, D::Error> {
        let bytes = deserializer.deserialize_bytes(Bytes)?;
        let (pairs, rest) = bytes.as_chunks::<2>();
        let halves: Vec<f16> = pairs.iter().map(|&pair| f16::from_le_bytes(pair)).collect();
        let wrong_length = || D::Error::custom("another number of half-precision numbers");
        if rest.is_empty() {
            halves.try_into().map_err(|_| wrong_length())
        } else {
            Err(wrong_length())
        }
    }
}

struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_owned())
    }
}
