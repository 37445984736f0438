//! What both file formats share: the stamp that a file begins with, checksums, and reading fields within bounds.
//!
//! Numbers are little-endian. The stamp is the part of a file that no later version may change, so that an older
//! program can say by which version a file was written instead of calling it damaged.
//!
//! ```text
//! magic u8[8] · format version u32 · CRC-32C of these 12 bytes u32
//! ```

/// Bytes of the stamp.
pub(crate) const STAMP_BYTES: usize = 16;
/// Bytes of a checksum.
pub(crate) const CRC_BYTES: usize = 4;

/// The stamp of files that begin with `magic`.
pub(crate) fn stamp(magic: [u8; 8], version: u32) -> [u8; STAMP_BYTES] {
    let mut bytes = [0; STAMP_BYTES];
    bytes[..8].copy_from_slice(&magic);
    bytes[8..12].copy_from_slice(&version.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..12]);
    bytes[12..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The format version that `bytes` begin with, or `None` when this is no such file or a damaged one.
pub(crate) fn version_of(magic: [u8; 8], bytes: &[u8]) -> Option<u32> {
    let stamp = bytes.get(..STAMP_BYTES)?;
    let (signed, crc) = stamp.split_at(12);
    let fits = signed[..8] == magic && u32_at(crc, 0)? == crc32c::crc32c(signed);
    if fits { u32_at(signed, 8) } else { None }
}

/// The first checksum of a file with identity `id`: mixed into every further one, so that what a reused block of the
/// disk held before does not verify.
pub(crate) fn crc_seed(id: u64) -> u32 {
    crc32c::crc32c(&id.to_le_bytes())
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(offset..)?.first_chunk().copied()?))
}

pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(offset..)?.first_chunk().copied()?))
}

/// Fields taken one after the other; each is `None` when too few bytes are left.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        Some(self.bytes(1)?[0])
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.bytes(2)?.try_into().ok()?))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        u32_at(self.bytes(4)?, 0)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        u64_at(self.bytes(8)?, 0)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        Some(self.u64()? as i64)
    }

    /// Text behind its length in a `u16`.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let bytes = usize::from(self.u16()?);
        std::str::from_utf8(self.bytes(bytes)?).ok()
    }
}

/// The number of the file called `name`: 20 digits and `suffix`.
pub(crate) fn number_in(name: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_suffix(suffix)?;
    let number: u64 = digits.parse().ok()?;
    (format!("{number:020}") == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        // RFC 3720, appendix B.4.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_stamp_gives_its_version_and_no_damaged_one_does() {
        let magic = *b"ABCDEFGH";
        let good = stamp(magic, 7);
        assert_eq!(version_of(magic, &good), Some(7));
        assert_eq!(version_of(*b"ABCDEFGI", &good), None);
        for cut in 0..STAMP_BYTES {
            assert_eq!(version_of(magic, &good[..cut]), None);
        }
        for bit in 0..STAMP_BYTES * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(version_of(magic, &bad), None, "bit {bit}");
        }
    }

    #[test]
    fn only_names_that_we_give_have_a_number() {
        assert_eq!(number_in("00000000000000000012.x", ".x"), Some(12));
        for name in
            ["12.x", "0000000000000000012.x", "0000000000000000001a.x", "+0000000000000000012.x"]
        {
            assert_eq!(number_in(name, ".x"), None, "{name}");
        }
    }
}
