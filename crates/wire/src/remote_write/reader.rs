//! Reads protobuf fields out of a byte slice that belongs to somebody else.
//!
//! Encoding: <https://protobuf.dev/programming-guides/encoding/>. Groups are refused, as `proto3` has none.

use std::ops::Range;

use bellwether_series::take_varint;

use super::DecodeError;

/// Tag of a field that holds a varint.
pub(crate) const fn varint_tag(field: u32) -> u32 {
    field << 3
}

/// Tag of a field that holds eight bytes.
pub(crate) const fn fixed64_tag(field: u32) -> u32 {
    field << 3 | 1
}

/// Tag of a field that holds a length and as many bytes: a string, a message, packed scalars.
pub(crate) const fn bytes_tag(field: u32) -> u32 {
    field << 3 | 2
}

/// Undoes the zig-zag of a `sint32`.
pub(crate) fn zigzag32(value: u64) -> i32 {
    let value = value as u32;
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

/// Undoes the zig-zag of a `sint64`.
pub(crate) fn zigzag64(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// A cursor over one message. Offsets are those of the whole body; the slice ends where the message
/// ends, so that nothing read from a message lies outside it.
///
/// Whatever is not inlined takes and returns the position by value: a cursor whose address escapes would
/// live in memory, which doubles the cost of walking over labels.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self { bytes: body, at: 0 }
    }

    #[inline]
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The tag of the next field: its number and wire type, not yet checked ([`Self::skip`] does).
    #[inline]
    pub(crate) fn tag(&mut self) -> Result<u32, DecodeError> {
        let offset = self.at;
        match u32::try_from(self.varint()?) {
            Ok(tag) => Ok(tag),
            Err(_) => Err(malformed(offset, "field number is too large")),
        }
    }

    /// Nearly all varints of a request, tags and lengths, have one byte.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, DecodeError> {
        if let Some(&byte) = self.bytes.get(self.at)
            && byte < 0x80
        {
            self.at += 1;
            return Ok(u64::from(byte));
        }
        let mut at = self.at;
        let Some(value) = take_varint(self.bytes, &mut at) else {
            return Err(malformed(self.at, "varint is cut or too long"));
        };
        self.at = at;
        Ok(value)
    }

    #[inline]
    pub(crate) fn fixed64(&mut self) -> Result<u64, DecodeError> {
        match self.bytes[self.at..].first_chunk() {
            Some(bytes) => {
                self.at += 8;
                Ok(u64::from_le_bytes(*bytes))
            }
            None => Err(malformed(self.at, "fixed64 is cut")),
        }
    }

    /// Where the content of a length-delimited field lies.
    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<Range<usize>, DecodeError> {
        let offset = self.at;
        let len = self.varint()?;
        if len > (self.bytes.len() - self.at) as u64 {
            return Err(malformed(offset, "length reaches outside the message"));
        }
        let start = self.at;
        self.at += len as usize;
        Ok(start..self.at)
    }

    /// A reader of the content of a length-delimited field.
    #[inline]
    pub(crate) fn message(&mut self) -> Result<Self, DecodeError> {
        let Range { start, end } = self.bytes()?;
        Ok(Self { bytes: &self.bytes[..end], at: start })
    }

    /// Skips the content of a field that means nothing here.
    #[inline]
    pub(crate) fn skip(&mut self, tag: u32) -> Result<(), DecodeError> {
        *self = self.clone().skipped(tag)?;
        Ok(())
    }

    fn skipped(mut self, tag: u32) -> Result<Self, DecodeError> {
        let offset = self.at;
        if tag >> 3 == 0 {
            return Err(malformed(offset, "field number is zero"));
        }
        match tag & 7 {
            0 => _ = self.varint()?,
            1 => _ = self.fixed64()?,
            2 => _ = self.bytes()?,
            5 if self.bytes.len() - offset >= 4 => self.at += 4,
            5 => return Err(malformed(offset, "fixed32 is cut")),
            3 | 4 => return Err(malformed(offset, "groups are not supported")),
            _ => return Err(malformed(offset, "wire type is unknown")),
        }
        Ok(self)
    }
}

#[cold]
fn malformed(offset: usize, fault: &'static str) -> DecodeError {
    DecodeError::Malformed { offset, fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault_of(bytes: &[u8]) -> &'static str {
        let mut reader = Reader::new(bytes);
        match reader.tag().and_then(|tag| reader.skip(tag)) {
            Err(DecodeError::Malformed { fault, .. }) => fault,
            other => panic!("no fault: {other:?}"),
        }
    }

    #[test]
    fn every_wire_type_is_skipped_whole() {
        let fields: [&[u8]; 4] =
            [b"\x08\x96\x01", b"\x09\0\0\0\0\0\0\0\0", b"\x0a\x03abc", b"\x0d\0\0\0\0"];
        for field in fields {
            let mut reader = Reader::new(field);
            let tag = reader.tag().unwrap();
            reader.skip(tag).unwrap();
            assert!(reader.is_done(), "field {field:x?}");
            for cut in 1..field.len() {
                fault_of(&field[..cut]);
            }
        }
    }

    #[test]
    fn what_protobuf_forbids_is_refused() {
        assert_eq!(fault_of(b"\x00\x00"), "field number is zero");
        assert_eq!(fault_of(b"\x0b\x0c"), "groups are not supported");
        assert_eq!(fault_of(b"\x0c"), "groups are not supported");
        assert_eq!(fault_of(b"\x0e"), "wire type is unknown");
        assert_eq!(fault_of(b"\x0f"), "wire type is unknown");
        assert_eq!(fault_of(b"\x80\x80\x80\x80\x10\x00"), "field number is too large");
        assert_eq!(
            fault_of(b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02"),
            "varint is cut or too long"
        );
        assert_eq!(fault_of(b"\x0a\x02a"), "length reaches outside the message");
        let longest = b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(fault_of(longest), "length reaches outside the message");
    }

    #[test]
    fn a_nested_message_cannot_read_behind_its_end() {
        let mut outer = Reader::new(b"\x0a\x02\x08\x80\x01");
        outer.tag().unwrap();
        let mut inner = outer.message().unwrap();
        inner.tag().unwrap();
        assert!(inner.varint().is_err(), "the varint goes on in the parent");
        assert_eq!(outer.at(), 4);
    }

    #[test]
    fn zig_zag_covers_the_whole_range() {
        assert_eq!([0, 1, 2, 3].map(zigzag64), [0, -1, 1, -2]);
        assert_eq!(zigzag64(u64::MAX), i64::MIN);
        assert_eq!(zigzag64(u64::MAX - 1), i64::MAX);
        assert_eq!(zigzag32(u64::from(u32::MAX)), i32::MIN);
    }
}
