//! Writing a state, part by part, behind what a buffer holds already.

use postcard::ser_flavors::Flavor;
use serde::Serialize;

use super::{Kind, STATE_VERSION};
use crate::settings::Settings;

/// Appends the parts of a state to a buffer.
#[derive(Debug)]
pub(crate) struct Writer<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Writer<'o> {
    /// Begins the state of a `kind` that was reached under the configuration with this digest.
    pub(crate) fn begin(out: &'o mut Vec<u8>, kind: Kind, digest: &str) -> Self {
        out.push(kind as u8);
        let mut writer = Self { out };
        writer.put(&STATE_VERSION);
        writer.put(digest);
        writer
    }

    /// Begins a part of a state that stands by itself and is as the state is that refers to it: without a header.
    pub(crate) fn bare(out: &'o mut Vec<u8>) -> Self {
        Self { out }
    }

    /// As [`Writer::begin`].
    pub(crate) fn of(out: &'o mut Vec<u8>, kind: Kind, settings: &Settings) -> Self {
        Self::begin(out, kind, &settings.digest)
    }

    /// Appends a part.
    ///
    /// # Panics
    /// If the part has no derived serde but one that fails: memory is all that it needs, and sequences know their lengths.
    pub(crate) fn put<T: Serialize + ?Sized>(&mut self, part: &T) {
        let written = postcard::serialize_with_flavor(part, Append(self.out));
        written.unwrap_or_else(|error| unreachable!("a state can always be written: {error}"));
    }

    /// Appends how many parts follow.
    pub(crate) fn put_count(&mut self, count: usize) {
        self.put(&(count as u64));
    }
}

struct Append<'o>(&'o mut Vec<u8>);

impl Flavor for Append<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
