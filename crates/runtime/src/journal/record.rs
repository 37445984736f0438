//! A record of the journal as bytes.
//!
//! ```text
//! payload length u32 · sequence u64 · kind u8 · received at i64 ms · CRC of these fields u32 · payload · CRC u32
//! ```
//!
//! Both checksums are CRC-32C and begin with the segment's id; the second is over everything before it. The first
//! makes a length trustworthy before memory is taken for it, and finds the next record behind damage in one pass.
//! It also keeps senders from planting something like a record in a body: they do not know the id.

use bellwether_series::Timestamp;

use crate::format::{CRC_BYTES, Fields, u32_at};

/// Bytes of a record before its payload.
pub(super) const HEAD_BYTES: usize = 25;
const SIGNED_HEAD_BYTES: usize = HEAD_BYTES - CRC_BYTES;
/// Bytes of a record besides its payload.
pub(super) const FRAME_BYTES: usize = HEAD_BYTES + CRC_BYTES;
/// Longest payload that the format allows, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 20;
/// Sequences begin at 1, so that zeros are no record, and end here.
pub(super) const SEQUENCE_MAX: u64 = i64::MAX as u64;
/// In the byte of the kind: this says again what an earlier record said.
const RESTATED: u8 = 0x80;

/// What stands before the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) payload_bytes: usize,
    pub(super) sequence: u64,
    /// 1 to 127.
    pub(super) kind: u8,
    pub(super) restated: bool,
    pub(super) received_at: Timestamp,
}

impl Head {
    /// Appends a record with this head to `out`; `payload_bytes` must be that of `payload`.
    pub(super) fn frame(&self, crc_seed: u32, payload: &[&[u8]], out: &mut Vec<u8>) {
        let start = out.len();
        out.reserve(FRAME_BYTES + self.payload_bytes);
        out.extend_from_slice(&(self.payload_bytes as u32).to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.push(self.kind | if self.restated { RESTATED } else { 0 });
        out.extend_from_slice(&self.received_at.as_ms().to_le_bytes());
        let crc = crc32c::crc32c_append(crc_seed, &out[start..]);
        out.extend_from_slice(&crc.to_le_bytes());
        for part in payload {
            out.extend_from_slice(part);
        }
        let crc = crc32c::crc32c_append(crc_seed, &out[start..]);
        out.extend_from_slice(&crc.to_le_bytes());
    }

    /// The head that `bytes` begin with, if it verifies.
    pub(super) fn decode(crc_seed: u32, bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let payload_bytes = fields.u32()? as usize;
        let sequence = fields.u64()?;
        let kind = fields.u8()?;
        let received_at = Timestamp::from_ms(fields.i64()?);
        // Cheap questions first: behind damage this is asked at each byte.
        let plausible = payload_bytes <= PAYLOAD_BYTES_MAX
            && (1..=SEQUENCE_MAX).contains(&sequence)
            && kind & !RESTATED != 0;
        let verifies =
            || Some(crc32c::crc32c_append(crc_seed, &bytes[..SIGNED_HEAD_BYTES]) == fields.u32()?);
        let (restated, kind) = (kind & RESTATED != 0, kind & !RESTATED);
        if plausible && { verifies }()? {
            Some(Self { payload_bytes, sequence, kind, restated, received_at })
        } else {
            None
        }
    }

    /// Bytes of the whole record.
    pub(super) fn record_bytes(&self) -> usize {
        FRAME_BYTES + self.payload_bytes
    }
}

/// The payload of `record`, which is as long as its head says, if it verifies.
pub(super) fn payload_of(crc_seed: u32, record: &[u8]) -> Option<&[u8]> {
    let signed = record.get(..record.len().checked_sub(CRC_BYTES)?)?;
    let verifies = u32_at(record, signed.len())? == crc32c::crc32c_append(crc_seed, signed);
    if verifies { signed.get(HEAD_BYTES..) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::crc_seed;

    fn head(payload_bytes: usize) -> Head {
        let received_at = Timestamp::from_ms(-5);
        Head { payload_bytes, sequence: 7, kind: 3, restated: true, received_at }
    }

    #[test]
    fn a_record_comes_back_as_it_went_in() {
        let seed = crc_seed(99);
        let mut bytes = Vec::new();
        head(5).frame(seed, &[b"ab", b"", b"cde"], &mut bytes);
        assert_eq!(Head::decode(seed, &bytes), Some(head(5)));
        assert_eq!(bytes.len(), head(5).record_bytes());
        assert_eq!(payload_of(seed, &bytes), Some(&b"abcde"[..]));
    }

    #[test]
    fn it_verifies_in_its_own_segment_only() {
        let mut bytes = Vec::new();
        head(2).frame(crc_seed(1), &[b"ab"], &mut bytes);
        assert_eq!(Head::decode(crc_seed(2), &bytes), None);
        assert_eq!(payload_of(crc_seed(2), &bytes), None);
    }

    #[test]
    fn zeros_never_verify() {
        let zeros = [0; 256];
        for id in 0..10_000 {
            assert_eq!(Head::decode(crc_seed(id), &zeros), None);
        }
    }

    #[test]
    fn no_flipped_bit_verifies() {
        let seed = crc_seed(1);
        let mut good = Vec::new();
        head(40).frame(seed, &[&[7; 40]], &mut good);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            if bit / 8 < HEAD_BYTES {
                assert_eq!(Head::decode(seed, &bad), None, "bit {bit}");
            }
            assert_eq!(payload_of(seed, &bad), None, "bit {bit}");
        }
    }
}
