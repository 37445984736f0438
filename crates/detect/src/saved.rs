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

#[cfg(test)]
mod tests {
    use half::f16;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Arrays {
        #[serde(with = "array")]
        numbers: [f64; 40],
        #[serde(with = "halves")]
        halves: [f16; 3],
        #[serde(with = "bytes")]
        bytes: Vec<u8>,
    }

    #[test]
    fn arrays_are_written_without_a_length_and_every_bit_of_them_is_read_back() {
        let mut numbers = [0.0; 40];
        numbers[..3].copy_from_slice(&[-0.0, f64::from_bits(0x7ff4_0000_dead_beef), 5e-324]);
        let halves = [f16::MAX, f16::from_bits(0x7d01), f16::NEG_ZERO];
        let arrays = Arrays { numbers, halves, bytes: vec![1, 2] };
        let written = postcard::to_stdvec(&arrays).unwrap();
        assert_eq!(written.len(), 40 * 8 + (1 + 3 * 2) + (1 + 2));
        let read: Arrays = postcard::from_bytes(&written).unwrap();
        assert_eq!(read.numbers.map(f64::to_bits), numbers.map(f64::to_bits));
        assert_eq!(read.halves.map(f16::to_bits), halves.map(f16::to_bits));
        assert_eq!(read.bytes, [1, 2]);
        for length in [0, 5, 7, 8] {
            let mut other = written.clone();
            other[320] = length;
            assert!(postcard::from_bytes::<Arrays>(&other).is_err(), "{length}");
        }
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(remote = "Self")]
    struct Small {
        number: u8,
        #[serde(skip)]
        twice: u8,
    }

    completed!(Small);

    impl Small {
        fn completed(self) -> Option<Self> {
            Some(Self { twice: self.number.checked_mul(2)?, ..self })
        }
    }

    #[test]
    fn what_is_read_is_completed_or_refused() {
        let written = postcard::to_stdvec(&Small { number: 9, twice: 1 }).unwrap();
        assert_eq!(written, [9]);
        assert_eq!(postcard::from_bytes(&written), Ok(Small { number: 9, twice: 18 }));
        assert!(postcard::from_bytes::<Small>(&[200]).is_err());
    }
}
