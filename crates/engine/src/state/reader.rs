//! Reading a state, part by part.

use postcard::Deserializer;
use postcard::de_flavors::Slice;
use serde::Deserialize;

use super::{Kind, STATE_VERSION, StateError};
use crate::settings::Settings;

/// Takes the parts of a state off its bytes.
#[derive(Debug)]
pub(crate) struct Reader<'b> {
    bytes: usize,
    rest: &'b [u8],
    /// What is being read, for errors.
    part: &'static str,
}

impl<'b> Reader<'b> {
    /// Begins to read `bytes`, which must be the state of a `kind` that was saved under `settings`.
    pub(crate) fn begin(
        bytes: &'b [u8],
        kind: Kind,
        settings: &Settings,
    ) -> Result<Self, StateError> {
        let Some((_, rest)) = bytes.split_first().filter(|(first, _)| **first == kind as u8) else {
            return Err(StateError::Kind { found: bytes.first().copied() });
        };
        let mut reader = Self { bytes: bytes.len(), rest, part: "header" };
        let found: u32 = reader.take()?;
        if found != STATE_VERSION {
            return Err(StateError::Version { found });
        }
        let saved: &str = reader.take()?;
        if saved == &*settings.digest {
            return Ok(reader);
        }
        Err(StateError::Configuration {
            saved: saved.to_owned(),
            current: settings.digest.to_string(),
        })
    }

    /// Begins to read what [`Writer::bare`](super::Writer::bare) has written.
    pub(crate) fn bare(bytes: &'b [u8], part: &'static str) -> Self {
        Self { bytes: bytes.len(), rest: bytes, part }
    }

    /// Says what comes next.
    pub(crate) fn part(&mut self, part: &'static str) {
        self.part = part;
    }

    /// Takes a part.
    pub(crate) fn take<T: Deserialize<'b>>(&mut self) -> Result<T, StateError> {
        self.take_by(|deserializer| T::deserialize(deserializer))
    }

    /// Takes a part that `read` knows how to read.
    pub(crate) fn take_by<T>(
        &mut self,
        read: impl FnOnce(&mut Deserializer<'b, Slice<'b>>) -> postcard::Result<T>,
    ) -> Result<T, StateError> {
        let mut deserializer = Deserializer::from_bytes(self.rest);
        let taken = read(&mut deserializer).and_then(|part| Ok((part, deserializer.finalize()?)));
        let (part, offset) = (self.part, self.offset());
        let (taken, rest) = taken.map_err(|source| StateError::Damaged { part, offset, source })?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes how many parts follow, each of which takes a byte at least.
    pub(crate) fn take_count(&mut self) -> Result<usize, StateError> {
        let count: u64 = self.take()?;
        let count = usize::try_from(count).ok().filter(|&count| count <= self.rest.len());
        self.must(count, "more parts than bytes")
    }

    /// What is `there`, or else the `fault` of a state that contradicts itself.
    pub(crate) fn must<T>(&self, there: Option<T>, fault: &'static str) -> Result<T, StateError> {
        let (part, offset) = (self.part, self.offset());
        there.ok_or(StateError::Contradiction { part, offset, fault })
    }

    /// As [`Reader::must`] for a condition that must hold.
    pub(crate) fn check(&self, holds: bool, fault: &'static str) -> Result<(), StateError> {
        self.must(holds.then_some(()), fault)
    }

    /// Ends it: nothing may be left.
    pub(crate) fn end(self) -> Result<(), StateError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(StateError::Trailing { offset: self.offset(), left_bytes: self.rest.len() })
    }

    fn offset(&self) -> usize {
        self.bytes - self.rest.len()
    }
}
