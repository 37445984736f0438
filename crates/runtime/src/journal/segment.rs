//! A segment's file: its name, its header, and how segments follow each other.
//!
//! ```text
//! stamp (magic `BWJOURNL`, version 1) · number u64 · id u64 · first sequence u64 · created at i64 ms
//! · previous number u64 (0: none) · previous valid bytes u64 · CRC-32C of all before u32
//! ```
//!
//! The header is durable before the first record is written. It says from which byte of the segment before nothing
//! counts: a segment that a crash or a failing disk ended is never written to again, and what may still appear
//! behind that byte was never acknowledged. The segment before is the last one that has a committed record; those
//! numbered in between are attempts that failed, and void whatever is in them, because not even their headers may be
//! relied on.

use bellwether_series::Timestamp;

use super::error::ReadError;
use super::record::SEQUENCE_MAX;
use crate::format::{
    CRC_BYTES, Fields, STAMP_BYTES, crc_seed, number_in, stamp, u32_at, version_of,
};
use crate::storage::{FileEntry, Storage, path_in};

/// Version of the format that is written, and the only one that is read.
pub const JOURNAL_VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"BWJOURNL";
/// Bytes of the header.
pub(super) const HEADER_BYTES: usize = STAMP_BYTES + 48 + CRC_BYTES;
const SUFFIX: &str = ".journal";

/// Up to where the segment before counts. Number 0: there is none, and whatever is there is void.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Previous {
    pub(super) number: u64,
    pub(super) valid_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) number: u64,
    pub(super) id: u64,
    pub(super) first_sequence: u64,
    pub(super) created_at: Timestamp,
    pub(super) previous: Previous,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = stamp(MAGIC, JOURNAL_VERSION).to_vec();
        for field in [self.number, self.id, self.first_sequence] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes.extend_from_slice(&self.created_at.as_ms().to_le_bytes());
        bytes.extend_from_slice(&self.previous.number.to_le_bytes());
        bytes.extend_from_slice(&self.previous.valid_bytes.to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    /// The header of segment `number`, or `None` when `bytes` do not hold it.
    fn decode(number: u64, bytes: &[u8]) -> Option<Self> {
        let (signed, rest) = bytes.split_at_checked(HEADER_BYTES - CRC_BYTES)?;
        if u32_at(rest, 0)? != crc32c::crc32c(signed) {
            return None;
        }
        let mut fields = Fields(signed.get(STAMP_BYTES..)?);
        let header = Self {
            number: fields.u64()?,
            id: fields.u64()?,
            first_sequence: fields.u64()?,
            created_at: Timestamp::from_ms(fields.i64()?),
            previous: Previous { number: fields.u64()?, valid_bytes: fields.u64()? },
        };
        let plausible = header.number == number
            && header.previous.number < number
            && (1..=SEQUENCE_MAX).contains(&header.first_sequence);
        plausible.then_some(header)
    }

    /// What every checksum of the segment begins with.
    pub(super) fn crc_seed(&self) -> u32 {
        crc_seed(self.id)
    }
}

/// The file of segment `number` in `folder`.
pub(super) fn path_of(folder: &str, number: u64) -> String {
    path_in(folder, &format!("{number:020}{SUFFIX}"))
}

/// A file of the journal.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: String,
    pub(super) bytes: u64,
    /// `None` when it cannot be read: the whole segment is lost.
    pub(super) header: Option<SegmentHeader>,
    /// From this byte on nothing counts; unknown for the newest.
    pub(super) valid_bytes: Option<u64>,
}

/// The segments of a folder.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// Those that count, oldest first.
    pub(super) segments: Vec<Segment>,
    /// Numbers of those that do not.
    pub(super) void: Vec<u64>,
    /// The highest number of any file, 0 when there is none.
    pub(super) highest_number: u64,
}

impl Chain {
    /// Reads the header of every segment in `folder`.
    pub(super) fn read(storage: &dyn Storage, folder: &str) -> Result<Self, ReadError> {
        let files = storage.list(folder).map_err(ReadError::storage(folder))?;
        let mut chain = Self::default();
        let numbered = files.iter().filter_map(|file| Some((number_of(&file.name)?, file)));
        for (number, file) in numbered {
            let path = path_in(folder, &file.name);
            chain.highest_number = chain.highest_number.max(number);
            chain.segments.extend(read_segment(storage, number, path, file)?);
        }
        chain.segments.sort_by_key(|segment| segment.number);
        chain.leave_void_out();
        Ok(chain)
    }

    /// Goes from the newest back along what headers say about the segment before.
    fn leave_void_out(&mut self) {
        let mut counted: Vec<Segment> = Vec::with_capacity(self.segments.len());
        let mut previous: Option<Previous> = None;
        for mut segment in std::mem::take(&mut self.segments).into_iter().rev() {
            if previous.is_some_and(|previous| segment.number > previous.number) {
                self.void.push(segment.number);
                continue;
            }
            // Shorter than a header and without one: a crash fell into its creation, before any record.
            if segment.header.is_none() && segment.bytes <= HEADER_BYTES as u64 {
                self.void.push(segment.number);
                continue;
            }
            let own = previous.filter(|previous| previous.number == segment.number);
            segment.valid_bytes = own.map(|previous| previous.valid_bytes);
            previous = segment.header.map(|header| header.previous);
            counted.push(segment);
        }
        counted.reverse();
        self.segments = counted;
    }
}

fn number_of(name: &str) -> Option<u64> {
    number_in(name, SUFFIX).filter(|number| (1..SEQUENCE_MAX).contains(number))
}

fn read_segment(
    storage: &dyn Storage,
    number: u64,
    path: String,
    file: &FileEntry,
) -> Result<Option<Segment>, ReadError> {
    let mut bytes = [0; HEADER_BYTES];
    let read = storage.open(&path).and_then(|open| open.read_at(0, &mut bytes));
    let got = match read {
        // Retention took it since the folder was listed.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(ReadError::storage(&path))?,
    };
    if let Some(version) = version_of(MAGIC, &bytes[..got])
        && version != JOURNAL_VERSION
    {
        return Err(ReadError::UnsupportedVersion { file: path, version });
    }
    let header = SegmentHeader::decode(number, &bytes[..got])
        .filter(|_| version_of(MAGIC, &bytes).is_some());
    Ok(Some(Segment { number, path, bytes: file.bytes, header, valid_bytes: None }))
}
